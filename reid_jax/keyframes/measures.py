"""How well scores of frames agree with what people found important."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from scipy.stats import kendalltau, rankdata

from reid_jax.data.videos.features import VideoFeatures
from reid_jax.errors import UserError
from reid_jax.keyframes.selection import number_of_top, select_shots, to_frames, top_share
from reid_jax.keyframes.targets import by_annotators, importance
from reid_jax.ops.significance import FEWEST_FOR_INTERVAL, mean_interval

METRICS = (
    "kendall_users",
    "spearman_users",
    "kendall_mean",
    "spearman_mean",
    "precision_at_15",
    "f1_kts_mean",
    "f1_kts_max",
    "f1_2s_mean",
    "f1_2s_max",
    "mse",
    "mae",
)
_INTERVALS = ("kendall_users", "spearman_users", "kendall_mean", "spearman_mean")


def evaluate_keyframes(
    scores: Mapping[str, np.ndarray], videos: Sequence[VideoFeatures]
) -> dict[str, Any]:
    """Every measure of scores at the picks, as the mean over videos.

    A measure of a video that lacks what it needs (annotators, segments) is nan, and the mean is
    over the other videos. So is one that no scores could get wrong or right: correlations with a
    single pick or with importance that is the same everywhere, the precision where all frames are
    among the best, the overlap with annotators who rated every frame alike.
    Scores that are all equal correlate 0 with everything. A video with a score that is not finite
    gets 0 in all but the errors, which are nan: no measure gains by it.

    Args:
      scores: (P,) at the picks of each video, by its key.
      videos: to evaluate on.

    Returns:
      kendall_users, spearman_users: Kendall's tau-b and Spearman's rho against the scores of each
        annotator at the picks, averaged over annotators (Otani et al., CVPR 2019); an annotator who
        gave every frame the same is left out. Where a file has no scores of annotators but their
        summaries, these take their place: 1 for a frame that was kept, else 0.
      kendall_mean, spearman_mean: the same against the mean score of all annotators: another,
        easier number.
      precision_at_15: of the 15% of picks with the best scores, the share whose mean score is among
        the best 15% (as good as the worst of them or better). Where more than 85% of the picks
        share the least importance all of them are, so there is nothing to find.
      f1_kts_mean, f1_kts_max, f1_2s_mean, f1_2s_max: overlap of the summary, by knapsack over the
        segments of kernel temporal segmentation or over two-second shots, with each annotator's:
        2 |A and B| / (|A| + |B|), mean and maximum over those annotators who do not keep
        nothing or everything.
      mse, mae: mean squared and absolute error against `gtscore` as a network learns it, in [0, 1].
      kendall_users_low, ..._high and so on: 95% interval over videos, of three or more.
      num_videos, num_picks; num_constant, num_not_finite, num_single: videos whose scores are all
        equal, not all finite, or one; num_without_users: without an annotator who rated
        frames differently; num_without_best: whose importance has no best 15%;
        num_by_summary: with summaries of annotators in the place of scores.
      per_video: by key, the same measures of each video.

    Raises:
      UserError: there is no video, or a video has no scores or not one for each pick.
    """
    if not videos:
        raise UserError("There is no video to evaluate on.")
    per_video = {}
    for video in videos:
        if video.key not in scores:
            raise UserError(f"There are no scores for {video.key}.")
        values = np.asarray(scores[video.key], np.float64)
        if values.shape != video.picks.shape:
            raise UserError(
                f"The scores of {video.key} have shape {values.shape}; it has "
                f"{len(video.picks)} picks and needs a score for each."
            )
        per_video[video.key] = _evaluate(values, video)
    arrays = [np.asarray(scores[video.key]) for video in videos]
    return mean_over_videos(per_video) | {
        "num_picks": sum(map(len, arrays)),
        "num_constant": sum(len(a) > 1 and bool(np.all(a == a[0])) for a in arrays),
        "num_not_finite": sum(not np.all(np.isfinite(a)) for a in arrays),
        "num_single": sum(len(a) == 1 for a in arrays),
        "num_without_users": sum(_varying(user_scores(video)).size == 0 for video in videos),
        "num_without_best": sum(map(_without_best, videos)),
        "num_by_summary": sum(_only_summarised(video) for video in videos),
        "per_video": per_video,
    }


def _only_summarised(video: VideoFeatures) -> bool:
    return video.user_scores is None and video.user_summary is not None


def _without_best(video: VideoFeatures) -> bool:
    target = truth(video)
    return target is not None and bool(np.isnan(precision_at_top(target, target)))


def mean_over_videos(per_video: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    """Means, and intervals where there are videos enough, of measures by video."""
    found: dict[str, Any] = {}
    for name in METRICS:
        values = np.array([row[name] for row in per_video.values()])
        known = values[~np.isnan(values)]
        found[name] = float(known.mean()) if len(known) else float("nan")
        if name in _INTERVALS and len(known) >= FEWEST_FOR_INTERVAL:
            found[f"{name}_low"], found[f"{name}_high"] = mean_interval(values, bounds=(-1, 1))
    return found | {"num_videos": len(per_video)}


def _evaluate(scores: np.ndarray, video: VideoFeatures) -> dict[str, float]:
    found = dict.fromkeys(METRICS, float("nan"))
    finite = bool(np.all(np.isfinite(scores)))
    usable = scores if finite else np.zeros_like(scores)
    found["kendall_users"], found["spearman_users"] = correlations(usable, user_scores(video))
    target = truth(video)
    if target is not None:
        found["kendall_mean"], found["spearman_mean"] = correlations(usable, target[None])
        found["precision_at_15"] = precision_at_top(usable, target)
    if finite and video.gtscore is not None:
        error = scores - importance(video)
        found["mse"], found["mae"] = float(np.mean(error**2)), float(np.mean(np.abs(error)))
    for kind, shots in {"kts": video.change_points, "2s": video.shots_2s}.items():
        summaries = annotator_summaries(video, kind)
        if shots is not None and summaries is not None:
            own = select_shots(to_frames(usable, video.picks, video.n_frames), shots)
            overlap = f1_scores(own[None], summaries)
            found[f"f1_{kind}_mean"] = float(overlap.mean())
            found[f"f1_{kind}_max"] = float(overlap.max())
    return found if finite else {k: v if np.isnan(v) else 0.0 for k, v in found.items()}


def user_scores(video: VideoFeatures) -> np.ndarray:
    """(U, P) of the annotators at the picks, see `by_annotators`; (0, P) without annotators."""
    rows = by_annotators(video)
    return np.zeros((0, len(video.picks))) if rows is None else rows.astype(np.float64)


def truth(video: VideoFeatures) -> np.ndarray | None:
    """(P,) mean importance: `gtscore` as a network learns it (see `importance`), or the mean of the
    annotators' scores or summaries.
    """
    if video.gtscore is not None:
        return importance(video).astype(np.float64)
    rows = by_annotators(video)
    return None if rows is None else rows.mean(axis=0, dtype=np.float64)


def correlations(scores: np.ndarray, references: np.ndarray) -> tuple[float, float]:
    """Kendall's tau-b and Spearman's rho of (P,) against (U, P), averaged over the rows that vary.

    nan without such a row; 0 if the scores are all equal.
    """
    references = _varying(references)
    if not len(references):
        return float("nan"), float("nan")
    if np.all(scores == scores[0]):
        return 0.0, 0.0
    taus = [kendalltau(scores, row, method="asymptotic").statistic for row in references]
    return float(np.mean(taus)), float(spearman(scores[None], references).mean())


def spearman(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Spearman's rho (A, B) of rows (A, P) and (B, P) that vary; equal values share a rank."""

    def standard(rows: np.ndarray) -> np.ndarray:
        ranks = rankdata(rows, axis=1)
        ranks -= ranks.mean(axis=1, keepdims=True)
        return ranks / np.linalg.norm(ranks, axis=1, keepdims=True)

    return standard(first) @ standard(second).T


