"""Are two photos the same individual? Measures of a score that should be high when they are.

The measures work on 1-D arrays of scores and are NumPy in float64 on the host: a sort and a few
sums are over before a device would have compiled them. The scores themselves come from the device
(:mod:`reid_jax.individuals.photo_pairs`). "Accepted" always means ``score >= threshold``, and pairs
with the same score are accepted together, so that no measure depends on the order of the pairs.
"""

import numpy as np

from reid_jax.errors import UserError


def roc_curve(scores: np.ndarray, same: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """False accept rate, true accept rate and threshold of every distinct score, falling.

    Args:
      scores: ``(N,)``, larger means more alike.
      same: ``(N,)`` bool, both kinds present (else the rates of the missing kind are nan).

    Returns:
      Three ``(T + 1,)`` float64 arrays; the first point accepts nothing (threshold infinity).

    Example:
      >>> scores, same = [0.9, 0.8, 0.7, 0.4], [True, False, True, False]
      >>> far, tar, thresholds = rj.metrics.roc_curve(scores, same)
      >>> far.tolist(), tar.tolist()
      ([0.0, 0.0, 0.5, 0.5, 1.0], [0.0, 0.5, 0.5, 1.0, 1.0])
    """
    accepted, true, thresholds = _accepted(scores, same)
    negatives = len(same) - int(np.sum(same))
    with np.errstate(invalid="ignore", divide="ignore"):
        far = np.concatenate([[0], accepted - true]) / np.float64(negatives)
        tar = np.concatenate([[0], true]) / np.float64(np.sum(same))
    return far, tar, np.concatenate([[np.inf], thresholds])


def roc_auc(scores: np.ndarray, same: np.ndarray) -> float:
    """Area under the ROC curve: the chance that a same pair outscores a different one, ties half.

    As scikit-learn's ``roc_auc_score``; nan when one kind is missing.

    Example:
      >>> rj.metrics.roc_auc([0.9, 0.8, 0.7, 0.4], [True, False, True, False])
      0.75
    """
    far, tar, _ = roc_curve(scores, same)
    return float(np.trapezoid(tar, far))


def average_precision(scores: np.ndarray, same: np.ndarray) -> float:
    """``sum_n (R_n - R_{n-1}) P_n`` over the distinct thresholds, as scikit-learn defines it.

    Unlike the ROC it depends on how many of the pairs are different ones. nan without same pairs.

    Example:
      >>> round(rj.metrics.average_precision([0.9, 0.8, 0.7], [True, False, True]), 3)
      0.833
    """
    accepted, true, _ = _accepted(scores, same)
    if not np.any(same):
        return float("nan")
    return float(np.sum(np.diff(true, prepend=0) / true[-1] * (true / accepted)))


def equal_error_rate(scores: np.ndarray, same: np.ndarray) -> float:
    """Where the ROC curve (straight between its points) has as many false accepts as rejects.

    Example:
      >>> rj.metrics.equal_error_rate([0.9, 0.8, 0.7, 0.4], [True, False, True, False])
      0.5
    """
    far, tar, _ = roc_curve(scores, same)
    gap = far - (1 - tar)  # rises from -1 to 1
    if np.isnan(gap).any():
        return float("nan")
    right = int(np.argmax(gap >= 0))
    share = -gap[right - 1] / (gap[right] - gap[right - 1])
    return float(far[right - 1] + share * (far[right] - far[right - 1]))


def tar_at_far(scores: np.ndarray, same: np.ndarray, far: float) -> tuple[float, float]:
    """The largest true accept rate whose false accept rate is at most ``far``; and its threshold.

    No interpolation: it is a rate that a threshold really gives. With fewer than ``1 / far``
    different pairs it is the rate without a single false accept.

    Example:
      >>> rj.metrics.tar_at_far([0.9, 0.8, 0.7, 0.4], [True, False, True, False], far=0.1)
      (0.5, 0.9)
    """
    fars, tars, thresholds = roc_curve(scores, same)
    if np.isnan(fars).any() or np.isnan(tars).any():
        return float("nan"), float("nan")
    last = int(np.searchsorted(fars, far, side="right")) - 1
    return float(tars[last]), float(thresholds[last])


def best_f1(scores: np.ndarray, same: np.ndarray) -> tuple[float, float]:
    """The largest F1 over all thresholds, and the (highest) threshold that gives it.

    Example:
      >>> rj.metrics.best_f1([0.9, 0.8, 0.7, 0.4], [True, True, False, False])
      (1.0, 0.8)
    """
    accepted, true, thresholds = _accepted(scores, same)
    f1 = 2 * true / (accepted + np.sum(same))
    best = int(np.argmax(f1))
    return float(f1[best]), float(thresholds[best])


def confusion_matrix(scores: np.ndarray, same: np.ndarray, threshold: float) -> np.ndarray:
    """``[[true rejects, false accepts], [false rejects, true accepts]]``, int64 ``(2, 2)``.

    Example:
      >>> rj.metrics.confusion_matrix([0.9, 0.8, 0.7], [True, False, True], 0.75).tolist()
      [[0, 1], [1, 1]]
    """
    accept, same = np.asarray(scores) >= threshold, np.asarray(same, bool)
    return np.bincount(2 * same + accept, minlength=4).reshape(2, 2)


def _accepted(scores: np.ndarray, same: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Accepted pairs, accepted same pairs, and the threshold, at each distinct score, falling."""
    scores, same = np.asarray(scores, np.float64), np.asarray(same, bool)
    if scores.ndim != 1 or scores.shape != same.shape or not len(scores):
        raise UserError(
            f"Scores and labels of pairs have the shapes {scores.shape} and {same.shape}: "
            "they must be one value per pair, with at least one pair."
        )
    if np.isnan(scores).any():
        raise UserError("Some scores of pairs are not numbers (nan).")
    order = np.argsort(-scores, kind="stable")
    ends = _ends(scores[order])
    return (ends + 1).astype(np.float64), np.cumsum(same[order])[ends] * 1.0, scores[order][ends]


def _ends(falling: np.ndarray) -> np.ndarray:
    """Where each run of equal values ends."""
    return np.append(np.flatnonzero(np.diff(falling)), len(falling) - 1)
