"""Decisions as values, and what follows from them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

INDIVIDUAL = "individual"
"""The attribute of a photo that says who it is; None for one that is not in the gallery."""

NOTE, CONFIRMED, LINK, PATH, ROOT = "note", "confirmed", "link", "path", "root"
UNCALIBRATED = (
    *(NOTE, CONFIRMED, LINK, PATH, ROOT),
    *("place", "sex", "latitude", "longitude"),
)
"""Attributes on which no similarity is worth more or less."""

MARK = "mark"
"""The attribute of a photo that says why it takes no part."""

GALLERY = "gallery"
"""The subject whose attributes are the settings of all of it, as JSON."""

NETWORK = "network"
"""The attribute of the gallery that names the network of its embeddings, once they were others."""

REEMBED = "reembed"
"""The kind of decision by which embeddings of another network took the place of those there."""
NAME_FROM = "name_from"
"""The setting from which probability on a name is given, where somebody chose it."""

Fact = tuple[str, str]
"""Subject and attribute, see :class:`Change`."""


def photo(name: str) -> str:
    """A photo as the subject of a change."""
    return f"photo/{name}"


def individual(name: str) -> str:
    """An individual as the subject of a change."""
    return f"individual/{name}"


def pair(one: str, other: str) -> str:
    """Two photos as the subject of a change, in whatever order."""
    return "pair/" + "/".join(sorted((one, other)))


@dataclass(frozen=True)
class Change:
    """One fact that a decision changes.

    Attributes:
      subject: `photo/ID`, `individual/NAME`, `pair/ID/ID` or `gallery`.
      attribute: which fact about it.
      before, after: None where there is none.
    """

    subject: str
    attribute: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class Decision:
    """What is to be decided, all of it or nothing.

    Attributes:
      kind: a word, such as "rename".
      changes: no fact twice.
      who, reason: of the person; the reason may be empty.
      segment: that holds the photos which it brings.
      names: individuals; that other photos became or were them is a change of what it rests on.
      there: individuals who have to have a photo still.
    """

    kind: str
    changes: tuple[Change, ...]
    who: str
    reason: str = ""
    segment: int | None = None
    names: tuple[str, ...] = ()
    there: tuple[str, ...] = ()


@dataclass(frozen=True)
class Entry:
    """A decision as it stands in the journal.

    Attributes:
      number: from 1, without gaps.
      time: UTC, as `2026-11-29T04:05:06.789Z`.
      undoes: the number of the decision that it takes back.
    """

    number: int
    time: str
    who: str
    kind: str
    reason: str
    segment: int | None
    undoes: int | None
    changes: tuple[Change, ...] = field(default=(), repr=False)

    @property
    def short(self) -> str:
        """In a few words, to be named in a sentence."""
        return f"decision {self.number} ({self.kind} by {self.who}, {self.time[:16]}Z)"


@dataclass(frozen=True)
class State:
    """What holds after a decision.

    Attributes:
      position: its number.
      facts: those that have a value.
      segments: that were named by decisions, in their order.
      names_changed: the last decision after which similarities may be worth more or less.
    """

    position: int
    facts: Mapping[Fact, str]
    segments: tuple[int, ...]
    names_changed: int

    def of(self, attribute: str) -> dict[str, str]:
        """The values of an attribute by subject."""
        return {who: value for (who, what), value in self.facts.items() if what == attribute}


def replayed(entries: Iterable[Entry]) -> tuple[dict[Fact, tuple[str | None, int]], list[str]]:
    """What follows from decisions, in their order, from nothing.

    Returns:
      Each fact with the number of the decision that changed it last; and sentences about what does
      not fit: a number that is missing, or a fact that was another one before.
    """
    facts: dict[Fact, tuple[str | None, int]] = {}
    wrong, expected = [], 1
    for entry in entries:
        if entry.number != expected:
            wrong.append(f"decision {expected} is missing before decision {entry.number}")
        expected = entry.number + 1
        for change in entry.changes:
            fact = change.subject, change.attribute
            before = facts.get(fact, (None, 0))[0]
            if before != change.before:
                wrong.append(
                    f"decision {entry.number} says that {change.attribute} of {change.subject} "
                    f"was {change.before!r}, which was {before!r}"
                )
            facts[fact] = change.after, entry.number
    return facts, wrong


def taken_back(undos: Mapping[int, int]) -> set[int]:
    """Decisions that are without effect: taken back by one that was not taken back itself.

    Args:
      undos: what decisions took back, by their numbers.
    """
    found: set[int] = set()
    for number in sorted(undos, reverse=True):
        if number not in found:
            found.add(undos[number])
    return found


def as_change(row: Any) -> Change:
    """A row of the table of changes."""
    return Change(row.subject, row.attribute, row.before, row.after)