def _varying(rows: np.ndarray) -> np.ndarray:
    return rows[np.any(rows != rows[:, :1], axis=1)]


def precision_at_top(scores: np.ndarray, target: np.ndarray) -> float:
    """Of the best 15% by score, how many are among the best 15% of the target, ties included.

    nan where every frame is among the best of the target, so that no choice could be wrong.
    """
    least = np.sort(target)[-number_of_top(len(target))]
    if least == target.min():
        return float("nan")
    return float(np.mean(target[top_share(scores)] >= least))


@lru_cache(maxsize=512)
def annotator_summaries(video: VideoFeatures, kind: str) -> np.ndarray | None:
    """(U, n_frames) bool: the frames that each annotator would keep; None if it cannot be known.

    Annotators who rated every frame alike, or keep none or all, are left out.

    Over KTS segments the file's `user_summary`, or else the knapsack of the annotator's scores;
    over two-second shots the other way round, as files make `user_summary` from KTS segments.

    Args:
      kind: "kts" or "2s".
    """
    shots = {"kts": video.change_points, "2s": video.shots_2s}[kind]
    scored = video.user_scores is not None and shots is not None
    if video.user_summary is not None and (kind == "kts" or not scored):
        summaries = video.user_summary > 0
    elif video.user_scores is not None and shots is not None:
        summaries = select_shots(_varying(video.user_scores), shots)
    else:
        return None
    summaries = _varying(summaries)
    return summaries if len(summaries) else None


def f1_scores(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """F1 (A, B) of summaries (A, N) and (B, N) bool; 0 where both are empty."""
    one, other = first.astype(np.float64), second.astype(np.float64)
    total = one.sum(axis=1)[:, None] + other.sum(axis=1)
    return 2 * (one @ other.T) / np.maximum(total, 1)
