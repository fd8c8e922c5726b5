"""What people said of a video's frames, as targets to learn from."""

import numpy as np
from scipy.stats import rankdata

from reid_jax.data.videos.features import VideoFeatures
from reid_jax.errors import UserError

_ROUNDING = 1e-5  # so little outside [0, 1] is no other scale


def by_annotators(video: VideoFeatures) -> np.ndarray | None:
    """What each annotator said of the frames at `picks`, (U, P) float32.

    Scores where there are scores, else summaries; None where there is neither.
    """
    for given in (video.user_scores, video.user_summary):
        if given is not None:
            return given[:, video.picks].astype(np.float32)
    return None


def annotations(video: VideoFeatures) -> np.ndarray:
    """As `by_annotators`, (U, P) float32; `gtscore` as that of one annotator where that is None.

    Raises:
      UserError: the video has none of the three.
    """
    given = by_annotators(video)
    if given is not None:
        return given
    if video.gtscore is None:
        raise UserError(
            f"{video.key} has neither user_scores nor user_summary nor gtscore; to learn from it, "
            "it needs one of them."
        )
    return video.gtscore[None]


def importance(video: VideoFeatures) -> np.ndarray:
    """The mean importance of the frames at `picks`, (P,) float32 in [0, 1].

    `gtscore` as it is where it is in [0, 1]. On another scale, such as ratings of 1 to 5, it is
    scaled to [0, 1] within the video; so is the annotators' mean where there is no `gtscore`.

    Raises:
      UserError: see `annotations`.
    """
    mean = annotations(video).mean(axis=0) if video.gtscore is None else video.gtscore
    if video.gtscore is not None and mean.min() > -_ROUNDING and mean.max() < 1 + _ROUNDING:
        return np.clip(mean, 0.0, 1.0)
    return (mean - mean.min()) / max(float(np.ptp(mean)), 1e-12)


def mean_ranks(video: VideoFeatures) -> np.ndarray:
    """The ranks of the frames at `picks`, ties shared, averaged over annotators: (P,) float64.

    Each annotator's ranks are centred and scaled to length 1, so that the mean is what agrees best
    with all of them by Spearman's correlation.

    Raises:
      UserError: see `annotations`.
    """
    ranks = rankdata(annotations(video), axis=1)
    ranks -= ranks.mean(axis=1, keepdims=True)
    length = np.linalg.norm(ranks, axis=1, keepdims=True)
    return (ranks / np.where(length > 0, length, 1.0)).mean(axis=0)
