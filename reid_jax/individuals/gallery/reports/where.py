"""Which photos of a gallery are meant: by their dates, and by the values of its columns."""

import difflib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path

import numpy as np

from reid_jax.data.names import composed
from reid_jax.data.photos.dates import read_dates
from reid_jax.data.photos.reading import SIDE
from reid_jax.errors import UserError
from reid_jax.files import as_text
from reid_jax.individuals.gallery.stored.reading import read_gallery
from reid_jax.individuals.gallery.value import COLUMNS, POSITION, Gallery

INDIVIDUAL, CONFIRMED = "individual", "confirmed"
ALIASES = {"name": INDIVIDUAL}
"""What columns are called, too."""

_DATE = re.compile(r"\d{4}(-\d\d(-\d\d)?)?")


@dataclass(frozen=True)
class Where:
    """What photos have to be. Of values of one column one is enough; all columns have to agree.

    Attributes:
      values: by column, as they are compared.
      since: the first moment; until: the first moment that is too late.
    """

    values: Mapping[str, frozenset[str]] = field(default_factory=dict)
    since: np.datetime64 | None = None
    until: np.datetime64 | None = None

    def __bool__(self) -> bool:
        return bool(self.values) or self.since is not None or self.until is not None

    @staticmethod
    def of(conditions: Iterable[str], since: str = "", until: str = "") -> "Where":
        """As people write it.

        Args:
          conditions: `column=value`; `column=` for photos of which nobody knows it.
          since, until: first and last day, month or year: `2020-05-31`, `2020-05` or `2020`.

        Raises:
          UserError: one of them is none.
        """
        values: dict[str, set[str]] = {}
        for text in conditions:
            column, sign, value = text.partition("=")
            if not sign or not column.strip():
                raise UserError(f'"{text}" is no condition; write COLUMN=VALUE, as side=left.')
            values.setdefault(_column(column), set()).add(_compared(value))
        found = Where(
            {column: frozenset(some) for column, some in values.items()},
            _moment(since, "--since", 0),
            _moment(until, "--until", 1),
        )
        if found.since is not None and found.until is not None and found.since >= found.until:
            raise UserError(f"No day is both since {since} and until {until}.")
        return found


def _moment(text: str, flag: str, later: int) -> np.datetime64 | None:
    """The beginning of a day, month or year, or of so many later."""
    if not text.strip():
        return None
    if _DATE.fullmatch(text.strip()):
        try:
            return (np.datetime64(text.strip()) + later).astype("datetime64[s]")
        except ValueError:
            pass
    raise UserError(f'{flag} "{text}" is no date; write 2020-05-31, 2020-05 or 2020.')


def _column(name: str) -> str:
    name = name.strip().lower()
    return ALIASES.get(name, name)


def _compared(value: str) -> str:
    return composed(value).strip().casefold()


def described(column: str, value: str) -> tuple[str, str]:
    """A column and what is said there, as a gallery keeps both.

    Args:
      column: by any of its names; value: as people write it, "" where nobody knows.

    Raises:
      UserError: it is no column that people fill in, or no value of it.
    """
    name = _column(column)
    value = composed(as_text(value)).strip()
    if name not in COLUMNS:
        raise UserError(_no_column(name, COLUMNS))
    if not value:
        return name, ""
    if name == "date":
        dates, wrong = read_dates([value])
        if wrong:
            raise UserError(f'"{value}" is {wrong[0]}; write 2020-05-31 or 2020-05-31 14:05.')
        return name, "" if np.isnat(dates[0]) else str(dates[0])
    if name in POSITION:
        most = 90.0 if name == POSITION[0] else 180.0
        try:
            degrees = float(value.replace(",", "."))
        except ValueError:
            degrees = float("nan")
        if not abs(degrees) <= most:
            raise UserError(f'"{value}" is no {name}; write degrees, as 47.3769 or -8.5417.')
        return name, f"{degrees:.6f}"
    return name, value.lower() if name == SIDE else value


