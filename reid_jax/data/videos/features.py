"""Videos as features of their frames, with what people thought of each frame, from an H5 file."""

import hashlib
import json
import re
import sys
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reid_jax.data.names import composed
from reid_jax.errors import UserError, missing

_NAMED = 5  # problems that are spelled out


def check_named(path: str) -> None:
    """Refuses an experiment on features of videos that names no file of them.

    Raises:
      UserError: saying which argument names it.
    """
    if not path:
        raise UserError(
            "data.path is empty: name the H5 file with the features of the videos, "
            "--data.path FILE.h5."
        )


@dataclass(frozen=True, eq=False)
class VideoFeatures:
    """One video.

    Attributes:
      key: its name in the file.
      features: (P, D) float32, a row for each frame that was looked at.
      picks: (P,) int64, the rows' frame indices in the video, rising.
      n_frames: frames of the video.
      gtscore: (P,) float32, the importance that people gave these frames, on average.
      user_scores: (U, n_frames) float32, one annotator's importance a row (TVSum).
      user_summary: (U, n_frames) float32 of 0 and 1, one annotator's summary a row (SumMe, and made
        from scores in the community's TVSum file).
      change_points: (S, 2) int64, first and last frame of each segment found by kernel temporal
        segmentation (Potapov et al., ECCV 2014); both belong to it.
      shots_2s: (S, 2) int64, the same of the two-second shots that annotators rated.
      category: of the video.
      widths: how many numbers of a row are of which file, where several files are fused.
    """

    key: str
    features: np.ndarray
    picks: np.ndarray
    n_frames: int
    gtscore: np.ndarray | None = None
    user_scores: np.ndarray | None = None
    user_summary: np.ndarray | None = None
    change_points: np.ndarray | None = None
    shots_2s: np.ndarray | None = None
    category: str | None = None
    widths: tuple[int, ...] = ()


def video_digest(video: VideoFeatures) -> str:
    """Names what was seen of a video, whatever its key: equal for equal features of its frames."""
    digest = hashlib.blake2b(np.ascontiguousarray(video.features).tobytes(), digest_size=16)
    digest.update(np.ascontiguousarray(video.picks).tobytes())
    return digest.hexdigest()


def load_video_features(path: Path) -> tuple[VideoFeatures, ...]:
    """The videos of an H5 file in the layout of the eccv16_dataset files (Zhang et al., ECCV 2016).

    A group a video. `features`, `picks` and `n_frames` are needed: a video without them, or with
    unusable ones, is left out. The other fields of :class:`VideoFeatures` are None where they are
    missing or unusable. What was left out for being unusable is counted and named on stderr. The
    videos come in the order of their names, `video_2` before `video_10`.

    Raises:
      UserError: there is no such file, it is not H5, or no video in it can be used.
    """
    try:
        import h5py
    except ImportError as error:
        raise missing("Reading H5", "h5py", "video") from error
    if not path.is_file():
        raise UserError(f"There is no file {path}; give an H5 file with a group for each video.")
    problems: list[str] = []
    videos = []
    try:
        with h5py.File(path, "r") as file:
            for key in sorted(file, key=natural_order):
                try:
                    videos.append(_read(key, file[key], problems))
                except (_UnusableError, OSError, KeyError, TypeError, ValueError) as error:
                    problems.append(f"{key} is left out: {error}")
    except OSError as error:
        raise UserError(
            f"{path} is not an H5 file that can be read (cut short, or another format); give one "
            "with a group for each video."
        ) from error
    videos = _of_one_width(videos, problems)
    if not videos:
        example = f" ({problems[0]})" if problems else ""
        raise UserError(
            f"No video in {path} can be used{example}: each needs a group with features, picks and "
            "n_frames."
        )
    _tell(path, problems)
    return tuple(videos)


def natural_order(key: str) -> tuple[Any, ...]:
    """Sorts by the numbers in names, as people do: video_2 before video_10."""
    parts = re.split(r"(\d+)", key)  # what is between numbers, and the numbers, by turns
    return tuple(_number(part) if i % 2 else part for i, part in enumerate(parts)), key


def _number(digits: str) -> tuple[int, list[int]]:
    """Sorts as the number does, in any script; Python reads no int of more than 4,300 digits."""
    values = [unicodedata.digit(digit) for digit in digits]
    first = next((place for place, value in enumerate(values) if value), len(values))
    return len(values) - first, values[first:]


class _UnusableError(Exception):
    """Why a video or a field cannot be used."""


