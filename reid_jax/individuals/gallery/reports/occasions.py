"""When a population was looked at: days, months, seasons, years, or times between given dates."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, get_args

import numpy as np

from reid_jax.errors import UserError

Unit = Literal["day", "month", "season", "year"]
UNITS: tuple[Unit, ...] = get_args(Unit)
_CODES: dict[str, Literal["D", "M", "Y"]] = {"day": "D", "month": "M", "year": "Y"}
_SEASON = 3  # months, of which December begins one


@dataclass(frozen=True)
class Occasion:
    """A time in which individuals could be seen.

    Attributes:
      name: as a column is called.
      start, end: days, datetime64[D]; the end is the first day that is no longer of it.
    """

    name: str
    start: np.datetime64
    end: np.datetime64


def codes_of(dates: np.ndarray, unit: Unit) -> np.ndarray:
    """``(N,)`` int64: the number of the day, month, season or year of each date.

    Seasons are of three months, and December, January and February are one. Of dates that are not
    known (NaT) the number says nothing.
    """
    if unit != "season":
        return np.asarray(dates).astype(f"datetime64[{_CODES[unit]}]").astype(np.int64)
    return (np.asarray(dates).astype("datetime64[M]").astype(np.int64) + 1) // _SEASON


def occasion_of(code: int, unit: Unit) -> Occasion:
    """The occasion with this number."""
    if unit == "season":
        first = np.datetime64(code * _SEASON - 1, "M")
        start, end = first.astype("datetime64[D]"), (first + _SEASON).astype("datetime64[D]")
        return Occasion(f"{first} to {first + _SEASON - 1}", start, end)
    moment = np.datetime64(code, _CODES[unit])
    return Occasion(
        str(moment), moment.astype("datetime64[D]"), (moment + 1).astype("datetime64[D]")
    )


def by_unit(dates: np.ndarray, unit: Unit) -> tuple[tuple[Occasion, ...], np.ndarray]:
    """Days, months, seasons or years in which there is a photo; others were no occasions.

    Args:
      dates: ``(N,)`` datetime64, NaT where it is not known.

    Returns:
      The occasions in their order, and ``(N,)`` int64: which of them each date is of, -1 for none.
    """
    known = ~np.isnat(dates)
    distinct, at = np.unique(codes_of(dates[known], unit), return_inverse=True)
    places = np.full(len(dates), -1, np.int64)
    places[known] = at
    return tuple(occasion_of(int(code), unit) for code in distinct), places


def between(dates: np.ndarray, given: Sequence[str]) -> tuple[tuple[Occasion, ...], np.ndarray]:
    """Each time from a given date to the day before the next one, whether there is a photo or not.

    Args:
      dates: ``(N,)`` datetime64, NaT where it is not known.
      given: `2020-05-31`, two or more; the last one ends the last occasion.

    Returns:
      As :func:`by_unit`.

    Raises:
      UserError: one is no date, they do not rise, or there are too few.
    """
    days = [_day(text.strip()) for text in given]
    if len(days) < 2:
        raise UserError("Occasions between dates need two dates or more; the last one ends them.")
    if any(later <= earlier for earlier, later in pairwise(days)):
        raise UserError("The dates of occasions do not rise; give each once, in their order.")
    found = tuple(Occasion(f"{start} to {end - 1}", start, end) for start, end in pairwise(days))
    known = ~np.isnat(dates)
    places = np.full(len(dates), -1, np.int64)
    at = np.searchsorted(np.array(days), dates[known].astype("datetime64[D]"), side="right") - 1
    places[known] = np.where(at < len(found), at, -1)
    return found, places


def _day(text: str) -> np.datetime64:
    with contextlib.suppress(ValueError):
        if len(text) == len("2020-05-31"):
            return np.datetime64(text, "D")
    raise UserError(f'"{text}" is no date of an occasion; write 2020-05-31.')
