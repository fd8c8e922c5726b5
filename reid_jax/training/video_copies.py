"""Features of edited copies of videos, by a published network, made once and kept in a file."""

import json
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from reid_jax.data.frame_folders import read_frame_folders
from reid_jax.data.video_edits import edit_frames, edit_names
from reid_jax.data.video_pairs import Track
from reid_jax.files import write_arrays
from reid_jax.weights.frozen import frozen_features

_EVERY = 2  # each second frame of a folder: half the time, and still some thirty a video
_BATCH = 30

Copies = dict[str, dict[str, Track]]


def load_copies(
    file: Path, *, features: Path, frames: Path, backbone: str, pretrained: str, seed: int
) -> Copies:
    """Tracks of edited copies by the video's key and the edit's name.

    They are read from `file`; when it is missing, or was made from something else, they are made
    from the JPEG files in `frames` (see `read_frame_folders`) and written there.

    Args:
      features: the H5 file that the frames go with; its features must be those of `backbone`.
      backbone, pretrained: the network and its weights, as in a configuration.
      seed: of the edits' numbers.

    Raises:
      UserError: the frames or the weights cannot be read.
    """
    made_from = json.dumps([str(frames), backbone, pretrained, seed, _EVERY, edit_names()])
    try:
        kept = _read(file, made_from) if file.is_file() else None
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        kept = None  # cut short: made anew
    if kept is not None:
        return kept
    copies = _make(features, frames, backbone, pretrained, seed)
    arrays: dict[str, Any] = {"made_from": np.array(made_from)}
    for key, own in copies.items():
        arrays[f"{key}/frames"] = next(iter(own.values())).frames
        for name, track in own.items():
            arrays[f"{key}/{name}"] = track.features.astype(np.float16)
    write_arrays(file, arrays)
    return copies


def _read(file: Path, made_from: str) -> Copies | None:
    with np.load(file) as kept:
        if "made_from" not in kept or str(kept["made_from"]) != made_from:
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
    inputs, describe = frozen_features(backbone, pretrained)
    copies: Copies = {}
    for number, (key, folder) in enumerate(folders.items()):
        print(f"\rfeatures of edited copies: video {number + 1} of {len(folders)}", end="")
        images = folder.load(inputs.input_size, every=_EVERY)
        own = {}
        for place, name in enumerate(edit_names()):
            rng = np.random.default_rng([seed, zlib.crc32(key.encode()), place])
            rows = _in_blocks(describe, edit_frames(images, name, rng))
            # As the file will give them back.
            rounded = rows.astype(np.float16).astype(np.float32)
            own[name] = Track(rounded, folder.frames[::_EVERY])
        copies[key] = own
    print()
    return copies


def _in_blocks(features: Callable[[np.ndarray], Any], images: np.ndarray) -> np.ndarray:
    """float32 (N, D) of uint8 images (N, S, S, 3), in blocks of one shape."""
    results = []
    for start in range(0, len(images), _BATCH):
        block = images[start : start + _BATCH]
        padded = np.zeros((_BATCH, *block.shape[1:]), np.uint8)
        padded[: len(block)] = block
        results.append(np.asarray(features(padded))[: len(block)])
    return np.concatenate(results)
