"""An append-only journal of decisions in SQLite or PostgreSQL.

Any number of processes may decide at once: each decision is one transaction, and none is beside
another. What was appended is on the disk when `append` returns (SQLite: WAL with synchronous=FULL).
"""

import datetime

import sqlalchemy as sa

from reid_jax.errors import UserError
from reid_jax.individuals.gallery.journal.entries import INDIVIDUAL, Change, Decision, Entry, Fact
from reid_jax.individuals.gallery.journal.reader import Reader, parts
from reid_jax.individuals.gallery.journal.tables import CHANGES, DECISIONS, FACTS

MADE = ("build", "convert")
"""Kinds of the decision that a gallery begins with, which is not taken back."""


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
                raise UserError(
                    f"Decision {number} made the gallery and cannot be undone; remove its folder."
                )
            facts = self._facts(connection, entry.changes)
            later = {facts[c.subject, c.attribute][1] for c in entry.changes} - {number}
            if entry.kind == "rename":
                later |= self._joined(connection, entry)
            if later:
                undone = self._undone(connection, number)
                if undone and not self._entries(
                    connection, DECISIONS.c.undoes == undone[-1].number
                ):
                    raise UserError(f"Decision {number} was undone already, by {undone[-1].short}.")
                [by] = self._entries(connection, DECISIONS.c.number == min(later))
                raise UserError(
                    f"Decision {number} cannot be undone, as {by.short} rests on it; undo that "
                    "one first."
                )
            back = tuple(Change(c.subject, c.attribute, c.after, c.before) for c in entry.changes)
            return self._append(connection, Decision("undo", back, who, reason), None, number)

    def _undone(self, connection: sa.Connection, number: int) -> list[Entry]:
        return self._entries(connection, DECISIONS.c.undoes == number)

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
