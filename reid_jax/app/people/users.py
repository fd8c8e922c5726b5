"""Users of a server and who of them is signed in, in an SQLite file beside what was dropped.

Neither a password nor what a browser shows is written down: of one a hash by argon2, of the other
a digest. Who gives wrong passwords waits, longer each time, whether there is such a user or not.
"""

import hashlib
import os
import secrets
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reid_jax.app.people.rights import Role
from reid_jax.data.names import composed
from reid_jax.errors import UserError, missing

if TYPE_CHECKING:
    from argon2 import PasswordHasher

SHORTEST, LONGEST = 10, 1_000  # letters of a password
_LONGEST_NAME = 80
_FREE_TRIES, _FIRST_WAIT, _LONGEST_WAIT = 5, 60.0, 3600.0  # wrong passwords; seconds
_FORGOTTEN = 86_400.0  # seconds after which wrong passwords no longer count
_MOST_FAILURES = 10_000  # names whose wrong passwords are counted
_IDLE, _WHOLE = 7 * 86_400.0, 90 * 86_400.0  # seconds that somebody stays signed in
_SEEN = 300.0  # seconds between two notes that somebody is there
_FORM = 1
_TABLES = (
    "CREATE TABLE IF NOT EXISTS users (key TEXT PRIMARY KEY, name TEXT NOT NULL, "
    "role TEXT NOT NULL, password TEXT NOT NULL, made REAL NOT NULL)",
    "CREATE TABLE IF NOT EXISTS sessions (digest TEXT PRIMARY KEY, key TEXT NOT NULL, "
    "page TEXT NOT NULL, made REAL NOT NULL, seen REAL NOT NULL)",
    "CREATE TABLE IF NOT EXISTS failures (key TEXT PRIMARY KEY, number INTEGER NOT NULL, "
    "last REAL NOT NULL)",
)


@dataclass(frozen=True)
class User:
    """Somebody who may sign in."""

    name: str
    role: Role


@dataclass(frozen=True)
class Session:
    """A browser in which somebody is signed in.

    Attributes:
      user: who.
      page: what each of its pages shows with what it asks for, which no other site knows.
    """

    user: User
    page: str


class NotSignedInError(UserError):
    """A name and a password that let nobody in."""


