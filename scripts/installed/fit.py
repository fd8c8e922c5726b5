"""What is fitted to TVSum: a linear scorer of frames, and a whitening of their features."""

import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from reid_jax.data.videos.features import VideoFeatures, load_folds, load_video_features
from reid_jax.keyframes.config import KeyframeConfig
from reid_jax.keyframes.inputs import fit_preparation, prepare_video
from reid_jax.keyframes.installed import LinearScorer, linear_scorer
from reid_jax.keyframes.measures import evaluate_keyframes
from reid_jax.keyframes.ridge import linear_start
from reid_jax.keyframes.ridge_choice import Choice, choose
from reid_jax.ops.verification import roc_auc
from reid_jax.same_video.experiment import PAIRS_SEED
from reid_jax.same_video.pairs import PairSource, evaluation_pairs, pair_videos
from reid_jax.same_video.similarity import paired_chamfer_similarity
from reid_jax.same_video.whitening import fit_whitening
from reid_jax.training.config_file import read_config

COMPONENTS = 192
_CLIP, _PAIRS = 16, 300  # as `video_similarity` has them
_SEED = 0

Videos = Sequence[VideoFeatures]


def choices_of(runs: Sequence[Path]) -> list[Choice]:
    """What runs of configs/tvsum.py, one a fold, have chosen, and last the median of it."""
    configs = [read_config(run, KeyframeConfig) for run in runs]
    found = [
        Choice(each.data.components, each.data.context, each.model.ridge, each.model.smoothing)
        for each in configs
    ]
    middle = [statistics.median_low(values) for values in zip(*found, strict=True)]
    return [*found, Choice(int(middle[0]), *middle[1:])]


def fit_scorer(videos: Videos, choice: Choice | None) -> LinearScorer:
    """As the run of configs/tvsum.py starts: its parts are chosen among these videos alone.

    Args:
      choice: where a run has made it.
    """
    choice = choice or choose(videos, _SEED)[0]
    preparation = fit_preparation(
        [video.features for video in videos],
        components=choice.components,
        context=choice.context,
    )
    inputs = [prepare_video(preparation, video.features) for video in videos]
    return linear_scorer(preparation, linear_start(inputs, videos, choice.ridge), choice.smoothing)


def judge_scorer(scorer: LinearScorer, test: Videos) -> dict[str, float]:
    """Kendall's and Spearman's correlation with each annotator, averaged."""
    scores = {video.key: scorer.score_features(video.features) for video in test}
    found = evaluate_keyframes(scores, test)
    return {name: found[name] for name in ("kendall_users", "spearman_users")}


def whitening(videos: Videos, choice: Choice | None = None) -> dict[str, np.ndarray]:
    """As it is installed: the matrix (D, 192) float16, the mean (D,) float32."""
    del choice
    fitted = fit_whitening([video.features for video in videos], COMPONENTS)
    return {"mean": fitted["mean"], "matrix": fitted["matrix"].astype(np.float16)}


def judge_whitening(fitted: dict[str, np.ndarray], test: Videos) -> dict[str, float]:
    """ROC-AUC of whitened Chamfer on the pairs of a run's report; copies are of speed alone."""
    source = PairSource(pair_videos(test, {}), _CLIP)
    pairs = evaluation_pairs(source, _PAIRS, PAIRS_SEED)
    matrix = fitted["matrix"].astype(np.float32)
    first, second = (
        ((pairs["features"][:, i] - fitted["mean"]) @ matrix, pairs["frames"][:, i]) for i in (0, 1)
    )
    scores = np.asarray(paired_chamfer_similarity(*first, *second))
    same, kinds = pairs["same"], pairs["kind"]
    found = {"all pairs": roc_auc(scores, same)}
    for kind in ("same shot", "same video"):
        some = ~same | (kinds == kind)
        found[kind] = roc_auc(scores[some], same[some])
    return found


def over_folds(
    tvsum: Path,
    fit: Callable[[Videos, Choice | None], Any],
    judge: Callable[[Any, Videos], dict[str, float]],
    choices: Sequence[Choice] = (),
) -> dict[str, list[float]]:
    """What each fold's test videos say of a fit to its training videos.

    Args:
      tvsum: folder with tvsum.h5 and splits.json.
      choices: of each fold's run, where there are runs.
    """
    videos = {video.key: video for video in load_video_features(tvsum / "tvsum.h5")}
    found: dict[str, list[float]] = {}
    folds = load_folds(tvsum / "splits.json", list(videos))
    for number, (train, test) in enumerate(folds):
        fitted = fit([videos[key] for key in train], choices[number] if choices else None)
        for name, value in judge(fitted, [videos[key] for key in test]).items():
            found.setdefault(name, []).append(round(value, 6))
    return found
