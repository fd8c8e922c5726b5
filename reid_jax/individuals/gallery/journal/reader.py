"""What a journal says: the decisions, and what follows from them."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

import sqlalchemy as sa

from reid_jax.individuals.gallery.journal.database import (
    Shared,
    at_file,
    at_url,
    begin,
    in_words,
)
from reid_jax.individuals.gallery.journal.entries import (
    GALLERY,
    INDIVIDUAL,
    ROOT,
    UNCALIBRATED,
    Change,
    Entry,
    Fact,
    State,
    as_change,
    replayed,
)
from reid_jax.individuals.gallery.journal.tables import (
    CHANGES,
    DECISIONS,
    FACTS,
    GALLERIES,
    is_newest,
    upgrade,
)

_MANY = 500  # values of a list in one question


class Reader:
    """The decisions about one gallery.

    Args:
      engine: of `database`.
      gallery: by what the database knows it.
      what: the journal, as a person knows it.
    """

    def __init__(self, engine: sa.Engine, gallery: str, what: str):
        self._engine, self._id, self._what = engine, gallery, what

    @classmethod
    def in_file(
        cls, path: Path, gallery: str, *, new: bool = False, writers: Shared = "many"
    ) -> Self:
        """In an SQLite file.

        Args:
          new: whether it is to be made.
          writers: by how many it is written to at once; "one" and "none" where the file is carried
            about alone, and may have no others beside it.

        Raises:
          FileNotFoundError: it is not there.
          UserError: it is damaged, or a newer version made it.
        """
        if not new and not path.exists():
            raise FileNotFoundError(2, "No such file", os.fspath(path))
        journal = cls(at_file(path, new=new, writers=writers), gallery, f"The journal {path}")
        journal._prepare()
        return journal

    @classmethod
    def in_database(cls, url: str, gallery: str) -> Self:
        """In a database with a server; the password comes from PGPASSWORD or ~/.pgpass.

        Raises:
          UserError: it cannot be reached, or a newer version made its tables.
        """
        engine = at_url(url)
        journal = cls(engine, gallery, f"The journal at {engine.url}")
        journal._prepare()
        return journal

    def _prepare(self) -> None:
        with self._reading() as connection:
            if is_newest(connection) and self._key(connection) is not None:
                return
        with self._writing() as connection:
            upgrade(connection, self._what)
            if self._key(connection) is None:
                connection.execute(GALLERIES.insert(), {"id": self._id})

    @contextlib.contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        with in_words(self._what), begin(self._engine, alone=False) as connection:
            yield connection

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        with in_words(self._what), begin(self._engine, alone=True) as connection:
            yield connection

    def _key(self, connection: sa.Connection) -> int | None:
        question = sa.select(GALLERIES.c.key).where(GALLERIES.c.id == self._id)
        found: int | None = connection.scalar(question)
        return found

    def _of(self, connection: sa.Connection, table: sa.Table) -> sa.ColumnElement[bool]:
        return table.c.gallery == self._key(connection)

    def since(self, number: int = 0) -> list[Entry]:
        """The decisions after one, in their order, with all that they changed."""
        with self._reading() as connection:
            return self._entries(connection, DECISIONS.c.number > number)

    def about(self, subjects: Sequence[str] = (), name: str | None = None) -> list[Entry]:
        """The decisions about photos or individuals, or that made photos one or no more one."""
        with self._reading() as connection:
            numbers: set[int] = set()
            which: list[sa.ColumnElement[bool]] = [
                CHANGES.c.subject.in_(part) for part in parts(subjects)
            ]
            if name is not None:
                named = (CHANGES.c.before == name) | (CHANGES.c.after == name)
                which.append((CHANGES.c.attribute == INDIVIDUAL) & named)
            for each in which:
                question = sa.select(CHANGES.c.number).where(self._of(connection, CHANGES), each)
                numbers.update(connection.scalars(question))
            return [
                entry
                for part in parts(sorted(numbers))
                for entry in self._entries(connection, DECISIONS.c.number.in_(part))
            ]

    def state(self) -> State:
        """What holds now."""
        with self._reading() as connection:
            rows = connection.execute(
                sa.select(FACTS.c.subject, FACTS.c.attribute, FACTS.c.value, FACTS.c.number).where(
                    self._of(connection, FACTS)
                )
            ).all()
            segments = tuple(self._segments(connection))
            position = self._position(connection)
        changed = (n for subject, what, _, n in rows if subject != GALLERY and _calibrates(what))
        return State(
            position=position,
            facts={(subject, what): v for subject, what, v, _ in rows if v is not None},
            segments=segments,
            names_changed=max(changed, default=0),
        )

    def roots(self) -> dict[Fact, str]:
        """The facts about where roots lie, see `stored.roots`."""
        with self._reading() as connection:
            question = sa.select(FACTS.c.subject, FACTS.c.value).where(
                self._of(connection, FACTS),
                FACTS.c.attribute == ROOT,
                FACTS.c.value.is_not(None),
            )
            return {(row[0], ROOT): row[1] for row in connection.execute(question)}

    def segments(self) -> list[int]:
        """Those that decisions named, in their order."""
        with self._reading() as connection:
            return self._segments(connection)

    def _segments(self, connection: sa.Connection) -> list[int]:
        question = sa.select(DECISIONS.c.segment).where(
            self._of(connection, DECISIONS), DECISIONS.c.segment.is_not(None)
        )
        return list(connection.scalars(question.order_by(DECISIONS.c.number)))

    def values(self, attribute: str, subjects: Sequence[str]) -> dict[str, str]:
        """The values of an attribute by subject, for those that have one."""
        with self._reading() as connection:
            facts = self._facts(connection, [Change(s, attribute, None, None) for s in subjects])
        wanted = ((s, facts.get((s, attribute), (None, 0))[0]) for s in subjects)
        return {subject: value for subject, value in wanted if value is not None}

    def photos_of(self, name: str) -> list[str]:
        """The subjects of an individual's photos, sorted."""
        with self._reading() as connection:
            question = sa.select(FACTS.c.subject).where(
                self._of(connection, FACTS),
                FACTS.c.attribute == INDIVIDUAL,
                FACTS.c.value == name,
            )
            return sorted(connection.scalars(question))

    def names(self) -> dict[str, int]:
        """The individuals, sorted, with their numbers of photos."""
        with self._reading() as connection:
            question = (
                sa.select(FACTS.c.value, sa.func.count())
                .where(
                    self._of(connection, FACTS),
                    FACTS.c.attribute == INDIVIDUAL,
                    FACTS.c.value.is_not(None),
                )
                .group_by(FACTS.c.value)
            )
            return {row[0]: row[1] for row in sorted(connection.execute(question).all())}

    @property
    def position(self) -> int:
        """The number of the last decision."""
        with self._reading() as connection:
            return self._position(connection)

    def check(self) -> list[str]:
        """Sentences about what is wrong: in the decisions, or in what is kept as following."""
        with self._reading() as connection:
            entries = self._entries(connection, sa.true())
            kept = {
                (row.subject, row.attribute): (row.value, row.number)
                for row in connection.execute(sa.select(FACTS).where(self._of(connection, FACTS)))
            }
        facts, wrong = replayed(entries)
        for fact in sorted(facts.keys() | kept.keys()):
            if facts.get(fact) != kept.get(fact):
                wrong.append(
                    f"{fact[1]} of {fact[0]} is kept as {kept.get(fact)}, but follows as "
                    f"{facts.get(fact)} from the decisions"
                )
        return wrong

    def _position(self, connection: sa.Connection) -> int:
        last = sa.select(sa.func.max(DECISIONS.c.number)).where(self._of(connection, DECISIONS))
        return connection.scalar(last) or 0

    def _entries(
        self, connection: sa.Connection, which: sa.ColumnElement[bool] | sa.True_
    ) -> list[Entry]:
        question = sa.select(DECISIONS).where(self._of(connection, DECISIONS), which)
        decided = connection.execute(question.order_by(DECISIONS.c.number)).all()
        changes: dict[int, list[Change]] = {row.number: [] for row in decided}
        both = sa.and_(
            CHANGES.c.gallery == DECISIONS.c.gallery, CHANGES.c.number == DECISIONS.c.number
        )
        question = sa.select(CHANGES).select_from(CHANGES.join(DECISIONS, both))
        question = question.where(self._of(connection, DECISIONS), which)
        order = CHANGES.c.number, CHANGES.c.subject, CHANGES.c.attribute
        for row in connection.execute(question.order_by(*order)):
            changes[row.number].append(as_change(row))
        return [
            Entry(
                number=row.number,
                time=row.time,
                who=row.who,
                kind=row.kind,
                reason=row.reason,
                segment=row.segment,
                undoes=row.undoes,
                changes=tuple(changes[row.number]),
            )
            for row in decided
        ]

    def _facts(
        self, connection: sa.Connection, changes: Sequence[Change]
    ) -> dict[Fact, tuple[str | None, int]]:
        """What is known about the subjects of changes, each with the decision that said so."""
        found = {}
        for part in parts(sorted({change.subject for change in changes})):
            question = sa.select(FACTS).where(
                self._of(connection, FACTS), FACTS.c.subject.in_(part)
            )
            for row in connection.execute(question):
                found[row.subject, row.attribute] = row.value, row.number
        return found


def _calibrates(attribute: str) -> bool:
    return attribute not in UNCALIBRATED


def parts(values: Sequence[str] | Sequence[int]) -> Iterator[Sequence[str] | Sequence[int]]:
    """Values, so many at a time as a question takes."""
    for start in range(0, len(values), _MANY):
        yield values[start : start + _MANY]