class Users:
    """The users in a file, which is made with the first of them.

    Several threads and processes may use it.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._alone, self._hashing = threading.Lock(), threading.Lock()
        self._base: sqlite3.Connection | None = None

    @contextmanager
    def _opened(self, *, make: bool = False) -> Iterator[sqlite3.Connection | None]:
        """The database, for one thread at a time; None where there is none yet.

        Raises:
          UserError: it is damaged, or cannot be written to.
        """
        with self._alone:
            try:
                if self._base is None and (make or self._file.exists()):
                    self._base = self._open()
                yield self._base
            except sqlite3.Error as error:
                raise UserError(f"{self._file} cannot be used ({error}).") from error

    def _open(self) -> sqlite3.Connection:
        if not self._file.exists():
            os.close(os.open(self._file, os.O_CREAT | os.O_RDWR, 0o600))
        base = sqlite3.connect(
            self._file, timeout=30, isolation_level=None, check_same_thread=False
        )
        [form] = base.execute("PRAGMA user_version").fetchone()
        if form > _FORM:
            raise UserError(f"{self._file} was written by a newer reid_jax; update it.")
        base.execute("PRAGMA journal_mode=WAL")
        base.execute("PRAGMA synchronous=FULL")
        for statement in (*_TABLES, f"PRAGMA user_version={_FORM}"):
            base.execute(statement)
        return base

    @contextmanager
    def _writing(self, *, make: bool = False) -> Iterator[sqlite3.Connection]:
        with self._opened(make=make) as base:
            if base is None:
                raise UserError("There are no users yet; add one first.")
            base.execute("BEGIN IMMEDIATE")
            try:
                yield base
                base.execute("COMMIT")
            except BaseException:
                base.execute("ROLLBACK")
                raise

    def _one(self, question: str, *values: Any) -> Any:
        with self._opened() as base:
            return None if base is None else base.execute(question, values).fetchone()

    def close(self) -> None:
        """Nothing is read or written after it."""
        with self._alone:
            if self._base is not None:
                self._base.close()

    def any(self) -> bool:
        """Whether there are users."""
        return self._one("SELECT 1 FROM users LIMIT 1") is not None

    def all(self) -> list[User]:
        """The users, by name."""
        with self._opened() as base:
            rows = [] if base is None else base.execute("SELECT name, role FROM users ORDER BY key")
            return [User(*row) for row in rows]

    def add(self, name: str, role: Role, password: str) -> None:
        """A new user.

        Raises:
          UserError: the name or the password cannot be, or somebody has the name.
        """
        name = _name(name)
        hashed = self._hashed(password, name)
        with self._writing(make=True) as base:
            row = _key(name), name, role, hashed, time.time()
            question = "INSERT OR IGNORE INTO users VALUES (?,?,?,?,?)"
            if base.execute(question, row).rowcount != 1:
                raise UserError(f"There is a user {name} already; remove that one first.")

    def remove(self, name: str) -> None:
        """A user may sign in no more, and is signed out.

        Raises:
          UserError: there is none of this name.
        """
        with self._writing() as base:
            if base.execute("DELETE FROM users WHERE key=?", (_key(name),)).rowcount != 1:
                raise _nobody(name)
            self._sign_out_all(base, name)

    def set_password(self, name: str, password: str) -> None:
        """Gives a user another password, who is signed out and may try at once.

        Raises:
          UserError: there is none of this name, or the password cannot be.
        """
        hashed = self._hashed(password, name)
        with self._writing() as base:
            question = "UPDATE users SET password=? WHERE key=?"
            if base.execute(question, (hashed, _key(name))).rowcount != 1:
                raise _nobody(name)
            self._sign_out_all(base, name)

    @staticmethod
    def _sign_out_all(base: sqlite3.Connection, name: str) -> None:
        base.execute("DELETE FROM sessions WHERE key=?", (_key(name),))
        base.execute("DELETE FROM failures WHERE key=?", (_key(name),))

    def _hashed(self, password: str, name: str) -> str:
        password = _plain(password)
        if not (SHORTEST <= len(password) <= LONGEST and password.isprintable()):
            raise UserError(f"A password is a line of {SHORTEST} to {LONGEST:,} letters.")
        if _key(name) in _key(password):
            raise UserError("A password that holds the name is guessed; choose another one.")
        with self._hashing:
            return _hasher().hash(password)

    def sign_in(self, name: str, password: str) -> tuple[str, Session]:
        """Lets somebody in, and returns what their browser is to show from now on.

        Raises:
          NotSignedInError: the name or the password is wrong, or was too often.
        """
        key, now = _key(name)[:_LONGEST_NAME], time.time()
        if not self.any():
            raise NotSignedInError("There are no users.")
        self._count_failure(key, now)  # before it is known, so that nobody tries many at once
        row = self._one("SELECT name, role, password FROM users WHERE key=?", key)
        right = self._verified(row[2] if row is not None else _of_nobody(), password)
        if row is None or not right:
            raise NotSignedInError("The name or the password is wrong.")
        shown = secrets.token_urlsafe(32)
        session = Session(User(row[0], row[1]), secrets.token_urlsafe(24))
        with self._writing() as base:
            base.execute("DELETE FROM failures WHERE key=?", (key,))
            base.execute(
                "DELETE FROM sessions WHERE ? - seen > ? OR ? - made > ?", (now, _IDLE, now, _WHOLE)
            )
            done = base.execute(  # not for who was removed a moment ago
                "INSERT INTO sessions SELECT ?, key, ?, ?, ? FROM users WHERE key=? AND password=?",
                (_digest(shown), session.page, now, now, key, row[2]),
            )
            if done.rowcount != 1:
                raise NotSignedInError("The name or the password is wrong.")
        return shown, session

    def _count_failure(self, key: str, now: float) -> None:
        with self._writing() as base:
            question = "SELECT number, last FROM failures WHERE key=?"
            number, last = base.execute(question, (key,)).fetchone() or (0, now)
            passed = now - last
            if not 0 <= passed < _FORGOTTEN:
                number = 0
            wait = 0.0
            if number >= _FREE_TRIES:
                wait = min(_FIRST_WAIT * 2.0 ** (number - _FREE_TRIES), _LONGEST_WAIT)
            if 0 <= passed < wait:
                minutes = -int(-(wait - passed) // 60)
                raise NotSignedInError(
                    f"Too many wrong passwords for this name; try again in {minutes} "
                    f"minute{'s' if minutes > 1 else ''}."
                )
            base.execute("DELETE FROM failures WHERE ? - last > ?", (now, _FORGOTTEN))
            base.execute(
                "DELETE FROM failures WHERE key IN "
                "(SELECT key FROM failures ORDER BY last DESC LIMIT -1 OFFSET ?)",
                (_MOST_FAILURES,),
            )
            base.execute("INSERT OR REPLACE INTO failures VALUES (?,?,?)", (key, number + 1, now))

    def _verified(self, hashed: str, password: str) -> bool:
        from argon2.exceptions import VerificationError

        with self._hashing:  # one at a time, as each takes 64 MB
            try:
                return _hasher().verify(hashed, _plain(password))
            except VerificationError:
                return False

    def session(self, shown: str) -> Session | None:
        """Who shows this; None for nobody, or nobody any more."""
        digest, now = _digest(shown), time.time()
        row = self._one(
            "SELECT users.name, users.role, sessions.page, sessions.made, sessions.seen "
            "FROM sessions JOIN users ON users.key = sessions.key WHERE digest=?",
            digest,
        )
        if row is None or now - row[4] > _IDLE or now - row[3] > _WHOLE:
            return None
        if abs(now - row[4]) > _SEEN:
            with self._writing() as base:
                base.execute("UPDATE sessions SET seen=? WHERE digest=?", (now, digest))
        return Session(User(row[0], row[1]), row[2])

    def sign_out(self, shown: str) -> None:
        """Whoever shows this is nobody from now on."""
        with self._writing() as base:
            base.execute("DELETE FROM sessions WHERE digest=?", (_digest(shown),))


@cache
def _hasher() -> "PasswordHasher":
    try:
        from argon2 import PasswordHasher
    except ImportError as error:
        raise missing("A user's password", "argon2-cffi", "serve") from error
    return PasswordHasher()


@cache
def _of_nobody() -> str:
    """What is verified for a name that nobody has, so that it takes as long."""
    return _hasher().hash(secrets.token_hex())


def _name(name: str) -> str:
    name = composed(name.strip())
    if not name or len(name) > _LONGEST_NAME or not name.isprintable():
        raise UserError(f"A user's name is a line of 1 to {_LONGEST_NAME} letters.")
    return name


def _plain(password: str) -> str:
    """A password as every keyboard and system sends it."""
    return composed(password.strip())


def _key(name: str) -> str:
    return composed(name.strip()).casefold()


def same_name(one: str, other: str) -> bool:
    """Whether two names are those of one user."""
    return _key(one) == _key(other)


def _nobody(name: str) -> UserError:
    return UserError(f"There is no user {name}; reid-jax serve users list names them.")


def _digest(shown: str) -> str:
    return hashlib.blake2b(shown.encode("utf-8", "replace"), digest_size=32).hexdigest()