@dataclass(frozen=True)
class Facts:
    """What is known of N photos, so that it can be asked often; a column is looked at when asked.

    Attributes:
      number: N.
      when: gives the dates, ``(N,)`` datetime64[s].
      columns: gives N values, by the name of the column; "" where one is not known.
    """

    number: int
    when: Callable[[], np.ndarray]
    columns: Mapping[str, Callable[[], Sequence[str]]]
    _coded: dict[str, tuple[tuple[str, ...], np.ndarray]] = field(default_factory=dict, repr=False)

    @staticmethod
    def of(gallery: Gallery) -> "Facts":
        """Of all photos of a gallery."""

        def confirmed() -> Sequence[str]:
            if gallery.confirmed is None:
                return ["no"] * len(gallery)
            found: list[str] = np.where(gallery.confirmed, "yes", "no").tolist()
            return found

        def column(name: str) -> Sequence[str]:
            found: list[str] = gallery.column(name).tolist()
            return found

        columns: dict[str, Callable[[], Sequence[str]]] = {
            INDIVIDUAL: gallery.identities.tolist,
            **{name: partial(column, name) for name in COLUMNS if name != "date"},
            CONFIRMED: confirmed,
        }
        return Facts(len(gallery), partial(gallery.column, "date"), columns)

    def __len__(self) -> int:
        return self.number

    @cached_property
    def dates(self) -> np.ndarray:
        """``(N,)`` datetime64[s], NaT where nobody knows."""
        return self.when()

    def take(self, rows: np.ndarray) -> "Facts":
        """About the photos at ``rows``."""

        def column(name: str) -> Sequence[str]:
            found: list[str] = self.column(name)[rows].tolist()
            return found

        columns = {name: partial(column, name) for name in self.columns}
        return Facts(len(rows), lambda: self.dates[rows], columns)

    def known(self, name: str) -> str:
        """A column by any of its names.

        Raises:
          UserError: there is none; the nearest is named.
        """
        name = _column(name)
        if name not in self.columns:
            raise UserError(_no_column(name, tuple(self.columns)))
        if name == SIDE and not any(self.values(SIDE)):  # sources say it as the orientation, too
            return "orientation"
        return name

    def values(self, name: str) -> tuple[str, ...]:
        """The distinct values of a column, sorted; "" first where some are not known."""
        return self._of(name)[0]

    def column(self, name: str) -> np.ndarray:
        """``(N,)`` str, the values of a column."""
        values, codes = self._of(name)
        return np.array(values, np.str_)[codes]

    def _of(self, name: str) -> tuple[tuple[str, ...], np.ndarray]:
        """The distinct values, and ``(N,)`` int64, which of them each photo has."""
        if name not in self._coded:
            column = self.columns[name]()
            values = tuple(sorted(set(column)))
            place = {value: code for code, value in enumerate(values)}
            codes = np.fromiter(map(place.__getitem__, column), np.int64, len(column))
            self._coded[name] = values, codes
        return self._coded[name]

    def mask(self, where: Where) -> np.ndarray:
        """``(N,)`` bool: the photos that are so. A photo without a date is of no time.

        Raises:
          UserError: there is no such column, or no photo has such a value; the nearest is named.
        """
        found = np.ones(len(self), bool)
        for asked, wanted in where.values.items():
            name = self.known(asked)
            values, codes = self._of(name)
            there = [_compared(value) for value in values]
            if missing := sorted(wanted - {*there, ""}):
                raise UserError(_no_value(name, missing[0], values))
            found &= np.array([value in wanted for value in there], bool)[codes]
        with np.errstate(invalid="ignore"):
            if where.since is not None:
                found &= self.dates >= where.since
            if where.until is not None:
                found &= self.dates < where.until
        return found


def _no_column(name: str, columns: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, (*columns, *ALIASES), 1)
    hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(columns)}."
    return f"The gallery has no column {name}; {hint}"


def _no_value(name: str, value: str, values: Sequence[str]) -> str:
    known = [each for each in values if each]
    close = difflib.get_close_matches(value, known, 1)
    if close:
        return f"No photo has {name}={value}; did you mean {close[0]}?"
    some = ", ".join(known[:8]) + (", ..." if len(known) > 8 else "")
    return f"No photo has {name}={value}; there is {some or 'none of it at all'}."


def ids_where(folder: Path, where: Where) -> set[str]:
    """The ids of the photos of a gallery that are so, marked ones, too.

    Raises:
      UserError: there is no gallery, or `where` names what is not there.
    """
    gallery = read_gallery(folder, thumbnails=False, marked=True)
    return set(gallery.known_ids[Facts.of(gallery).mask(where)].tolist())
