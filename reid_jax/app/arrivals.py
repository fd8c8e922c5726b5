"""What was dropped on the page and what became of it, in an SQLite file that survives a kill.

A row is a file, by its content. What is written here is on the disk when the call returns.
"""

import json
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from reid_jax.errors import UserError
from reid_jax.files import share

State = Literal[
    "received", "readable", "answered", "there", "refused", "decided", "filing", "filed", "aside"
]
"""Received; read; looked up, or a film worked on; in the gallery already; unreadable.

Decided who it is, being written to the gallery, written; decided that there is nothing to write.
"""

Kind = Literal["photo", "film"]
_FORM = 2
_TABLE = """
CREATE TABLE IF NOT EXISTS arrivals (
  id TEXT PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL, ending TEXT NOT NULL,
  bytes INTEGER NOT NULL, came REAL NOT NULL, state TEXT NOT NULL, worth REAL NOT NULL,
  changed INTEGER NOT NULL, said TEXT NOT NULL DEFAULT '', about TEXT NOT NULL)
"""
_INDEX = "CREATE INDEX IF NOT EXISTS arrivals_state ON arrivals (kind, state, worth)"
_CHANGED = "CREATE INDEX IF NOT EXISTS arrivals_changed ON arrivals (changed)"
_SAID = "CREATE INDEX IF NOT EXISTS arrivals_said ON arrivals (kind, state, said)"
_TABLES = (_TABLE, _INDEX, _CHANGED, _SAID, f"PRAGMA user_version={_FORM}")
_TO_SECOND = (
    "ALTER TABLE arrivals ADD COLUMN said TEXT NOT NULL DEFAULT ''",
    "UPDATE arrivals SET said=coalesce(json_extract(about, '$.decision.name'), '')",
)
_COLUMNS = "id, kind, name, ending, bytes, came, state, about, worth, changed"


@dataclass(frozen=True)
class Arrival:
    """A file that came.

    Attributes:
      id: 32 hexadecimal digits that name its content.
      kind: a photo or a film.
      name: what it was called where it came from; any text.
      ending: of its name, with a dot, which is one that the server chose.
      bytes: its size.
      came: when, in seconds since 1970.
      state: how far it is.
      about: what is known of it, JSON values: why it was refused, its answer, what was decided.
      worth: how much a decision on it is worth, the most first.
      changed: rises with each change of any.
    """

    id: str
    kind: Kind
    name: str
    ending: str
    bytes: int
    came: float
    state: State
    about: dict[str, Any]
    worth: float
    changed: int


class UnwrittenError(UserError):
    """A disk is full, cannot be written to, or failed."""