def _read(key: str, group: Any, problems: list[str]) -> VideoFeatures:
    if not hasattr(group, "keys"):
        raise _UnusableError("it is not a group")
    missing = [name for name in ("features", "picks", "n_frames") if name not in group]
    if missing:
        raise _UnusableError(f"it has no {' and no '.join(missing)}")
    features = _numbers(group["features"], np.float32, 2)
    picks = _numbers(group["picks"], np.int64, 1)
    n_frames = int(np.asarray(group["n_frames"][()]).reshape(-1)[0])
    if not features.size:
        raise _UnusableError("its features are empty")
    if len(picks) != len(features):
        raise _UnusableError(f"it has {len(features)} rows of features and {len(picks)} picks")
    if picks[0] < 0 or picks[-1] >= n_frames or np.any(np.diff(picks) <= 0):
        raise _UnusableError(f"its picks do not rise from 0 to below n_frames, {n_frames}")

    def optional(name: str, kind: Any, length: int | None, rank: int) -> np.ndarray | None:
        if name not in group:
            return None
        try:
            values = _numbers(group[name], kind, rank)
            if length is not None and values.shape[-1] != length:
                raise _UnusableError(f"its length is {values.shape[-1]} where {length} is expected")
            if not values.size:
                raise _UnusableError("it is empty")
            return values
        except (_UnusableError, OSError, TypeError, ValueError) as error:
            problems.append(f"{key} is read without {name}: {error}")
            return None

    def segments(name: str) -> np.ndarray | None:
        found = optional(name, np.int64, 2, 2)
        if found is None:
            return None
        first, last = found.T
        if first[0] != 0 or np.any(first[1:] != last[:-1] + 1) or np.any(first >= n_frames):
            problems.append(
                f"{key} is read without {name}: they do not follow each other from frame 0 on"
            )
            return None
        last[-1] = n_frames - 1  # some files stop a few frames before or after
        return found

    return VideoFeatures(
        key=key,
        features=features,
        picks=picks,
        n_frames=n_frames,
        gtscore=optional("gtscore", np.float32, len(picks), 1),
        user_scores=optional("user_scores", np.float32, n_frames, 2),
        user_summary=optional("user_summary", np.float32, n_frames, 2),
        change_points=segments("change_points"),
        shots_2s=segments("shots_2s"),
        category=_text(group, "category"),
    )


def _numbers(dataset: Any, kind: Any, rank: int) -> np.ndarray:
    values = np.asarray(dataset[()])
    if values.ndim != rank:
        raise _UnusableError(
            f"{dataset.name.rsplit('/', 1)[-1]} has {values.ndim} axes, not {rank}"
        )
    if not np.all(np.isfinite(values)):
        raise _UnusableError(f"{dataset.name.rsplit('/', 1)[-1]} is not finite everywhere")
    return np.ascontiguousarray(values.astype(kind))


def _text(group: Any, name: str) -> str | None:
    if name not in group:
        return None
    value = group[name][()]
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _of_one_width(videos: list[VideoFeatures], problems: list[str]) -> list[VideoFeatures]:
    if not videos:
        return videos
    width = Counter(video.features.shape[1] for video in videos).most_common(1)[0][0]
    for video in videos:
        if (own := video.features.shape[1]) != width:
            problems.append(f"{video.key} is left out: {own} numbers a row, not {width}")
    return [video for video in videos if video.features.shape[1] == width]


def _tell(path: Path, problems: Sequence[str]) -> None:
    if not problems:
        return
    lines = [f"{path}: {len(problems)} unusable", *(f"  {one}" for one in problems[:_NAMED])]
    if len(problems) > _NAMED:
        lines.append(f"  ... and {len(problems) - _NAMED} more")
    print("\n".join(lines), file=sys.stderr)


def load_folds(
    path: Path | None, keys: Sequence[str], folds: int = 5
) -> list[tuple[list[str], list[str]]]:
    """Which videos to train on and which to test on, fold by fold.

    Args:
      path: JSON, a list of objects with `train_keys` and `test_keys`; of a key that is a path, as
        in the community's files, the last part counts. Videos that are not in `keys` are left out,
        and named on stderr, as is how many are tested on in several folds (folds that were drawn
        at random share some). Without a file, the keys are dealt out in the order of their names.
      keys: of the videos that there are.
      folds: how many, without a file.

    Returns:
      (train, test) keys of each fold; no video is in both, nor twice in one of them.

    Raises:
      UserError: the file cannot be read or understood, a fold trains on its test videos, a side of
        a fold is empty, or there are fewer videos than folds.
    """
    if path is None:
        if not 2 <= folds <= len(keys):
            raise UserError(
                f"{len(keys)} videos cannot be divided into {folds} folds: there must be at least "
                "two folds, and a video for each."
            )
        ordered = sorted(keys, key=natural_order)
        tests = [ordered[fold::folds] for fold in range(folds)]
        return [([key for key in ordered if key not in test], test) for test in tests]
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path} is not a JSON file that can be read; give a list of folds, each with "
            "train_keys and test_keys."
        ) from error
    unknown: set[str] = set()
    spelled = {composed(key): key for key in keys} | {key: key for key in keys}
    found = []
    for number, fold in enumerate(content if isinstance(content, list) else [content]):
        sides = (_side(fold, side, path, number) for side in ("train_keys", "test_keys"))
        train, test = (
            list(dict.fromkeys(spelled.get(key, spelled.get(composed(key), key)) for key in side))
            for side in sides
        )
        if both := sorted(set(train) & set(test), key=natural_order):
            raise UserError(f"{path} trains fold {number} on its test video {both[0]}.")
        unknown |= set(train + test) - set(keys)
        train, test = ([key for key in side if key in set(keys)] for side in (train, test))
        if not train or not test:
            raise UserError(
                f"{path} leaves fold {number} without {'test' if train else 'training'} videos "
                "that are in the data: check that it belongs to this file of features."
            )
        found.append((train, test))
    if not found:
        raise UserError(f"{path} holds no fold; give a list of train_keys and test_keys.")
    _tell(path, [f"{key} is not in the data" for key in sorted(unknown, key=natural_order)])
    times = Counter(key for _, test in found for key in test)
    if repeated := sum(number > 1 for number in times.values()):
        print(
            f"{path}: {repeated} of {len(times)} test videos are in the test sets of several "
            "folds, so a mean over folds counts them more than once.",
            file=sys.stderr,
        )
    return found


def _side(fold: Any, side: str, path: Path, number: int) -> list[str]:
    keys = fold.get(side) if isinstance(fold, Mapping) else None
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise UserError(f"{path} has no list {side} in fold {number}; each fold needs one.")
    return list(dict.fromkeys(key.rstrip("/").rsplit("/", 1)[-1] for key in keys))
