"""How many there are in a closed population: two simple estimates, with intervals.

Both assume that nobody is born, dies, comes or leaves between the first and the last occasion, that
all are equally likely to be seen on an occasion, and that nobody is taken for another one.
"""

from dataclasses import dataclass
from math import exp, sqrt

import numpy as np

from reid_jax.individuals.gallery.reports.histories import Histories

ASSUMED = (
    "This holds where nobody was born, died, came or left between the first and the last occasion, "
    "all were equally likely to be seen, and nobody was taken for another one; programs for "
    "capture-recapture test that and have models for where it does not hold."
)
_NORMAL = 1.959963984540054  # of which 95% lie inside
_LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """How many individuals there are.

    Attributes:
      method: in words, with its source.
      number: how many.
      low, high: of a 95% interval; the high end is infinite where nobody was seen again.
    """

    method: str
    number: float
    low: float
    high: float


def chapman(first: int, second: int, both: int) -> Estimate:
    """From two occasions.

    Chapman 1951, "Some properties of the hypergeometric distribution with applications to
    zoological censuses": ``(n1 + 1)(n2 + 1) / (m2 + 1) - 1``, without bias where
    ``n1 + n2 >= N``. The interval is Sadinle's of the transformed logit (2009, "Transformed logit
    confidence intervals for small populations in single capture-recapture estimation", eq. 8).

    Args:
      first, second: individuals that were seen on each occasion; both: on both.
    """
    only_first, only_second = first - both, second - both
    number = (first + 1) * (second + 1) / (both + 1) - 1
    a, b, c = (each + 0.5 for each in (both, only_first, only_second))
    spread = sqrt(1 / a + 1 / b + 1 / c + a / (b * c))
    seen = first + second - both
    low, high = (seen - 0.5 + b * c / a * exp(sign * _NORMAL * spread) for sign in (-1, 1))
    return Estimate("Chapman (1951), interval of Sadinle (2009)", number, max(low, seen), high)


def schnabel(caught: np.ndarray, recaptured: np.ndarray, marked: np.ndarray) -> Estimate:
    """From several occasions.

    Schnabel 1938, "The estimation of the total fish population of a lake", with the 1 that Chapman
    (1952) adds against its bias: ``sum(n M) / (sum(m) + 1)``. Recaptures are taken for Poisson
    (Seber 1982, "The estimation of animal abundance", section 4.1.3), with Garwood's exact limits.

    Args:
      caught, recaptured, marked: ``(T,)`` individuals that were seen on each occasion, those of
        them that had been seen before, and all that had been seen before.
    """
    from scipy.stats import chi2

    products = float(np.sum(np.asarray(caught, np.float64) * np.asarray(marked)))
    again = int(np.sum(recaptured))
    tail = (1 - _LEVEL) / 2
    most = chi2.ppf(1 - tail, 2 * again + 2) / 2
    fewest = chi2.ppf(tail, 2 * again) / 2 if again else 0.0
    high = products / fewest if fewest else float("inf")
    seen = float(np.sum(caught) - again)
    return Estimate(
        "Schnabel (1938) as Chapman (1952) has it, Poisson limits of Garwood (1936)",
        max(products / (again + 1), seen),
        max(products / most, seen),
        high,
    )


def estimate(found: Histories) -> tuple[Estimate | None, str]:
    """The population that histories are of, and what it rests on; None, and why there is none."""
    occasions = len(found.occasions)
    if occasions < 2:
        return None, "An estimate needs two occasions or more."
    if not found.seen[:, 1:].any() or not found.seen[:, 0].any():
        return None, "An estimate needs individuals that were seen on the first and on later ones."
    if occasions == 2:
        first, second = found.caught.tolist()
        return chapman(first, second, int(found.seen.all(axis=1).sum())), ASSUMED
    return schnabel(found.caught, found.recaptured, found.marked), ASSUMED
