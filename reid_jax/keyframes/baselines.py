"""What scores of frames have to beat, and what they can reach at best."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.stats import kendalltau

from reid_jax.data.videos.features import VideoFeatures
from reid_jax.keyframes.measures import (
    METRICS,
    annotator_summaries,
    correlations,
    evaluate_keyframes,
    f1_scores,
    mean_over_videos,
    precision_at_top,
    spearman,
    truth,
    user_scores,
)

RANDOM, CENTRE, RIDGE = "random", "centre of the video", "ridge regression"
ANNOTATOR, CEILING = "one annotator", "all annotators (ceiling)"
_DRAWS = 10
_PARTS = 4
_PENALTIES = np.logspace(-1, 2, 7)


def keyframe_baselines(
    train_videos: Sequence[VideoFeatures], test_videos: Sequence[VideoFeatures], seed: int
) -> dict[str, dict[str, Any]]:
    """Metrics of the test videos, see `evaluate_keyframes`, by the name of the baseline.

    Random scores (the mean over ten draws), a prior for the centre of the video, ridge regression
    on the same features (see :func:`ridge_scores`), one annotator against the others, and as a
    ceiling the mean of all annotators, which no order of the frames beats by much. A baseline that
    the files have no truth for is left out.
    """
    found = {
        RANDOM: _random(test_videos, seed),
        CENTRE: evaluate_keyframes(centre_scores(test_videos), test_videos),
    }
    if any(truth(video) is not None for video in train_videos):
        found[RIDGE] = evaluate_keyframes(ridge_scores(train_videos, test_videos), test_videos)
    if any(len(user_scores(video)) for video in test_videos):
        found[ANNOTATOR] = one_annotator(test_videos)
    known = {video.key: truth(video) for video in test_videos}
    if all(values is not None for values in known.values()):
        scores = {key: values for key, values in known.items() if values is not None}
        found[CEILING] = evaluate_keyframes(scores, test_videos)
    return found


def _random(videos: Sequence[VideoFeatures], seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    draws = [
        evaluate_keyframes({video.key: rng.random(len(video.picks)) for video in videos}, videos)
        for _ in range(_DRAWS)
    ]
    per_video = {
        video.key: {
            name: float(np.mean([draw["per_video"][video.key][name] for draw in draws]))
            for name in METRICS
        }
        for video in videos
    }
    return draws[0] | mean_over_videos(per_video) | {"per_video": per_video}


def centre_scores(videos: Sequence[VideoFeatures]) -> dict[str, np.ndarray]:
    """1 in the middle of a video, falling linearly to 0 at its ends."""
    return {video.key: 1 - np.abs(2 * (video.picks + 0.5) / video.n_frames - 1) for video in videos}


def ridge_scores(
    train_videos: Sequence[VideoFeatures], test_videos: Sequence[VideoFeatures]
) -> dict[str, np.ndarray]:
    """Ridge regression (Hoerl and Kennard 1970) of the mean score on standardised features.

    Closed form. The penalty, in units of the number of training frames, is the one with the best
    Spearman correlation with the mean score when each of four parts of the training videos is
    predicted from the others. Videos without a truth are not trained on.
    """
    known = [(video, target) for video in train_videos if (target := truth(video)) is not None]
    rows = np.concatenate([video.features for video, _ in known])
    mean, deviation = rows.mean(axis=0), rows.std(axis=0) + np.float32(1e-6)
    offset = float(np.mean(np.concatenate([target for _, target in known])))

    def standard(video: VideoFeatures) -> np.ndarray:
        return (video.features - mean) / deviation

    def moments(part: Sequence[tuple[VideoFeatures, np.ndarray]]) -> tuple[np.ndarray, ...]:
        x = np.concatenate([standard(video) for video, _ in part])
        y = np.concatenate([target for _, target in part]) - offset
        return (x.T @ x).astype(np.float64), x.T.astype(np.float64) @ y, np.array(len(x))

    parts = [known[start::_PARTS] for start in range(min(_PARTS, len(known)))]
    by_part = [moments(part) for part in parts]
    total = [np.sum(values, axis=0) for values in zip(*by_part, strict=True)]
    penalty = _PENALTIES[len(_PENALTIES) // 2]
    if len(parts) > 1:
        agreement = np.zeros(len(_PENALTIES))
        for part, own in zip(parts, by_part, strict=True):
            others = [whole - inner for whole, inner in zip(total, own, strict=True)]
            weights = np.stack([_solve(others, penalty) for penalty in _PENALTIES], axis=1)
            for video, target in part:
                if np.ptp(target) > 0:
                    agreement += spearman((standard(video) @ weights).T, target[None])[:, 0]
        penalty = _PENALTIES[int(np.argmax(agreement))]
    weights = _solve(total, penalty)
    return {video.key: standard(video) @ weights + offset for video in test_videos}


def _solve(moments: Sequence[np.ndarray], penalty: float) -> np.ndarray:
    gram, products, number = moments
    return cho_solve(cho_factor(gram + penalty * number * np.eye(len(gram))), products)


def one_annotator(videos: Sequence[VideoFeatures]) -> dict[str, Any]:
    """Each annotator against the others (or against the mean of the others), averaged.

    Errors are nan: an annotator's scores are on another scale than `gtscore`. Annotators who gave
    every frame the same are left out of the correlations.
    """
    per_video = {video.key: _annotators(video) for video in videos}
    return mean_over_videos(per_video) | {"per_video": per_video}


def _annotators(video: VideoFeatures) -> dict[str, float]:
    found = dict.fromkeys(METRICS, float("nan"))
    scores = user_scores(video)
    for kind in ("kts", "2s"):
        summaries = annotator_summaries(video, kind)
        if summaries is not None and len(summaries) > 1:
            overlap = f1_scores(summaries, summaries)
            np.fill_diagonal(overlap, np.nan)
            found[f"f1_{kind}_mean"] = float(np.nanmean(overlap))
            found[f"f1_{kind}_max"] = float(np.mean(np.nanmax(overlap, axis=1)))
    varying = scores[np.ptp(scores, axis=1) > 0]
    if len(varying) < 2:
        return found
    upper = np.triu_indices(len(varying), 1)
    found["spearman_users"] = float(spearman(varying, varying)[upper].mean())
    found["kendall_users"] = float(
        np.mean(
            [
                kendalltau(varying[i], varying[k], method="asymptotic").statistic
                for i, k in zip(*upper, strict=True)
            ]
        )
    )
    others = (scores.sum(axis=0) - varying) / (len(scores) - 1)
    against = [correlations(own, rest[None]) for own, rest in zip(varying, others, strict=True)]
    found["kendall_mean"], found["spearman_mean"] = np.mean(against, axis=0).tolist()
    precision = np.array(list(map(precision_at_top, varying, others)))
    if not np.all(np.isnan(precision)):
        found["precision_at_15"] = float(np.nanmean(precision))
    return found
