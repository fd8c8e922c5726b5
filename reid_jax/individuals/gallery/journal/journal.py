"""An append-only journal of decisions in SQLite or PostgreSQL.

Any number of processes may decide at once: each decision is one transaction, and none is beside
another. What was appended is on the disk when `append` returns (SQLite: WAL with synchronous=FULL).
"""

import datetime

import sqlalchemy as sa

from reid_jax.errors import UserError
from reid_jax.individuals.gallery.journal.entries import (
    INDIVIDUAL,
    Change,
    Decision,
    Entry,
    Fact,
    individual,
    taken_back,
)
from reid_jax.individuals.gallery.journal.reader import Reader, parts
from reid_jax.individuals.gallery.journal.tables import CHANGES, DECISIONS, FACTS

MADE = ("build", "convert", "compact")
"""Kinds of decisions that are not taken back: those that a gallery begins with, and that without
which there is nothing to go back to."""


class ChangedError(UserError):
    """A decision rests on what has changed.

    Args:
      subject: of the change.
      sentence: what changed, by which decision.
    """

    def __init__(self, subject: str, sentence: str):
        super().__init__(sentence)
        self.subject = subject


class Journal(Reader):
    """A journal that is written to, see :class:`Reader`."""

    def append(self, decision: Decision, *, rests_on: int | None = None) -> int:
        """Writes a decision down, all of it or nothing; returns its number.

        Args:
          rests_on: the position that was seen by who decided.

        Raises:
          ChangedError: since then one of its facts or names has changed, or a fact is not what it
            says that it was before.
          UserError: no photo would be left, or the journal cannot be written to.
        """
        with self._writing() as connection:
            return self._append(connection, decision, rests_on, None)

    def undo(self, number: int, who: str, reason: str = "") -> int:
        """Takes a decision back by another one, whose number is returned.

        Raises:
          UserError: there is none, it made the gallery, or a later one rests on it.
        """
        with self._writing() as connection:
            found = self._entries(connection, DECISIONS.c.number == number)
            if not found:
                last = self._position(connection)
                raise UserError(f"There is no decision {number}; the last one is {last}.")
            [entry] = found
            if entry.kind in MADE:
                what = "made the gallery" if entry.kind != "compact" else "drops what was removed"
                raise UserError(f"Decision {number} {what} and cannot be undone.")
            undos = self._undos(connection, number)
            without = taken_back(undos)
            if number in without:
                last = max(each for each, undone in undos.items() if undone == number)
                [by] = self._entries(connection, DECISIONS.c.number == last)
                raise UserError(f"Decision {number} was undone already, by {by.short}.")
            later = self._later(connection, entry)
            if entry.kind == "rename":
                later |= self._joined(connection, entry)
            later -= without | {each for each, undone in undos.items() if undone > number}
            if later:
                [by] = self._entries(connection, DECISIONS.c.number == min(later))
                raise UserError(
                    f"Decision {number} cannot be undone, as {by.short} rests on it; undo that "
                    "one first."
                )
            back = tuple(Change(c.subject, c.attribute, c.after, c.before) for c in entry.changes)
            return self._append(connection, Decision("undo", back, who, reason), None, number)

    def _undos(self, connection: sa.Connection, number: int) -> dict[int, int]:
        """What later decisions than this one took back, by their numbers."""
        question = sa.select(DECISIONS.c.number, DECISIONS.c.undoes).where(
            self._of(connection, DECISIONS),
            DECISIONS.c.number > number,
            DECISIONS.c.undoes.is_not(None),
        )
        return {row.number: row.undoes for row in connection.execute(question)}

    def _later(self, connection: sa.Connection, entry: Entry) -> set[int]:
        """Later decisions that changed one of the facts of this one."""
        facts = {(change.subject, change.attribute) for change in entry.changes}
        found = set()
        for part in parts(sorted({subject for subject, _ in facts})):
            question = sa.select(CHANGES).where(
                self._of(connection, CHANGES),
                CHANGES.c.number > entry.number,
                CHANGES.c.subject.in_(part),
            )
            rows = connection.execute(question)
            found |= {row.number for row in rows if (row.subject, row.attribute) in facts}
        return found

    def _joined(self, connection: sa.Connection, entry: Entry) -> set[int]:
        """Later decisions by which other photos got the name that this one gave."""
        new = {c.after for c in entry.changes if c.attribute == INDIVIDUAL}
        question = sa.select(CHANGES.c.number).where(
            self._of(connection, CHANGES),
            CHANGES.c.number > entry.number,
            CHANGES.c.attribute == INDIVIDUAL,
            CHANGES.c.after.in_(new),
        )
        return set(connection.scalars(question))

    def _append(
        self,
        connection: sa.Connection,
        decision: Decision,
        rests_on: int | None,
        undoes: int | None,
    ) -> int:
        position, key = self._position(connection), self._key(connection)
        facts = self._facts(connection, decision.changes)
        self._check_unchanged(
            connection, decision, facts, position if rests_on is None else rests_on
        )
        number = position + 1
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
        connection.execute(
            DECISIONS.insert(),
            {
                "gallery": key,
                "number": number,
                "time": now.replace("+00:00", "Z"),
                "who": decision.who,
                "kind": decision.kind,
                "reason": decision.reason,
                "segment": decision.segment,
                "undoes": undoes,
            },
        )
        rows = [{"gallery": key, "number": number, **vars(c)} for c in decision.changes]
        new = [c for c in decision.changes if (c.subject, c.attribute) not in facts]
        other = [c for c in decision.changes if (c.subject, c.attribute) in facts]
        if rows:
            connection.execute(CHANGES.insert(), rows)
        if new:
            connection.execute(
                FACTS.insert(),
                [
                    {
                        "gallery": key,
                        "number": number,
                        "subject": c.subject,
                        "attribute": c.attribute,
                        "value": c.after,
                    }
                    for c in new
                ],
            )
        if other:
            connection.execute(
                FACTS.update()
                .where(
                    FACTS.c.gallery == key,
                    FACTS.c.subject == sa.bindparam("about"),
                    FACTS.c.attribute == sa.bindparam("which"),
                )
                .values(value=sa.bindparam("now"), number=number),
                [{"about": c.subject, "which": c.attribute, "now": c.after} for c in other],
            )
        if any(c.attribute == INDIVIDUAL and c.after is None for c in decision.changes):
            self._check_not_empty(connection)
        return number

    def _check_unchanged(
        self,
        connection: sa.Connection,
        decision: Decision,
        facts: dict[Fact, tuple[str | None, int]],
        rests_on: int,
    ) -> None:
        for change in decision.changes:
            value, number = facts.get((change.subject, change.attribute), (None, 0))
            if value != change.before or number > rests_on:
                raise self._changed(connection, change.subject, change.attribute, value, number)
        for part in parts(sorted(decision.names)):
            question = sa.select(CHANGES).where(
                self._of(connection, CHANGES),
                CHANGES.c.number > rests_on,
                CHANGES.c.attribute == INDIVIDUAL,
                CHANGES.c.before.in_(part) | CHANGES.c.after.in_(part),
            )
            row = connection.execute(question.order_by(CHANGES.c.number)).first()
            if row is not None:
                raise self._changed(connection, row.subject, INDIVIDUAL, row.after, row.number)
        for name in decision.there:
            self._check_there(connection, name)

    def _check_there(self, connection: sa.Connection, name: str) -> None:
        of_them = FACTS.c.attribute == INDIVIDUAL, FACTS.c.value == name
        if connection.execute(
            sa.select(FACTS.c.subject).where(self._of(connection, FACTS), *of_them).limit(1)
        ).first():
            return
        last = connection.scalar(
            sa.select(sa.func.max(CHANGES.c.number)).where(
                self._of(connection, CHANGES),
                CHANGES.c.attribute == INDIVIDUAL,
                CHANGES.c.before == name,
            )
        )
        raise self._changed(connection, individual(name), INDIVIDUAL, None, last or 0)

    def _changed(
        self, connection: sa.Connection, subject: str, what: str, value: str | None, number: int
    ) -> ChangedError:
        by = self._entries(connection, DECISIONS.c.number == number)
        what = {INDIVIDUAL: ""}.get(what, f"its {what} ")
        now = "no longer there" if value is None else value
        since = f" since {by[0].short}" if by else ""
        return ChangedError(
            subject,
            f"What this rests on has changed: {subject.partition('/')[2]} is {what}{now}{since}; "
            "nothing was decided.",
        )

    def _check_not_empty(self, connection: sa.Connection) -> None:
        question = sa.select(FACTS.c.subject).where(
            self._of(connection, FACTS),
            FACTS.c.attribute == INDIVIDUAL,
            FACTS.c.value.is_not(None),
        )
        if connection.execute(question.limit(1)).first() is None:
            raise UserError("No photo of the gallery would be left; delete its folder instead.")
