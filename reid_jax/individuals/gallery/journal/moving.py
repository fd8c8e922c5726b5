"""A journal that is brought from its file into a database with a server."""

from pathlib import Path
from typing import Any

import sqlalchemy as sa

from reid_jax.errors import UserError
from reid_jax.individuals.gallery.journal.database import MOVED, at_file, at_url, begin, in_words
from reid_jax.individuals.gallery.journal.journal import Journal
from reid_jax.individuals.gallery.journal.tables import CHANGES, DECISIONS, FACTS, GALLERIES

_MANY = 5_000  # rows at a time
_CLOSED = (
    "CREATE TRIGGER IF NOT EXISTS moved BEFORE INSERT ON decisions "
    f"BEGIN SELECT RAISE(ABORT, '{MOVED}'); END"
)


def move(path: Path, url: str, gallery: str) -> int:
    """Copies a journal into a database, and closes the file: nothing is decided there any more.

    Who is killed meanwhile moves it again: what is there already has to be its beginning.

    Args:
      path: an SQLite file.
      gallery: by what both know the gallery.

    Returns:
      How many decisions there are.

    Raises:
      UserError: the database cannot be used, or knows other decisions about the gallery.
    """
    what = f"The journal at {url}"
    Journal.in_database(url, gallery)  # makes the tables
    with (
        in_words(f"The journal {path}"),
        begin(at_file(path, new=False, writers="many"), alone=True) as old,
        in_words(what),
        begin(at_url(url), alone=True) as new,
    ):
        keys = [
            each.scalar(sa.select(GALLERIES.c.key).where(GALLERIES.c.id == gallery))
            for each in (old, new)
        ]
        for table in (DECISIONS, CHANGES):
            known, there = (
                _rows(each, table, key) for each, key in zip((old, new), keys, strict=True)
            )
            if not there.items() <= known.items():
                raise UserError(
                    f"{what} holds other decisions about this gallery; nothing is moved."
                )
        for table in (DECISIONS, CHANGES, FACTS):
            new.execute(table.delete().where(table.c.gallery == keys[1]))
            rows = [{**row, "gallery": keys[1]} for row in _rows(old, table, keys[0]).values()]
            for start in range(0, len(rows), _MANY):
                new.execute(table.insert(), rows[start : start + _MANY])
        old.exec_driver_sql(_CLOSED)
        return len(_rows(new, DECISIONS, keys[1]))


def _rows(
    connection: sa.Connection, table: sa.Table, key: int | None
) -> dict[tuple[Any, ...], dict[str, Any]]:
    """The rows about a gallery by what names each, without the gallery's own key."""
    others = [column for column in table.columns if column.name != "gallery"]
    named = [column.name for column in others if column.primary_key]
    found = connection.execute(sa.select(*others).where(table.c.gallery == key))
    rows = (dict(row) for row in found.mappings())
    return {tuple(row[name] for name in named): row for row in rows}
