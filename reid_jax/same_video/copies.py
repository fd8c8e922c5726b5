"""Features of edited copies of videos, by a published network, made once and kept in a file."""

import hashlib
import json
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from reid_jax.console import Bar, counting
from reid_jax.data.digests import file_digest
from reid_jax.data.videos.frame_folders import read_frame_folders
from reid_jax.errors import UserError
from reid_jax.files import write_arrays
from reid_jax.same_video.config import ClipDataConfig
from reid_jax.same_video.edits import edit_frames, edit_names
from reid_jax.same_video.pairs import PairVideo, Track
from reid_jax.weights.frozen import frozen_encoder
from reid_jax.weights.published import origin_of

_EVERY = 2  # each second frame of a folder: half the time, and still some thirty a video
_BATCH = 30
EDITS_SEED = 0  # alone, so that runs of several seeds can share copies

Copies = dict[str, dict[str, Track]]


def load_copies(
    file: Path, *, features: Path, frames: Path, backbone: str, pretrained: str, seed: int
) -> Copies:
    """Tracks of edited copies by the video's key and the edit's name.

    They are read from `file`; when it is missing, or was made from something else, also of the same
    name, they are made from the JPEG files in `frames` (see `read_frame_folders`) and kept there.
    Frames of the same names and sizes in another folder are those that they were made from.

    Args:
      features: the H5 file that the frames go with; its features must be those of `backbone`.
      backbone, pretrained: the network and its weights, as in a configuration.
      seed: of the edits' numbers.

    Raises:
      UserError: the frames or the weights cannot be read.
    """
    made_from = json.dumps([str(frames), backbone, pretrained, seed, _EVERY, edit_names()])
    content = _content(features, frames, pretrained)
    try:
        kept = _read(file, made_from, content) if file.is_file() else None
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        kept = None  # cut short: made anew
    if kept is not None:
        return kept
    copies = _make(features, frames, backbone, pretrained, seed)
    arrays: dict[str, Any] = {"made_from": np.array(made_from), "content": np.array(content)}
    for key, own in copies.items():
        arrays[f"{key}/frames"] = next(iter(own.values())).frames
        for name, track in own.items():
            arrays[f"{key}/{name}"] = track.features.astype(np.float16)
    write_arrays(file, arrays)
    return copies


def _content(features: Path, frames: Path, pretrained: str) -> list[str]:
    """What lies under the paths: digests of the files, and of the frames' names and sizes; empty of
    what is not there."""
    digests = [
        file_digest(str(path)).decode() if path.is_file() else ""
        for path in (features, Path(origin_of(pretrained)[1]))
    ]
    pictures = sorted(
        (str(path.relative_to(frames)), path.stat().st_size) for path in frames.rglob("*.jp*g")
    )
    listed = hashlib.blake2b(repr(pictures).encode("utf-8", "backslashreplace"), digest_size=16)
    return [*digests, listed.hexdigest() if pictures else ""]


def _changed(before: Sequence[str], now: Sequence[str]) -> bool:
    return any(a and b and a != b for a, b in zip(before, now, strict=True))


def _read(file: Path, made_from: str, content: Sequence[str]) -> Copies | None:
    with np.load(file) as kept:
        if "made_from" not in kept:
            return None
        # Copies of earlier versions did not note it, and what is gone cannot be compared.
        noted = kept["content"].tolist() if "content" in kept else None
        if noted is not None and _changed(noted, content):
            return None
        place, *before = json.loads(str(kept["made_from"]))
        now, *others = json.loads(made_from)
        if before != others or (place != now and (noted != content or not content[-1])):
            return None
        keys = [name.removesuffix("/frames") for name in kept.files if name.endswith("/frames")]
        return {
            key: {
                name: Track(kept[f"{key}/{name}"].astype(np.float32), kept[f"{key}/frames"])
                for name in edit_names()
            }
            for key in keys
        }


def _make(features: Path, frames: Path, backbone: str, pretrained: str, seed: int) -> Copies:
    folders = read_frame_folders(features, frames)
    encoder = frozen_encoder(backbone, pretrained, _BATCH)
    copies: Copies = {}
    bar = Bar("Features of edited copies", len(folders), "videos")
    for number, (key, folder) in enumerate(folders.items(), 1):
        images = folder.load(encoder.side, every=_EVERY)
        own = {}
        for name, edited in _edited(key, images, seed):
            rows = encoder(edited)
            # As the file will give them back.
            rounded = rows.astype(np.float16).astype(np.float32)
            own[name] = Track(rounded, folder.frames[::_EVERY])
        copies[key] = own
        bar.update(number)
    bar.close()
    return copies


def _edited(key: str, images: np.ndarray, seed: int) -> Iterator[tuple[str, np.ndarray]]:
    """Each edit's name, and images of a video with it."""
    for place, name in enumerate(edit_names()):
        rng = np.random.default_rng([seed, zlib.crc32(key.encode()), place])
        yield name, edit_frames(images, name, rng)


def with_images(
    videos: Sequence[PairVideo], data: ClipDataConfig, *, edited: bool = True
) -> tuple[PairVideo, ...]:
    """Videos whose tracks are the frames that are kept of them as images, as are their copies'.

    Args:
      edited: without it there are no copies.

    Raises:
      UserError: a video has no images.
    """
    folders = read_frame_folders(Path(data.path), Path(data.frames))
    found = []
    for video in counting(videos, "Frames and edited copies", "videos"):
        if video.key not in folders:
            raise UserError(f"{data.frames} has no frames of {video.key} in {data.path}.")
        folder = folders[video.key]
        images = folder.load(data.image_size)
        copies = {}
        if edited:
            copies = {
                name: Track(copy, folder.frames[::_EVERY])
                for name, copy in _edited(video.key, images[::_EVERY], EDITS_SEED)
            }
        track = Track(images, folder.frames)
        found.append(replace(video, original=track, copies=copies, listed=video.in_file))
    return tuple(found)


def described(
    videos: Sequence[PairVideo], describe: Callable[[np.ndarray], np.ndarray]
) -> tuple[PairVideo, ...]:
    """Videos with features of the images that their tracks are of."""

    def of(track: Track) -> Track:
        return Track(describe(track.features), track.frames)

    return tuple(
        replace(
            video,
            original=of(video.original),
            listed=video.in_file,
            copies={name: of(track) for name, track in video.copies.items()},
        )
        for video in videos
    )
