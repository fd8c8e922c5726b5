"""One of these, or none? Scores of a list of individuals as probabilities, and where chance ends.

NumPy in float64 on the host, as for verification: some thousand short lists.
"""

from dataclasses import dataclass

import numpy as np

from reid_jax.errors import UserError


@dataclass(frozen=True)
class ChoiceCalibration:
    """The scores of a list of individuals -> probabilities that each is the right one.

    A conditional logit (McFadden 1974, "Conditional logit analysis of qualitative choice behavior",
    section II) with "none of them" as one more choice: ``P(i) = exp(z_i) / (1 + sum_j exp(z_j))``,
    ``z = slope * score + intercept``. It is Bayes' rule where the logarithm of the ratio of right
    to wrong scores is linear, so scores that are nearly equal get probabilities that are.

    Best scores beyond those that were seen promise no more than these: the list is moved until its
    best score lies in the range, differences stay. Why: the curve would go on to 1, where nothing
    is known about errors.

    Attributes:
      slope, intercept: of the log odds; slope >= 0.
      low, high: the range of the best scores that were seen.
      last_slope: what the last score of a list adds; a photo that looks like everybody a little
        gets high scores without being anybody's (Auckenthaler, Carey and Lloyd-Thomas 2000, "Score
        normalization for text-independent speaker verification systems": the cohort of the T-norm).
      last: the usual last score of a list.
    """

    slope: float
    intercept: float
    low: float
    high: float
    last_slope: float = 0.0
    last: float = 0.0

    def __call__(self, scores: np.ndarray) -> np.ndarray:
        """Probabilities of lists of scores, each falling; minus infinity where there is no more.

        Args:
          scores: ``(Q, K)``.

        Returns:
          ``(Q, K)`` float64; they fall and add up to less than 1.
        """
        logit = self.logits(scores)
        return np.exp(logit + _log_none(logit)[:, None])

    def odds(self, scores: np.ndarray) -> np.ndarray:
        """``(Q,)`` logarithms of the odds of the first against all others and none of them."""
        logit = self.logits(scores)
        return logit[:, 0] + _log_none(logit[:, 1:])

    def logits(self, scores: np.ndarray) -> np.ndarray:
        """``(Q, K)`` logarithms of the odds of each against none of them."""
        scores = np.asarray(scores, np.float64)
        there = np.isfinite(scores)
        moved = _moved(np.where(there, scores, 0.0), self.low, self.high)
        last = np.where(there, moved, np.inf).min(axis=1, keepdims=True)
        logit = self.slope * moved + self.last_slope * last + self.intercept
        return np.where(there, logit, -np.inf)


