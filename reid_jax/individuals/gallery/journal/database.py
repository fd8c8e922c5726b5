"""SQLite and PostgreSQL: how each is opened, how a transaction is alone, what its errors mean."""

import contextlib
import os
import sqlite3
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from reid_jax.errors import UserError, missing
from reid_jax.files import share

_PATIENCE = 30  # seconds for others to decide
_BEGIN = "begin"
MOVED = "moved to a database"
"""What a journal's file says that was brought elsewhere."""
_LOCK = 0x7265_6964_6A61_78  # "reidjax"; a number by which PostgreSQL knows what is locked


Shared = Literal["many", "one", "none"]
"""By how many an SQLite file is written to at once. With one nothing ever lies beside it."""


def at_file(path: Path, *, new: bool, writers: Shared) -> sa.Engine:
    """An SQLite file, opened for each transaction: with the last one closed it is whole alone.

    One that cannot be written to is read as it is.
    """
    writable = os.access(path.parent, os.W_OK) and (new or os.access(path, os.W_OK))
    writable = writable and writers != "none"
    mode = "rwc" if new else "rw" if writable else "ro"
    if not writable and not path.with_name(f"{path.name}-wal").exists():
        mode += "&immutable=1"  # else SQLite wants to make files beside it
    place = f"file:{urllib.parse.quote(os.fspath(path.absolute()))}?mode={mode}"

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(
            place, uri=True, timeout=_PATIENCE, isolation_level=None, check_same_thread=False
        )
        if writable:
            connection.execute(f"PRAGMA journal_mode={'WAL' if writers == 'many' else 'DELETE'}")
            connection.execute("PRAGMA synchronous=FULL")
        return connection

    engine = sa.create_engine("sqlite://", creator=connect, poolclass=NullPool)

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get(_BEGIN, "BEGIN"))

    if new:
        with in_words(f"The journal {path}"), engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA user_version=1")
        share(path)
    return engine


def at_url(url: str) -> sa.Engine:
    """A database with a server.

    Raises:
      UserError: the URL names no PostgreSQL, or holds a password.
    """
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError as error:
        raise UserError(_like(url)) from error
    if parsed.get_backend_name() != "postgresql":
        raise UserError(_like(parsed.render_as_string()))
    if parsed.password is not None:
        raise UserError(
            "A password is neither written down nor given in a URL; take it out, and set "
            "PGPASSWORD or write ~/.pgpass."
        )
    try:
        return sa.create_engine(parsed.set(drivername="postgresql+psycopg"), poolclass=NullPool)
    except ImportError as error:
        raise missing("A journal in PostgreSQL", "psycopg", "postgresql") from error


def _like(url: str) -> str:
    return f"{url} is no database; write postgresql://USER@HOST/DATABASE."


@contextlib.contextmanager
def begin(engine: sa.Engine, *, alone: bool) -> Iterator[sa.Connection]:
    """A transaction that sees one moment.

    Args:
      alone: whether no other one may write meanwhile, to the journal of whatever gallery: new
        galleries and new tables are made by any of them.
    """
    sqlite = engine.dialect.name == "sqlite"
    with engine.connect() as connection:
        if sqlite:
            start = "BEGIN IMMEDIATE" if alone else "BEGIN"
            connection = connection.execution_options(**{_BEGIN: start})
        elif not alone:
            connection = connection.execution_options(isolation_level="REPEATABLE READ")
        with connection.begin():
            if alone and not sqlite:
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
            yield connection


@contextlib.contextmanager
def in_words(what: str) -> Iterator[None]:
    """Errors of a database as sentences.

    Raises:
      UserError: for each of them.
    """
    try:
        yield
    except sa.exc.DBAPIError as error:
        reason = str(error.orig or error).strip().splitlines()[0]
        if reason == MOVED:
            text = f"{what} was brought into a database; try again, or say --database once more."
        elif "is locked" in reason:
            text = f"{what} is being written to by others all the time; try again later."
        elif "readonly" in reason or "full" in reason or "read-only" in reason:
            text = f"{what} cannot be written to ({reason}); nothing was decided."
        elif "I/O error" in reason:
            text = f"{what} cannot be used ({reason}), as on a full disk; nothing was decided."
        elif isinstance(error.orig, sqlite3.Error):
            text = f"{what} is damaged ({reason})."
        else:
            text = f"{what} cannot be used ({reason})."
        raise UserError(text) from error
    except sqlite3.Error as error:  # while it is opened
        raise UserError(f"{what} is damaged ({error}).") from error
