"""Runs side by side on what all of them held out: is one better in a measure, or was it luck?"""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from reid_jax.files import atomic_write, write_text
from reid_jax.ops.significance import (
    FEWEST_FOR_INTERVAL,
    FEWEST_FOR_VERDICT,
    group_sums,
    holm,
    mean_interval,
    sign_flip_p_values,
)
from reid_jax.reporting.figures import performance
from reid_jax.reporting.measure import Measure, Measures
from reid_jax.reporting.plain_json import plain_json
from reid_jax.reporting.table import Table, results_table

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Difference:
    """Run ``first`` minus run ``second`` in one measure.

    Attributes:
      low, high: the interval, nan of too few groups and of runs that are equal.
      confidence: of the interval, higher the more differences are looked at.
      p_value: that equally good runs would differ so much, corrected for all that is looked at.
      groups: how many there are, and ``of`` what.
      equal: whether the runs have the same value for every example.
    """

    first: str
    second: str
    measure: Measure
    value: float
    low: float
    high: float
    confidence: float
    p_value: float
    groups: int
    of: str
    equal: bool = False

    @property
    def is_one(self) -> bool:
        """Whether it is more than luck, as far as this many groups can say."""
        return self.groups >= FEWEST_FOR_VERDICT and self.p_value <= 1 - CONFIDENCE + 1e-12

    @property
    def sentence(self) -> str:
        """The difference in points, its interval and the verdict, in words."""
        name = self.measure.name
        if self.equal:
            return f"{name}: {self.first} and {self.second} are equal for all {self.of}"
        points = f"{self.first} minus {self.second} = {100 * self.value:+.1f} points"
        about = f"no interval of {self.groups} {self.of}, that needs {FEWEST_FOR_INTERVAL}"
        if math.isfinite(self.low):
            interval = f"{100 * self.low:+.1f} to {100 * self.high:+.1f}"
            about = f"{100 * self.confidence:.3g}% interval {interval}"
        return f"{name}: {points} ({about}): {self._verdict}"

    @property
    def _verdict(self) -> str:
        if self.groups < FEWEST_FOR_VERDICT:
            return f"no verdict from {self.groups} {self.of}, that needs {FEWEST_FOR_VERDICT}"
        ends = (self.first, self.second)
        higher, lower = ends if self.value >= 0 else ends[::-1]
        is_higher = self.measure.better == "higher"
        better, worse = (higher, lower) if is_higher else (lower, higher)
        verdict = f"{better} is better than {worse}" if self.is_one else "no difference can be told"
        return f"{verdict}, p = {self.p_value:.2g}"

    def as_json(self) -> dict[str, Any]:
        """Values that JSON knows, null for nan."""

        def number(value: float) -> float | None:
            return value if math.isfinite(value) else None

        return {
            "first": self.first,
            "second": self.second,
            "measure": self.measure.key,
            "difference": number(self.value),
            "low": number(self.low),
            "high": number(self.high),
            "confidence": self.confidence,
            "p_value": self.p_value,
            "groups": self.groups,
            "groups_of": self.of,
            "is_a_difference": self.is_one,
            "equal": self.equal,
        }


def find_differences(
    runs: Sequence[tuple[str, Mapping[str, np.ndarray]]],
    measures: Measures,
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
      runs: the name of each, and (N,) values of the same examples by the measure's key; nan is left
        out.
      measures: by their keys.
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
        equal = bool(len(there)) and not there.any()
        found.append(
            Difference(
                first,
                second,
                measures[measure],
                value=float(there.mean()) if len(there) else float("nan"),
                low=float("nan") if equal else low,
                high=float("nan") if equal else high,
                confidence=confidence,
                p_value=float(p),
                groups=len(group_sums(row, codes)[0]),
                of=of,
                equal=equal,
            )
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


@dataclass(frozen=True)
class Contender:
    """A run and what it makes of what all runs held out; each question has its own.

    Attributes:
      name: of the run.
      metrics: by the measure's key.
      parameters, bytes_on_disk: of the network and of its best checkpoint.
    """

    name: str
    metrics: Mapping[str, Any]
    parameters: int
    bytes_on_disk: int

    @property
    def examples(self) -> Mapping[str, np.ndarray]:
        """``(N,)`` values of the same examples by the key of the measures that are compared."""
        raise NotImplementedError

    @property
    def costs(self) -> Mapping[str, str]:
        """What else it costs, by the head of the column."""
        return {}

    @property
    def facts(self) -> Mapping[str, Any]:
        """What else its JSON holds."""
        return {}


@dataclass(frozen=True)
class Comparison:
    """Runs side by side.

    Attributes:
      contenders: in the order of the rows.
      measures: of the columns.
      differences: see :func:`find_differences`.
      baselines: further rows of the first table.
      legend, costs, about: sentences under the first table, under that of costs, and before the
        differences.
      figures: draws a PNG, or None where there is nothing to draw, by name.
      facts: what else the JSON holds.
    """

    contenders: Sequence[Contender]
    measures: Sequence[Measure]
    differences: Sequence[Difference]
    baselines: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    legend: Sequence[str] = ()
    costs: Sequence[str] = ()
    about: Sequence[str] = ()
    figures: Mapping[str, Callable[[], bytes | None]] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)

    def table(self) -> Table:
        """A row for each run and baseline, a column for each measure."""
        results = {one.name: one.metrics for one in self.contenders}
        return results_table({**results, **self.baselines}, self.measures, short=True)

    def costs_table(self) -> Table:
        """What each run costs."""
        return Table(
            ["", "parameters", "on disk", *self.contenders[0].costs],
            [
                [
                    *(one.name, f"{one.parameters:,}", mebibytes(one.bytes_on_disk)),
                    *one.costs.values(),
                ]
                for one in self.contenders
            ],
        )

    def as_text(self) -> str:
        """Both tables, and a sentence for each pair of runs and measure."""
        told = how_told(self.differences)
        return "\n".join(
            [
                *(self.table().as_text(), *self.legend, ""),
                *(self.costs_table().as_text(), *self.costs, ""),
                *(*self.about, *([told] if told else []), ""),
                *(one.sentence for one in self.differences),
            ]
        )

    def as_dict(self) -> dict[str, Any]:
        """Everything but the values of the examples."""
        runs = [
            {
                "name": one.name,
                "metrics": one.metrics,
                "parameters": one.parameters,
                "bytes_on_disk": one.bytes_on_disk,
                **one.facts,
            }
            for one in self.contenders
        ]
        differences = [one.as_json() for one in self.differences]
        return {**self.facts, "runs": runs, "differences": differences}

    def as_json(self) -> str:
        """The same for a file."""
        return plain_json(self.as_dict())

    def tell(self, out: Path | None) -> dict[str, Any]:
        """Prints the comparison, and writes it with its figures into a folder if there is one.

        Returns `as_dict`.
        """
        print(self.as_text())
        if out is None:
            return self.as_dict()
        write_text(out / "comparison.txt", self.as_text() + "\n")
        write_text(out / "comparison.json", self.as_json())
        results = {one.name: one.metrics for one in self.contenders}
        side_by_side = {"performance": lambda: performance(results, self.measures)}
        for name, draw in {**side_by_side, **self.figures}.items():
            if (png := draw()) is not None:
                with atomic_write(out / f"{name}.png") as file:
                    file.write(png)
        print(f"\nwritten: {out}")
        return self.as_dict()


def mebibytes(number: int | None, unit: str = " MiB") -> str:
    """``1572864 -> 1.5 MiB``, and a dash for what is not known."""
    return "–" if number is None else f"{number / 2**20:,.1f}{unit}"