def calibrate_choice(
    scores: np.ndarray,
    right: np.ndarray,
    known: np.ndarray,
    individuals: np.ndarray,
    strangers: float,
) -> ChoiceCalibration:
    """Fits the conditional logit by maximum likelihood, with Platt's smoothed targets.

    Known and unknown individuals count as frequent as ``strangers`` says. Of known ones each photo
    counts as much as another, as those who were photographed often will be again; of unknown ones
    each individual. The targets ``(n + 1) / (n + 2)`` (Platt 1999, section 2.2) keep the fit
    finite when the scores separate right from wrong. Scores that fall while answers get better give
    a constant.

    Args:
      scores: ``(Q, K)``, falling in each row, minus infinity where there is no more.
      right: ``(Q, K)`` bool, at most one a row: the individual that was asked for.
      known: ``(Q,)`` bool: whether it could have been in the list.
      individuals: ``(Q,)``: whose photo was asked about.
      strangers: the share of photos of unknown individuals that is assumed, in (0, 1).

    Raises:
      UserError: there is nothing to fit.
    """
    scores, right = np.asarray(scores, np.float64), np.asarray(right, bool)
    known = np.asarray(known, bool)
    if not len(scores) or not np.isfinite(scores[:, 0]).all():
        raise UserError("Calibration needs at least one score, and finite best scores only.")
    if not 0 < strangers < 1:
        raise UserError(f"The share of strangers is {strangers}; it must be between 0 and 1.")
    low, high = float(scores[:, 0].min()), float(scores[:, 0].max())
    share = np.where(known, 1 - strangers, strangers)
    weight = (
        len(scores)
        * share
        * np.where(known, 1 / max(int(known.sum()), 1), evenly(known, individuals))
    )
    # Smoothed: a little of what was seen is taken to have been the other kind, "none" or the first.
    smooth = [(kind.sum() + 1) / (kind.sum() + 2) for kind in (known, ~known)]
    target = right * smooth[0]
    target[~known, 0] = 1 - smooth[1]
    there = np.isfinite(scores)
    centre = float(scores[:, 0].mean())
    spread = max(float(scores[:, 0].std()), 1e-12)
    moved = (_moved(np.where(there, scores, 0), low, high) - centre) / spread
    last = np.broadcast_to(moved[:, -1:], moved.shape)
    features = np.stack([moved, last, np.ones_like(scores)], axis=-1)

    def calibration(weights: np.ndarray) -> ChoiceCalibration:
        slope, last_slope = float(weights[0] / spread), float(weights[1] / spread)
        intercept = float(weights[2]) - (slope + last_slope) * centre
        usual = float(np.where(there, scores, np.inf).min(axis=1).mean())
        return ChoiceCalibration(slope, intercept, low, high, last_slope, usual)

    def parts(weights: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        logit = calibration(weights).logits(scores)
        none = _log_none(logit)
        probability = np.exp(logit + none[:, None])
        loss = -weight @ (none + (target * np.where(there, logit, 0)).sum(axis=1))
        gradient = np.einsum("q,qk,qkf->f", weight, probability - target, features)
        mean = np.einsum("qk,qkf->qf", probability, features)
        square = np.einsum("q,qk,qkf,qkg->fg", weight, probability, features, features)
        return float(loss), gradient, square - np.einsum("q,qf,qg->fg", weight, mean, mean)

    def fitted(free: np.ndarray) -> np.ndarray:
        weights = np.zeros(3)
        for _ in range(100):  # Newton with halving: the loss is convex
            loss, gradient, curvature = parts(weights)
            step = np.zeros(3)
            solved = curvature[np.ix_(free, free)] + 1e-9 * np.eye(len(free))
            step[free] = np.linalg.solve(solved, gradient[free])
            size = 1.0
            while size > 1e-8 and parts(weights - size * step)[0] > loss:
                size /= 2
            weights = weights - size * step
            if np.abs(size * step).max() < 1e-9:
                break
        return weights

    # Lists that are short for want of individuals end with a score of another rank.
    full = scores.shape[1] > 2 and bool(there.all())
    varied = scores[:, 0].std() > 1e-12
    weights = fitted(np.array([0, 1, 2] if varied and full else [0, 2] if varied else [2]))
    if weights[0] < 0:
        weights = fitted(np.array([2]))
    return calibration(weights)


_TAIL = 0.3  # of the largest values, of which the shape of the tail is taken


def tail_quantile(values: np.ndarray, individuals: np.ndarray, rate: float) -> float:
    """The value that a share of ``rate`` exceeds, each individual counting as much as another.

    What lies above the highest 30% is taken to fall off exponentially (peaks over a threshold, as
    Pickands 1975 with a shape of 0), so that some tens of individuals give a rate of 5%, and rates
    below what was seen give a higher value rather than the highest one.

    Args:
      values: ``(N,)``; individuals: ``(N,)``; rate: in (0, 1].
    """
    values = np.asarray(values, np.float64)
    order = np.argsort(-values, kind="stable")
    weight = evenly(np.ones(len(values), bool), individuals)[order]
    values, above = values[order], np.cumsum(weight)
    last = min(int(np.searchsorted(above, _TAIL)), len(values) - 1)
    start = values[last]
    excess = float(weight[: last + 1] @ (values[: last + 1] - start) / above[last])
    return float(start + excess * np.log(above[last] / rate))


def _moved(scores: np.ndarray, low: float, high: float) -> np.ndarray:
    """Lists of scores, each moved until its best lies in the range."""
    best = scores[:, :1]
    return scores + (np.clip(best, low, high) - best)


def _log_none(logit: np.ndarray) -> np.ndarray:
    """``(Q,)`` logarithms of the probability of none of them."""
    return -np.logaddexp.reduce(np.concatenate([np.zeros((len(logit), 1)), logit], axis=1), axis=1)


def evenly(kind: np.ndarray, individuals: np.ndarray) -> np.ndarray:
    """``(N,)`` weights that add up to 1 in each kind, and there are the same for each individual.

    Args:
      kind: ``(N,)`` bool, the two kinds; individuals: ``(N,)``.
    """
    weight = np.empty(len(kind))
    for one in (kind, ~kind):
        _, individual, photos = np.unique(individuals[one], return_inverse=True, return_counts=True)
        weight[one] = 1 / (max(len(photos), 1) * photos[individual])
    return weight
