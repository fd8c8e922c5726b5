"""The videos that a run keeps to, whoever asks for them."""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reid_jax.data.videos.features import VideoFeatures
from reid_jax.keyframes.config import KeyframeConfig
from reid_jax.keyframes.experiment import VideoSplit, load_videos
from reid_jax.training.kept_videos import Parts, kept_videos


def parts_of(split: VideoSplit) -> Parts:
    """What a run keeps of its videos."""
    parts = {"train": split.train, "validation": split.validation, "test": split.test}
    return {name: {video.key: _seen(video) for video in part} for name, part in parts.items()}


def _seen(video: VideoFeatures) -> Sequence[Any]:
    truth = (video.gtscore, video.user_scores, video.user_summary)
    scenes = (video.change_points, video.shots_2s, video.category)
    return (video.features, video.picks, video.n_frames, *truth, *scenes)


def load_run_videos(workdir: Path, config: KeyframeConfig) -> VideoSplit:
    """The videos of a configuration; of a run that has begun only those that it began with."""
    load = functools.partial(load_videos, config.data, config.train.seed)
    return kept_videos(workdir, config.data, load, parts_of)
