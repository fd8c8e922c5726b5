"""Is one of several better in a measure, or was it luck?"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from reid_jax.ops.verification import bootstrap_mean

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Difference:
    """Run ``first`` minus run ``second`` in one measure.

    Attributes:
      low, high: the bootstrap interval; a difference is one if it leaves out 0.
      confidence: of the interval, higher the more pairs of runs are compared.
    """

    first: str
    second: str
    measure: str
    value: float
    low: float
    high: float
    confidence: float

    @property
    def is_one(self) -> bool:
        return self.low > 0 or self.high < 0

    @property
    def sentence(self) -> str:
        interval = f"{100 * self.low:+.1f} to {100 * self.high:+.1f}"
        ends = (self.first, self.second)
        better, worse = ends if self.value >= 0 else ends[::-1]
        verdict = f"{better} is better than {worse}" if self.is_one else "no difference can be told"
        return (
            f"{self.measure}: {self.first} minus {self.second} = {100 * self.value:+.1f} points "
            f"({100 * self.confidence:g}% interval {interval}): {verdict}"
        )

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
            "is_a_difference": self.is_one,
        }


def find_differences(
    runs: Sequence[tuple[str, Mapping[str, np.ndarray]]],
    groups: np.ndarray | None = None,
    *,
    seed: int = 0,
) -> list[Difference]:
    """Every pair of runs in every measure.

    What was measured is resampled in pairs: both runs get the same examples, and those of one group
    are drawn as one. With several pairs or measures the intervals are as much wider that the chance
    of one false difference stays 5% (Bonferroni).

    Args:
      runs: the name of each, and (N,) values of the same examples by measure; nan is left out.
      groups: (N,) of the examples; by default each is its own.
      seed: of the resampling.
    """
    measures = list(runs[0][1])
    pairs = list(itertools.combinations(runs, 2))
    confidence = 1 - (1 - CONFIDENCE) / max(len(pairs) * len(measures), 1)
    found = []
    for ((first, one), (second, other)), measure in itertools.product(pairs, measures):
        difference = one[measure] - other[measure]
        low, high = bootstrap_mean(
            difference, groups, replicates=10_000, confidence=confidence, seed=seed
        )
        there = difference[~np.isnan(difference)]
        value = float(there.mean()) if len(there) else float("nan")
        found.append(Difference(first, second, measure, value, low, high, confidence))
    return found