class Arrivals:
    """The arrivals of a server; several threads may use it.

    Args:
      file: where they are kept; made where it is not there.

    Raises:
      UserError: the file is damaged, of a newer form, or cannot be written to.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._alone = threading.Lock()
        try:
            self._base = sqlite3.connect(
                file, timeout=30, isolation_level=None, check_same_thread=False
            )
            [form] = self._base.execute("PRAGMA user_version").fetchone()
            if form > _FORM:
                raise UserError(f"{file} was written by a newer reid_jax; update it.")
            self._base.execute("PRAGMA journal_mode=WAL")
            self._base.execute("PRAGMA synchronous=FULL")
            self._base.execute("BEGIN IMMEDIATE")  # a kill leaves the form that was, or this one
            [form] = self._base.execute("PRAGMA user_version").fetchone()
            for statement in (*(_TO_SECOND if form == 1 else ()), *_TABLES):
                self._base.execute(statement)
            self._base.execute("COMMIT")
            share(file)
        except sqlite3.Error as error:
            raise UserError(f"{file} cannot be used ({error}).") from error

    def close(self) -> None:
        """Nothing is read or written after it."""
        with self._alone:
            self._base.close()

    @contextmanager
    def _writing(self) -> Iterator[int]:
        """A transaction; gives the number of the change."""
        with self._alone, self._on_disk():
            self._base.execute("BEGIN IMMEDIATE")
            try:
                [last] = self._base.execute("SELECT max(changed) FROM arrivals").fetchone()
                yield (last or 0) + 1
                self._base.execute("COMMIT")
            except BaseException:
                if self._base.in_transaction:  # a full disk has ended it
                    self._base.execute("ROLLBACK")
                raise

    @contextmanager
    def _on_disk(self) -> Iterator[None]:
        """Raises `UnwrittenError` for what a disk refuses."""
        try:
            yield
        except sqlite3.Error as error:
            raise UnwrittenError(f"It cannot be written down ({error}); nothing was.") from error

    def _rows(self, question: str, values: Sequence[Any] = ()) -> list[Arrival]:
        with self._alone:
            rows = self._base.execute(f"SELECT {_COLUMNS} FROM arrivals {question}", values)
            return [_arrival(row) for row in rows]

    def add(self, id: str, kind: Kind, name: str, ending: str, size: int) -> bool:
        """Takes note of a file; False where its content was there already, which stays."""
        with self._writing() as change:
            done = self._base.execute(
                f"INSERT OR IGNORE INTO arrivals ({_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?)",
                (id, kind, name, ending, size, time.time(), "received", "{}", 0.0, change),
            )
            return done.rowcount == 1

    def change(
        self,
        id: str,
        state: State,
        about: Mapping[str, Any] | None = None,
        *,
        worth: float = 0.0,
        only_from: Sequence[State] = (),
        only_at: int | None = None,
    ) -> bool:
        """Writes down how far a file is, and what is known now beside what was.

        Args:
          about: facts; None takes one away.
          only_from: states; in another one nothing changes.
          only_at: the number of its last change; after a later one nothing changes.

        Returns:
          Whether it was changed.
        """
        with self._writing() as change:
            asked = "SELECT state, about, changed FROM arrivals WHERE id=?"
            row = self._base.execute(asked, (id,)).fetchone()
            if row is None or (only_from and row[0] not in only_from):
                return False
            if only_at is not None and row[2] != only_at:
                return False
            known = {**json.loads(row[1]), **(about or {})}
            known = {fact: value for fact, value in known.items() if value is not None}
            said = known.get("decision", {}).get("name", "")
            self._base.execute(
                "UPDATE arrivals SET state=?, about=?, worth=?, changed=?, said=? WHERE id=?",
                (state, json.dumps(known), worth, change, said, id),
            )
            return True

    def change_all(self, ids: Sequence[str], state: State, only_from: State) -> list[str]:
        """Writes one state down for several files that are in another one; says of which."""
        with self._writing() as change:
            question = "UPDATE arrivals SET state=?, changed=? WHERE id=? AND state=?"
            return [
                id
                for id in ids
                if self._base.execute(question, (state, change, id, only_from)).rowcount
            ]

    def names(self, states: Sequence[State]) -> dict[str, int]:
        """How many photos were decided to be whose, of those in these states."""
        marks = ",".join("?" for _ in states)
        with self._alone:
            question = (
                "SELECT said, count(*) FROM arrivals "
                f"WHERE kind='photo' AND state IN ({marks}) GROUP BY said"
            )
            return dict(self._base.execute(question, tuple(states)).fetchall())

    def remove(self, id: str, but: Sequence[State] = ()) -> bool:
        """Forgets a file, unless it is in one of these states; whether it is forgotten."""
        marks = ",".join("?" for _ in but)
        with self._writing():
            question = f"DELETE FROM arrivals WHERE id=? AND state NOT IN ({marks})"
            return self._base.execute(question, (id, *but)).rowcount == 1

    def one(self, id: str) -> Arrival | None:
        """The file of this content, if it came."""
        found = self._rows("WHERE id=?", (id,))
        return found[0] if found else None

    def parts_of(self, id: str) -> list[Arrival]:
        """Other animals on the photo of this content, which need its file."""
        return self._rows("WHERE json_extract(about, '$.of')=?", (id,))

    def in_state(self, kind: Kind, state: State, most: int = 1_000_000) -> list[Arrival]:
        """Files in a state, worth the most first, then in the order in which they came."""
        question = "WHERE kind=? AND state=? ORDER BY worth DESC, came, id LIMIT ?"
        return self._rows(question, (kind, state, most))

    def latest(self, kind: Kind, most: int, before: float = 1e18) -> list[Arrival]:
        """The last that came, before a time, the last one first."""
        question = "WHERE kind=? AND came<? ORDER BY came DESC, id LIMIT ?"
        return self._rows(question, (kind, before, most))

    def changed_since(self, kind: Kind, change: int, most: int) -> list[Arrival]:
        """What changed after this number, in the order of the changes."""
        return self._rows(
            "WHERE kind=? AND changed>? ORDER BY changed LIMIT ?", (kind, change, most)
        )

    def numbers(self, kind: Kind) -> dict[str, int]:
        """How many are in each state; states without one are missing."""
        with self._alone:
            question = "SELECT state, count(*) FROM arrivals WHERE kind=? GROUP BY state"
            return dict(self._base.execute(question, (kind,)).fetchall())


def _arrival(row: Sequence[Any]) -> Arrival:
    values: list[Any] = [*row[:7], json.loads(row[7]), *row[8:]]
    return Arrival(*values)
