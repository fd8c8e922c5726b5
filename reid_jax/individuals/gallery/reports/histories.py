"""Encounter histories: which individual was seen on which occasion, for programs that estimate."""

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reid_jax.console import counted
from reid_jax.errors import UserError
from reid_jax.files import as_text
from reid_jax.individuals.gallery.reports.occasions import Occasion
from reid_jax.individuals.gallery.reports.photos import Photos
from reid_jax.individuals.gallery.spreadsheet import defused

NOT_SAID, SEVERAL = "not known", "several"
_RECORD = 240  # letters of a line that MARK reads
_NAME = 40  # of a name in a comment
NO_DATE, OUTSIDE = "without a date", "outside of the occasions"


@dataclass(frozen=True)
class Histories:
    """Who was seen when.

    Attributes:
      individuals: I names, sorted.
      occasions: T of them.
      seen: ``(I, T)`` bool; each individual was seen once or more.
      groups: names of groups; empty where there are none.
      group: ``(I,)`` int64, of which group each individual is.
      column: by which they are grouped; "" for none.
      reasons: ``(N,)`` texts of all photos, why each is left out; "" for one that counts.
    """

    individuals: tuple[str, ...]
    occasions: tuple[Occasion, ...]
    seen: np.ndarray
    groups: tuple[str, ...]
    group: np.ndarray
    column: str
    reasons: np.ndarray

    @property
    def left_out(self) -> dict[str, int]:
        """How many photos do not count, by the reason, the most frequent first."""
        return dict(Counter(filter(None, self.reasons.tolist())).most_common())

    @property
    def caught(self) -> np.ndarray:
        """``(T,)`` individuals that were seen on each occasion."""
        return self.seen.sum(axis=0)

    @property
    def new(self) -> np.ndarray:
        """``(T,)`` individuals that were seen for the first time on each occasion."""
        first = self.seen.argmax(axis=1) if self.seen.size else np.zeros(0, np.int64)
        return np.bincount(first, minlength=len(self.occasions))

    @property
    def marked(self) -> np.ndarray:
        """``(T,)`` individuals that had been seen before each occasion."""
        return np.cumsum(self.new) - self.new

    @property
    def recaptured(self) -> np.ndarray:
        """``(T,)`` individuals that were seen on each occasion and before."""
        return self.caught - self.new


def histories(
    photos: Photos, occasions: Sequence[Occasion], places: np.ndarray, group: str = ""
) -> Histories:
    """Encounter histories of the photos that count.

    Args:
      photos: N of them, with reasons why some do not count.
      places: ``(N,)`` which occasion each photo is of, -1 for none, see
        :mod:`reid_jax.individuals.gallery.reports.occasions`.
      group: a column by whose values individuals are grouped; "" for none. An individual whose
        photos have none is in a group of its own, and so is one whose photos have several.

    Raises:
      UserError: there is no such column.
    """
    reasons = photos.reasons.copy()
    free = reasons == ""
    reasons[free & np.isnat(photos.dates)] = NO_DATE
    free = reasons == ""
    reasons[free & (places < 0)] = OUTSIDE
    used = np.flatnonzero(reasons == "")
    names, rows = np.unique(photos.names[used].astype(np.str_), return_inverse=True)
    seen = np.zeros((len(names), len(occasions)), bool)
    seen[rows, places[used]] = True
    groups, of = _groups(photos, used, rows, len(names), group) if group else ((), np.zeros(0, int))
    return Histories(
        individuals=tuple(names.tolist()),
        occasions=tuple(occasions),
        seen=seen,
        groups=groups,
        group=of if group else np.zeros(len(names), np.int64),
        column=group,
        reasons=reasons,
    )


def _groups(
    photos: Photos, used: np.ndarray, rows: np.ndarray, number: int, column: str
) -> tuple[tuple[str, ...], np.ndarray]:
    values = photos.column(column)[used].tolist()
    said: list[set[str]] = [set() for _ in range(number)]
    for row, value in zip(rows.tolist(), values, strict=True):
        if value:
            said[row].add(value)
    of = [next(iter(each)) if len(each) == 1 else SEVERAL if each else NOT_SAID for each in said]
    plain = sorted(set(of) - {SEVERAL, NOT_SAID})
    groups = (*plain, *(name for name in (SEVERAL, NOT_SAID) if name in of))
    place = {name: row for row, name in enumerate(groups)}
    return groups, np.array([place[name] for name in of], np.int64)


def as_csv(found: Histories) -> str:
    """A row an individual: its name, its group where there are any, and 0 or 1 an occasion."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    head = ["individual", *([found.column] if found.groups else [])]
    writer.writerow([*head, *(each.name for each in found.occasions)])
    for name, group, seen in zip(found.individuals, found.group, found.seen, strict=True):
        of = [found.groups[group]] if found.groups else []
        words = [defused(as_text(each)) for each in (name, *of)]
        writer.writerow([*words, *seen.astype(int).tolist()])
    return stream.getvalue()


def as_inp(found: Histories) -> str:
    """The same as an encounter histories file of program MARK.

    A statement an individual, which a semicolon ends: the history without spaces, a space, and how
    many individuals of each group have it. What stands between ``/*`` and ``*/`` is a comment; a
    line has 240 letters at most (White and Burnham 1999, "Program MARK", and its help, "Encounter
    histories file").

    Raises:
      UserError: nobody was seen, or there are more occasions than a line holds.
    """
    if not found.individuals:
        raise UserError("Nobody was seen on any occasion; there is no history to write.")
    columns = max(len(found.groups), 1)
    length = len(found.occasions) + 2 * columns + 1
    if length > _RECORD:
        raise UserError(
            f"{counted(len(found.occasions), 'occasion')} are more than a line of MARK holds "
            f"({_RECORD} letters); take months, seasons or years."
        )
    lines = [f"/* {counted(len(found.occasions), 'occasion')} */"]
    lines += [f"/* {n}: {_comment(each.name)} */" for n, each in enumerate(found.occasions, 1)]
    for number, name in enumerate(found.groups, 1):
        lines.append(f"/* group {number}: {_comment(found.column)} {_comment(name)} */")
    for name, group, seen in zip(found.individuals, found.group, found.seen, strict=True):
        numbers = " ".join("1" if number == group else "0" for number in range(columns))
        history = "".join("1" if each else "0" for each in seen)
        statement = f"{history} {numbers};"
        room = min(_RECORD - len(statement) - len("/*  */ "), _NAME)
        comment = f"/* {_comment(name)[:room]} */ " if room > 0 else ""
        lines.append(f"{comment}{statement}")
    return "\r\n".join(lines) + "\r\n"  # MARK is a program of Windows


def _comment(text: str) -> str:
    """A name as a comment of MARK holds it: letters that end neither a comment nor a statement."""
    return re.sub(r"[^A-Za-z0-9 _.,()-]", "?", text).strip() or "?"
