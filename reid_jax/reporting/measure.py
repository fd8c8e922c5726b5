"""A measure: its name, its meaning and its direction, said once for every table and page."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

OURS = "this network"
"""The row of the network that a report is about; the others are its baselines."""


@dataclass(frozen=True)
class Measure:
    """What a number in a table is.

    Attributes:
      key: under which results hold it.
      name: the head of its column.
      meaning: in plain words, for somebody who has never heard of it; whether lower is better is
        added from `better`.
      short: the head where columns are narrow; `name` unless given.
      better: whether higher or lower values are.
      share: of something, so that it is shown in percent where it stands alone.
      tables: where it has a column of its own, in words that the question chooses.
    """

    key: str
    name: str
    meaning: str
    short: str = ""
    better: Literal["higher", "lower"] = "higher"
    share: bool = True
    tables: tuple[str, ...] = ()

    @property
    def head(self) -> str:
        """The head of a narrow column."""
        return self.short or self.name

    @property
    def explanation(self) -> str:
        """The meaning, and the direction where it is not the usual one."""
        return self.meaning + (" Lower is better." if self.better == "lower" else "")

    def alone(self, value: Any) -> str:
        """A value that stands alone: shares in percent."""
        return percent(value) if self.share else number(value)


Measures = Mapping[str, Measure]


def by_key(*measures: Measure) -> Measures:
    """Measures by their keys, in this order; each key once."""
    found = {measure.key: measure for measure in measures}
    assert len(found) == len(measures), "a measure is listed twice"
    return found


def columns(
    measures: Measures, results: Iterable[Mapping[str, Any]], table: str | None = None
) -> list[Measure]:
    """The measures of a table that any of the results has; without a table, of all."""
    there = {key for values in results for key in values}
    return [
        measure
        for key, measure in measures.items()
        if key in there and (table is None or table in measure.tables)
    ]


def percent(value: Any) -> str:
    """``0.123 -> 12.3%``, and a dash for what is not known."""
    return f"{100 * value:.1f}%" if _is_known(value) else "–"


def number(value: Any) -> str:
    """Three digits, and a dash for what is not known."""
    return f"{value:.3f}" if _is_known(value) else "–"


def _is_known(value: Any) -> bool:
    return isinstance(value, int | float) and bool(np.isfinite(value))
