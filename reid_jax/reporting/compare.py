"""Is one of several better in a measure, or was it luck?"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from reid_jax.ops.significance import (
    FEWEST_FOR_INTERVAL,
    FEWEST_FOR_VERDICT,
    group_sums,
    holm,
    mean_interval,
    sign_flip_p_values,
)

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Difference:
    """Run ``first`` minus run ``second`` in one measure.

    Attributes:
      low, high: the interval, nan of too few groups.
      confidence: of the interval, higher the more differences are looked at.
      p_value: that equally good runs would differ so much, corrected for all that is looked at.
      groups: how many there are, and ``of`` what.
    """

    first: str
    second: str
    measure: str
    value: float
    low: float
    high: float
    confidence: float
    p_value: float
    groups: int
    of: str

    @property
    def is_one(self) -> bool:
        return self.groups >= FEWEST_FOR_VERDICT and self.p_value <= 1 - CONFIDENCE + 1e-12

    @property
    def sentence(self) -> str:
        points = f"{self.first} minus {self.second} = {100 * self.value:+.1f} points"
        about = f"no interval of {self.groups} {self.of}, that needs {FEWEST_FOR_INTERVAL}"
        if math.isfinite(self.low):
            interval = f"{100 * self.low:+.1f} to {100 * self.high:+.1f}"
            about = f"{100 * self.confidence:.3g}% interval {interval}"
        return f"{self.measure}: {points} ({about}): {self._verdict}"

    @property
    def _verdict(self) -> str:
        if self.groups < FEWEST_FOR_VERDICT:
            return f"no verdict from {self.groups} {self.of}, that needs {FEWEST_FOR_VERDICT}"
        ends = (self.first, self.second)
        better, worse = ends if self.value >= 0 else ends[::-1]
        verdict = f"{better} is better than {worse}" if self.is_one else "no difference can be told"
        return f"{verdict}, p = {self.p_value:.2g}"

    def as_json(self) -> dict[str, Any]:
        """Values that JSON knows, null for nan."""

        def number(value: float) -> float | None:
            return value if math.isfinite(value) else None

        return {
            "first": self.first,
            "second": self.second,
            "measure": self.measure,
            "difference": number(self.value),
            "low": number(self.low),
            "high": number(self.high),
            "confidence": self.confidence,
            "p_value": self.p_value,
            "groups": self.groups,
            "groups_of": self.of,
            "is_a_difference": self.is_one,
        }


def find_differences(
    runs: Sequence[tuple[str, Mapping[str, np.ndarray]]],
    groups: np.ndarray | None = None,
    *,
    of: str,
    bounds: tuple[float, float] = (0.0, 1.0),
    seed: int = 0,
) -> list[Difference]:
    """Every pair of runs in every measure.

    p-values are of a permutation test: the differences of whole groups change their signs. Holm's
    correction over all pairs and measures keeps the chance of one false difference at 5%; intervals
    are as much wider (Bonferroni).

    Args:
      runs: the name of each, and (N,) values of the same examples by measure; nan is left out.
      groups: (N,) of the examples; by default each is its own.
      of: what the groups are, in words, as "individuals".
      bounds: between which all values lie.
      seed: of the signs.
    """
    asked = list(itertools.product(itertools.combinations(runs, 2), runs[0][1]))
    if not asked:
        return []
    values = np.stack([one[measure] - other[measure] for ((_, one), (_, other)), measure in asked])
    groups = np.arange(values.shape[1]) if groups is None else groups
    codes = np.unique(groups, return_inverse=True)[1].reshape(-1)
    sums = np.stack([np.bincount(codes, np.nan_to_num(row)) for row in values], axis=1)
    corrected = holm(sign_flip_p_values(sums, seed=seed))
    confidence = 1 - (1 - CONFIDENCE) / len(asked)
    width = bounds[1] - bounds[0]
    found = []
    for (((first, _), (second, _)), measure), row, p in zip(asked, values, corrected, strict=True):
        low, high = mean_interval(row, codes, confidence=confidence, bounds=(-width, width))
        there = row[~np.isnan(row)]
        value = float(there.mean()) if len(there) else float("nan")
        number = len(group_sums(row, codes)[0])
        found.append(
            Difference(first, second, measure, value, low, high, confidence, float(p), number, of)
        )
    return found


def how_told(differences: Sequence[Difference]) -> str:
    """What the p-values and intervals are, in a sentence; empty without any."""
    if not differences:
        return ""
    count = len(differences)
    which = f" over {count} comparisons" if count > 1 else ""
    return (
        f"p: by flipping signs of whole {differences[0].of}, with Holm's correction{which}; "
        "a difference is one from p = 0.05 down."
    )
