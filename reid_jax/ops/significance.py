"""How sure is a mean of few groups, and is a difference more than luck?

What is measured comes in groups: the photos of one individual, the frames of one video, are alike.
The groups are what chance drew, so their number decides how much is known.
"""

import numpy as np
from scipy.special import expit, logit, stdtrit

FEWEST_FOR_INTERVAL = 3
FEWEST_FOR_VERDICT = 6  # of five groups that all agree, sign flips give p = 2 / 2^5 = 0.06
_EXACT = 14  # groups up to which every pattern of signs is tried
_FLIPS = 9_999
_BLOCK = 2**22  # signs at a time


def mean_interval(
    values: np.ndarray,
    groups: np.ndarray | None = None,
    *,
    confidence: float = 0.95,
    bounds: tuple[float, float] = (0.0, 1.0),
) -> tuple[float, float]:
    """Interval of the mean of bounded values, were other groups drawn.

    Student's t of the log odds of the mean's place between the bounds, so that no end leaves them;
    its error by leaving out one group at a time (Efron and Tibshirani 1993, equation 11.5), its
    degrees of freedom from Kish's number of equally large groups. Where all groups agree, an end is
    the mean under which so many of them would do so with the chance of the tail: no interval is
    without width.

    Args:
      values: ``(N,)`` between the bounds; nan is left out.
      groups: ``(N,)``: what belongs together; by default each value is a group.

    Returns:
      Low and high end; nan of fewer than FEWEST_FOR_INTERVAL groups.

    Example:
      >>> low, high = rj.metrics.mean_interval(np.array([1.0, 0.0, 1.0, 1.0]), np.arange(4))
      >>> f"{low:.2f} to {high:.2f}"
      '0.04 to 1.00'
    """
    sums, sizes = group_sums(values, groups)
    if len(sums) < FEWEST_FOR_INTERVAL:
        return float("nan"), float("nan")
    low, high = group_interval(sums, sizes, confidence=confidence, bounds=bounds)
    return float(low), float(high)


def group_sums(
    values: np.ndarray, groups: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Sum and number of the values of each group that has any, ``(G,)`` float64 each."""
    values = np.asarray(values, np.float64)
    there = ~np.isnan(values)
    groups = np.arange(len(values)) if groups is None else np.asarray(groups)
    _, group = np.unique(groups[there], return_inverse=True)
    return np.bincount(group, values[there]), np.bincount(group).astype(np.float64)


def group_interval(
    sums: np.ndarray,
    sizes: np.ndarray,
    *,
    confidence: float = 0.95,
    bounds: tuple[float, float] = (0.0, 1.0),
) -> tuple[np.ndarray, np.ndarray]:
    """:func:`mean_interval` of sums and sizes of groups, ``(..., G)``, each with two or more."""
    least, most = bounds
    number, total = sums.shape[-1], sizes.sum(axis=-1)
    mean = sums.sum(axis=-1) / total
    without = (sums.sum(axis=-1, keepdims=True) - sums) / (total[..., None] - sizes)
    deviations = without - mean[..., None]
    error = np.sqrt((number - 1) / number * np.sum(deviations**2, axis=-1))
    freedom = np.maximum(total**2 / np.sum(sizes**2, axis=-1) - 1, 1)
    tail = (1 - confidence) / 2

    width = most - least
    place = np.clip((mean - least) / width, 0, 1)
    agree = tail ** (1 / number)
    low, high = place * agree, 1 - (1 - place) * agree
    with np.errstate(divide="ignore", invalid="ignore"):
        reach = stdtrit(freedom, 1 - tail) * error / width / (place * (1 - place))
        inside = (error > 1e-9 * width) & (place > 1e-12) & (place < 1 - 1e-12)
        low = np.where(inside, expit(logit(place) - reach), low)
        high = np.where(inside, expit(logit(place) + reach), high)
    return least + width * low, least + width * high


def sign_flip_p_values(sums: np.ndarray, *, seed: int = 0) -> np.ndarray:
    """Two-sided p-values ``(M,)`` of M sums over groups ``(G, M)`` being zero.

    Of two equally good methods the difference of a group is as likely to be the other way round. So
    the sum is compared with those of all patterns of signs (up to 14 groups), or of 9,999 at random
    (Fisher 1935, section 21): exact for any number of groups, whatever their distribution.

    Args:
      seed: of the signs, which are the same for all M.
    """
    sums = np.asarray(sums, np.float64)
    number = len(sums)
    observed = np.abs(sums.sum(axis=0)) - 1e-9 * np.abs(sums).sum(axis=0)
    reached = np.zeros(sums.shape[1])
    if number <= _EXACT:  # of each pattern and its opposite one is enough
        patterns = np.arange(2 ** max(number - 1, 0))[:, None] >> np.arange(number) & 1
        reached += (np.abs(sums.sum(axis=0) - 2 * patterns @ sums) >= observed).sum(axis=0)
        return reached / len(patterns)
    rng = np.random.default_rng(seed)
    size = max(1, _BLOCK // number)
    for start in range(0, _FLIPS, size):
        shape = min(size, _FLIPS - start), number
        bits = np.unpackbits(rng.integers(0, 256, (shape[0], -(-number // 8)), np.uint8), axis=1)
        flipped = bits[:, :number].astype(np.float64) @ sums
        reached += (np.abs(sums.sum(axis=0) - 2 * flipped) >= observed).sum(axis=0)
    return (1 + reached) / (1 + _FLIPS)


def holm(p_values: np.ndarray) -> np.ndarray:
    """p-values ``(..., M)`` that hold together: the chance of one false claim stays what it says.

    Holm (1979): the smallest is taken M times, the next M - 1 times, and so on, none below the one
    before it.
    """
    p_values = np.asarray(p_values, np.float64)
    number = p_values.shape[-1]
    order = np.argsort(p_values, axis=-1, kind="stable")
    scaled = np.take_along_axis(p_values, order, axis=-1) * np.arange(number, 0, -1)
    rising = np.minimum(np.maximum.accumulate(scaled, axis=-1), 1)
    adjusted = np.empty_like(p_values)
    np.put_along_axis(adjusted, order, rising, axis=-1)
    return adjusted
