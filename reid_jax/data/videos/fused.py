"""Features of several files of the same videos, side by side."""

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from reid_jax.console import counted
from reid_jax.data.videos.features import VideoFeatures, load_video_features
from reid_jax.errors import UserError

_NAMED = 5  # videos that are spelled out


def files_of(names: str) -> list[Path]:
    """The paths of a field that names files, separated by commas."""
    return [Path(name.strip()) for name in names.split(",") if name.strip()]


def load_fused(path: Path, features: str) -> tuple[VideoFeatures, ...]:
    """The videos of a file, with the features of others in the place of its own.

    All else is of the first file. A video that one of the others lacks, or has at other picks, is
    left out, and named on stderr.

    Args:
      features: files as `load_video_features` reads them, separated by commas; empty for the first
        one's own.

    Returns:
      Videos whose features are those of the files, (P, D1 + D2 + ...), as their `widths` say.

    Raises:
      UserError: a file cannot be read, or no video is the same in all.
    """
    videos = load_video_features(path)
    if not features:
        return videos
    files = files_of(features)
    others = [
        {video.key: video for video in (videos if file == path else load_video_features(file))}
        for file in files
    ]
    fused, problems = [], []
    for video in videos:
        found = [other.get(video.key) for other in others]
        problem = ""
        for file, its in zip(files, found, strict=True):
            if its is None:
                problem = f"{video.key} is not in {file}"
            elif not np.array_equal(its.picks, video.picks):
                problem = f"{video.key} has {_picks(its)} in {file} and {_picks(video)} in {path}"
        if problem:
            problems.append(problem)
        else:
            fused.append(_with_features(video, [its.features for its in found if its is not None]))
    told = "; ".join(problems[:_NAMED])
    told += f"; and {len(problems) - _NAMED} more" if len(problems) > _NAMED else ""
    if not fused:
        raise UserError(
            f"No video of {path} is in all files of data.features at the same picks: {told}."
        )
    if problems:
        which = counted(len(problems), "video is", "videos are")
        print(f"{which} left out of the fused features: {told}.", file=sys.stderr)
    return tuple(fused)


def _picks(video: VideoFeatures) -> str:
    return f"{len(video.picks)} picks from {video.picks[0]} to {video.picks[-1]}"


def _with_features(video: VideoFeatures, features: Sequence[np.ndarray]) -> VideoFeatures:
    widths = tuple(each.shape[1] for each in features)
    return dataclasses.replace(video, features=np.concatenate(features, axis=1), widths=widths)


def load_named(file: Path) -> tuple[VideoFeatures, ...]:
    """The videos of a file that a command names, or of several that are fused: A.h5,B.h5."""
    several = files_of(str(file))
    if file.exists() or len(several) < 2:
        return load_video_features(file)
    return load_fused(several[0], ",".join(map(str, several)))
