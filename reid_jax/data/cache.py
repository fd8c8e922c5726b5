"""What was made of files, kept in the user's cache folder for the next command: bytes by key.

One SQLite file: an index by key and by last use, and the values. Whatever is wrong with it, a
command goes on as if nothing were kept.
"""

import contextlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import TypeVar

from reid_jax.console import say
from reid_jax.errors import UserError
from reid_jax.files import cache_folder, make_folder

Result = TypeVar("Result")
LIMIT = "REID_JAX_CACHE_GB"  # in the environment: gigabytes; with 0 nothing is kept or looked up
_DEFAULT = "5"
_OURS = 0x72696A78  # by which SQLite's header says whose file it is
_TABLES = (
    "CREATE TABLE entry (id INTEGER PRIMARY KEY, key BLOB UNIQUE NOT NULL, used REAL NOT NULL)",
    "CREATE INDEX by_use ON entry (used)",
    "CREATE TABLE value (id INTEGER PRIMARY KEY, bytes BLOB NOT NULL)",
    f"PRAGMA application_id = {_OURS}",
)
_PATIENCE = 10.0  # seconds that another process may write
_FRESH = 60.0  # seconds within which a use is not noted again
_AT_ONCE = 500  # keys of a query; SQLite's oldest limit is 999
_CHECK = 8  # bytes
_without: set[Path] = set()  # files that this process uses no longer


class _ForeignError(sqlite3.OperationalError):
    """The file is a database of another program."""


@dataclass(frozen=True)
class Contents:
    """What is kept: the file, how many values, the bytes it takes, and how many it may take."""

    file: Path
    values: int
    size: int
    limit: int


def cache_file() -> Path:
    """Where it is, or will be."""
    return cache_folder("embeddings") / "kept-1.sqlite"


def switch_off() -> None:
    """Nothing is kept or looked up by this process and those that it starts."""
    os.environ[LIMIT] = "0"


def limit() -> int:
    """Bytes at most.

    Raises:
      UserError: the environment names no number.
    """
    said = os.environ.get(LIMIT) or _DEFAULT
    with contextlib.suppress(ValueError, OverflowError):
        if (found := int(float(said) * 1e9)) >= 0:
            return found
    raise UserError(f"{LIMIT} is {said!r}; it is a number of gigabytes, 0 for no cache.")


def found(keys: Sequence[bytes]) -> dict[bytes, bytes]:
    """The values of those keys that are there and whole."""
    if not limit() or not keys or not cache_file().exists():
        return {}

    def look(base: sqlite3.Connection) -> dict[bytes, bytes]:
        values: dict[bytes, bytes] = {}
        for start in range(0, len(keys), _AT_ONCE):
            some = list(keys[start : start + _AT_ONCE])
            rows = base.execute(
                "SELECT key, bytes, used, id FROM entry JOIN value USING (id) "
                f"WHERE key IN ({','.join('?' * len(some))})",
                some,
            ).fetchall()
            values |= {key: kept[_CHECK:] for key, kept, _, _ in rows if _is_whole(key, kept)}
            now = time.time()
            if stale := [(now, row) for _, _, used, row in rows if abs(now - used) > _FRESH]:
                with contextlib.suppress(sqlite3.OperationalError), _transaction(base):
                    base.executemany("UPDATE entry SET used = ? WHERE id = ?", stale)
        return values

    return _by(look, {})


def keep(values: Mapping[bytes, bytes]) -> None:
    """Keeps values for later; those that were not used for longest go where room is needed."""
    most = limit()
    if not most or not values:
        return

    def write(base: sqlite3.Connection) -> None:
        now = time.time()
        with _transaction(base):
            for key, value in values.items():
                row = base.execute(
                    "INSERT INTO entry (key, used) VALUES (?, ?) "
                    "ON CONFLICT (key) DO UPDATE SET used = excluded.used RETURNING id",
                    (key, now),
                ).fetchone()
                kept = _check(key, value) + value
                base.execute("INSERT OR REPLACE INTO value VALUES (?, ?)", (*row, kept))
            while (size := _size(base)) > most and (number := _number(base)):
                some = max(1, number * (size - most) // size)
                least = "SELECT id FROM entry ORDER BY used, id LIMIT ?"
                base.execute(f"DELETE FROM value WHERE id IN ({least})", (some,))
                base.execute(f"DELETE FROM entry WHERE id IN ({least})", (some,))

    _by(write, None)


def contents() -> Contents:
    """What is kept now."""
    file = cache_file()
    there = file.is_file()
    return Contents(
        file, _by(_number, 0) if there else 0, file.stat().st_size if there else 0, limit()
    )


def clear() -> int:
    """Forgets all, whatever the file holds; returns the bytes that it took.

    Raises:
      OSError: it cannot be removed.
    """
    file = cache_file()
    size = file.stat().st_size if file.is_file() else 0
    try:
        if size:
            with contextlib.closing(_opened(file)) as base:  # others may be in it
                base.executescript("DELETE FROM value; DELETE FROM entry; VACUUM;")
    except sqlite3.Error:
        _remove(file)
    return size


def _check(key: bytes, value: bytes) -> bytes:
    return blake2b(key + value, digest_size=_CHECK).digest()


def _is_whole(key: bytes, kept: object) -> bool:
    return isinstance(kept, bytes) and kept[:_CHECK] == _check(key, kept[_CHECK:])


def _number(base: sqlite3.Connection) -> int:
    return int(base.execute("SELECT count(*) FROM entry").fetchone()[0])


def _size(base: sqlite3.Connection) -> int:
    """Bytes that are in use; what was deleted leaves room in the file."""
    pages, free, each = (
        base.execute(f"PRAGMA {what}").fetchone()[0]
        for what in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * each)


def _opened(file: Path) -> sqlite3.Connection:
    base = sqlite3.connect(file, timeout=_PATIENCE, isolation_level=None)
    try:
        if base.execute("PRAGMA application_id").fetchone()[0] != _OURS:
            with _transaction(base):  # another process may just have done so
                if base.execute("PRAGMA application_id").fetchone()[0] != _OURS:
                    if base.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                        raise _ForeignError("it is a database of another program")
                    for statement in _TABLES:
                        base.execute(statement)
    except BaseException:
        base.close()
        raise
    return base


def _by(work: Callable[[sqlite3.Connection], Result], otherwise: Result) -> Result:
    """Work with a connection that lives as long; after an error, this process does without."""
    file = cache_file()
    if file in _without:
        return otherwise
    try:
        make_folder(file.parent)
        with contextlib.closing(_opened(file)) as base:
            return work(base)
    except (sqlite3.Error, OSError) as error:
        _without.add(file)
        damaged = type(error) is sqlite3.DatabaseError  # of which the others are kinds
        then = "begins anew with the next command" if damaged else "is not used"
        say(f"{file} {then}: {error}")
        if damaged:
            with contextlib.suppress(OSError):
                _remove(file)
    return otherwise


@contextlib.contextmanager
def _transaction(base: sqlite3.Connection) -> Iterator[None]:
    base.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        with contextlib.suppress(sqlite3.Error):  # a full disk has done so already
            base.execute("ROLLBACK")
        raise
    base.execute("COMMIT")


def _remove(file: Path) -> None:
    for ending in ("", "-journal"):
        file.with_name(file.name + ending).unlink(missing_ok=True)
