"""Scorers from which another one learns: opened, checked, and asked about the training videos."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from reid_jax.console import counting, say
from reid_jax.data.videos.features import VideoFeatures
from reid_jax.data.videos.images import load_frames
from reid_jax.errors import UserError
from reid_jax.keyframes.config import KeyframeConfig
from reid_jax.keyframes.distillation import ATTENTION, FEATURES, SCORES, taught
from reid_jax.keyframes.experiment import VideoSplit
from reid_jax.keyframes.model import TrainedScorer, load_scorer
from reid_jax.training.kept_videos import trained_digests
from reid_jax.training.teachers import check_finished, places_of

_MOST = 4 * 2**30  # bytes of maps of attention


def open_teachers(config: KeyframeConfig, workdir: Path | None = None) -> list[TrainedScorer]:
    """The scorers that `distill.teacher` names.

    Args:
      workdir: of the student, which is none of them.

    Raises:
      UserError: one cannot be had, is not finished, or sees images where the student sees features.
    """
    found = []
    for place in places_of(config.distill.teacher, workdir):
        scorer = load_scorer(place)
        check_finished(scorer)
        theirs, ours = bool(scorer.config.model.backbone), bool(config.model.backbone)
        if theirs != ours:
            raise UserError(
                f"{place} sees {_what(theirs)} and this network {_what(ours)}: teacher and network "
                "must see the same."
            )
        found.append(scorer)
    return found


def said_of_training(
    config: KeyframeConfig, split: VideoSplit, held: set[str]
) -> dict[str, np.ndarray]:
    """What teachers say of the training videos, seen whole and as they are: arrays of a clip feed.

    Args:
      held: digests of the videos that the run is tested on.

    Returns:
      by `taught` of its name: scores (N,) of all frames end to end, the mean of the teachers;
      features (N, F), centred and in units of their standard deviation, side by side; attention
      (V, T, T), the mean, T the longest video. Empty without a teacher.

    Raises:
      UserError: see `open_teachers`; a teacher's features have another width; the maps of attention
        would take more memory than there is a use for.
    """
    distill = config.distill
    if not distill.teacher:
        return {}
    teachers, videos = open_teachers(config), split.train
    for each in teachers:
        width = videos[0].features.shape[1]
        if each.width not in (None, width):
            raise UserError(
                f"{each.workdir} scores {each.width:,} features a frame, {config.data.path} has "
                f"{width:,}: teacher and network must see the same."
            )
        if leaked := len(held & trained_digests(each.workdir)):
            say(
                f"{each.workdir} was trained on {leaked} of {len(held)} videos that this run is "
                "tested on: what it passes on flatters"
            )
    if distill.attention:
        longest = max(len(video.picks) for video in videos)
        needed = 4 * len(videos) * longest**2
        if needed > _MOST:
            raise UserError(
                f"What a teacher attends to in {len(videos):,} videos of up to {longest:,} frames "
                f"takes {needed / 1e9:.0f} GB; set distill.attention to 0."
            )
    each_said = [_said(each, config, videos) for each in teachers]
    found = {taught(SCORES): np.mean([np.concatenate(one[SCORES]) for one in each_said], axis=0)}
    if distill.features:
        sides = [_standardised(np.concatenate(one[FEATURES])) for one in each_said]
        found[taught(FEATURES)] = np.concatenate(sides, axis=1)
    if distill.attention:
        longest = max(len(one) for one in each_said[0][SCORES])
        maps = np.zeros((len(videos), longest, longest), np.float32)
        for one in each_said:
            for whole, own in zip(maps, one[ATTENTION], strict=True):
                whole[: len(own), : len(own)] += own / len(each_said)
        found[taught(ATTENTION)] = maps
    return {name: np.asarray(array, np.float32) for name, array in found.items()}


def _said(
    scorer: TrainedScorer, config: KeyframeConfig, videos: Sequence[VideoFeatures]
) -> dict[str, list[np.ndarray]]:
    found: dict[str, list[np.ndarray]] = {SCORES: [], FEATURES: [], ATTENTION: []}
    for video in counting(videos, f"asking {scorer.workdir.name}", "videos"):
        if scorer.width is None:
            data, size = config.data, scorer.config.data.image_size
            [(_, images)] = load_frames(Path(data.path), Path(data.frames), [video], size)
            said = scorer.explained(scorer.image_features(images))
        else:
            said = scorer.explained(video.features)
        for name, rows in found.items():
            rows.append(said[name])
    return found


def _standardised(features: np.ndarray) -> np.ndarray:
    centred = features - features.mean(axis=0)
    return np.asarray(centred / max(float(centred.std()), 1e-12), np.float32)


def _what(images: bool) -> str:
    return "images" if images else "features"
