"""The videos that a run began with, kept by name and content: found where they are now, or refused.

A run names the files that it was made from. They may move; what lies there must stay what it was.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from reid_jax.data.digests import file_digest
from reid_jax.data.parallel import parallel_map
from reid_jax.data.videos.frame_folders import read_frame_folders
from reid_jax.data.videos.fused import files_of
from reid_jax.errors import UserError
from reid_jax.files import write_text
from reid_jax.training.config_file import has_begun, keep_values, read_values
from reid_jax.training.hosts.agreement import digest
from reid_jax.training.hosts.join import is_first

Data = TypeVar("Data")
Split = TypeVar("Split")
Parts = Mapping[str, Mapping[str, Sequence[Any]]]
"""By part (train, validation, test) and video what was seen of it: arrays, texts or None."""

_NAME = "split.json"
_DIGESTS, _FRAMES = "digests", "frames"  # runs of earlier versions have none
_FUSED = "features"  # several paths
_PLACES = ("path", _FUSED, "labels", "splits", "frames", "videos", "copies")  # of a section `data`
FREE = tuple(f"data.{name}" for name in _PLACES)
"""For `Question.free` of one that loads by `kept_videos`."""


def digests_of(parts: Parts) -> dict[str, str]:
    """What names the content of each video, whatever file it is in."""
    return {
        key: digest(*("" if value is None else value for value in seen))
        for videos in parts.values()
        for key, seen in videos.items()
    }


def kept_videos(
    workdir: Path, data: Any, load: Callable[[], Split], parts_of: Callable[[Split], Parts]
) -> Split:
    """What `load` gives, if that is what the run began with; notes where it is now.

    A run that has begun goes on, and is judged again, with the videos that it had. Images of frames
    are read for it where they are in another folder than they were.

    Args:
      data: a section of a configuration: where the videos are now.

    Raises:
      UserError: they are others or gone, or elsewhere and the run did not keep what they look like.
    """
    if not has_begun(workdir):
        return load()
    kept, moved = _read(workdir), _moved(workdir, data)
    digests, frames = kept.pop(_DIGESTS, None), kept.pop(_FRAMES, {})
    if moved and digests is None:
        changes = ", ".join(f"data.{name}: {old} -> {new}" for name, (old, new) in moved.items())
        raise UserError(
            f"{workdir} did not keep what its videos look like, so that they cannot be found "
            f"elsewhere ({changes}); bring them back there, or train into another --workdir."
        )
    features = [str(file) for file in files_of(data.features)]
    for path in (data.path, *features, data.splits, _labels(data)):
        if path and not Path(path).exists():
            raise UserError(
                f"{path} is not there; should the videos of {workdir} have moved, say where they "
                f"are: reid-jax evaluate {workdir} --videos FILE.h5, or --data.path to train on."
            )
    split = load()
    parts = parts_of(split)
    same = not (workdir / _NAME).is_file() or kept == _keys(parts)
    same = same and digests in (None, digests_of(parts))
    if same and "frames" in moved:
        same = all(moved["frames"]) and frames == _digests_of_frames(data)
    if not same:
        raise UserError(
            f"{workdir} was trained on other videos{' or labels' * bool(_labels(data))} than its "
            "data and splits hold now; bring them back, or train into another --workdir."
        )
    if moved and is_first():
        try:
            keep_values(workdir, "data", _places(data))
        except OSError as error:
            print(f"{workdir} cannot remember where its videos are now: {error}")
    return split


def moved_to(data: Data, file: Path) -> Data:
    """The section with the videos in another file, and beside it what lay beside it before."""
    before, now = Path(data.path), file.absolute()  # type: ignore[attr-defined]
    places = {"path": now.as_posix()}
    for name, place in _places(data).items():
        if name != "path" and place:
            ones = files_of(place) if name == _FUSED else [Path(place)]
            found = [_beside(one, before.parent, now.parent) for one in ones]
            places[name] = ",".join(found)
    return replace(data, **places)  # type: ignore[type-var]


def _beside(place: Path, before: Path, now: Path) -> str:
    if place.is_relative_to(before) and (there := now / place.relative_to(before)).exists():
        return there.as_posix()
    return place.as_posix()


def keep_videos(workdir: Path, data: Any, parts: Parts) -> None:
    """Writes beside the run's configuration which videos it has, and what they look like."""
    frames = _read(workdir).get(_FRAMES, {}) if has_begun(workdir) else {}
    if not frames and data.frames and Path(data.frames).is_dir():
        frames = _digests_of_frames(data)
    content = {**_keys(parts), _DIGESTS: digests_of(parts), _FRAMES: frames}
    write_text(workdir / _NAME, json.dumps(content, indent=1) + "\n")


def trained_digests(workdir: Path) -> set[str]:
    """What names the content of the videos that a run was trained on; empty where it kept none."""
    kept = _read(workdir)
    named = kept.get(_DIGESTS, {})
    return {named[key] for key in kept.get("train", []) if key in named}


def kept_alike(workdirs: Sequence[Path]) -> bool:
    """Whether runs have kept the same videos in the same parts, wherever these are."""
    first, *others = (_read(workdir) for workdir in workdirs)
    return _DIGESTS in first and all(other == first for other in others)


def about_fold(data: Any) -> str:
    """What the numbers of a run stand on, in a sentence.

    Args:
      data: a section of a configuration: its fold.
    """
    folds = Path(data.splits).name if data.splits else f"{data.folds}, dealt out by name"
    return f"Split by video: whole videos were held out, those of fold {data.fold} of {folds}."


def _read(workdir: Path) -> dict[str, Any]:
    path = workdir / _NAME
    kept: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
    return kept


def _keys(parts: Parts) -> dict[str, list[str]]:
    return {name: list(videos) for name, videos in parts.items()}


def _places(data: Any) -> dict[str, str]:
    return {name: getattr(data, name) for name in _PLACES if hasattr(data, name)}


def _labels(data: Any) -> str:
    return getattr(data, "labels", "")


def _moved(workdir: Path, data: Any) -> dict[str, tuple[str, str]]:
    before = read_values(workdir)["data"]
    pairs = {name: (before.get(name, ""), now) for name, now in _places(data).items()}
    return {name: (old, new) for name, (old, new) in pairs.items() if old != new}


def _digests_of_frames(data: Any) -> dict[str, str]:
    folders = read_frame_folders(Path(data.path), Path(data.frames))
    paths = [str(path) for folder in folders.values() for path in folder.paths]
    files = iter(parallel_map(file_digest, paths, "Reading frames"))
    return {
        key: digest(folder.frames, [next(files) for _ in folder.paths])
        for key, folder in folders.items()
    }
