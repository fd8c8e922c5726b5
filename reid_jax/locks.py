"""One process at a time: a lock of the system, or on disks without locks a file with its owner.

`flock` ends with the process, however that ends. Some network folders (Lustre without the mount
option, NFS without its lock daemon) and Windows do not have it. There PATH.held is made, which only
one can make; its owner gives it a new time every ten seconds, and what has had none for a minute,
by the clock of the folder, is nobody's.
"""

import contextlib
import json
import math
import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from reid_jax.console import say
from reid_jax.errors import UserError
from reid_jax.files import share
from reid_jax.platforms import has_ended, in_use, lock_file, patiently

_PATIENCE = 2.0  # seconds to wait for another process without a word
_BEAT = 10.0  # seconds between two signs of life
_DEAD = 60.0  # seconds without one


class HeldError(UserError):
    """Another process holds a lock, and goes on to."""


@contextlib.contextmanager
def locked(path: Path, waiting: str, seconds: float = math.inf) -> Iterator[None]:
    """Holds the lock file `path`, which is free again when the process ends, however that ends.

    While another process has it, this one waits, after two seconds with the line `waiting`.

    Args:
      seconds: how long at most.

    Raises:
      HeldError: it waited as long; who holds the lock is named.
    """
    start, said = time.monotonic(), False
    while True:
        with try_lock(path) as file:
            if file is not None:
                _sign(file, _HOLDER.format(os.getpid(), socket.gethostname()))
                try:
                    yield
                finally:
                    _sign(file, "")
                return
        if time.monotonic() - start > seconds:
            holder = _read(path) or "another process"
            raise HeldError(f"{path.parent} is held by {holder}; try again when that has ended.")
        if not said and time.monotonic() - start > _PATIENCE:
            say(waiting)
            said = True
        time.sleep(0.05)


_HOLDER = "process {} on {}"


def _sign(file: IO[str], text: str) -> None:
    """Writes into a lock file who holds it."""
    with contextlib.suppress(OSError):  # a full disk locks all the same
        file.truncate(0)
        file.write(text)
        file.flush()


@contextlib.contextmanager
def try_lock(path: Path) -> Iterator[IO[str] | None]:
    """Holds the lock file `path`, and gives it, open to read and to append.

    None while another process, or another call in this one, has it.
    """
    with open(path, "a+", encoding="utf-8") as file, contextlib.ExitStack() as held:
        share(path)
        free = lock_file(file.fileno())
        if free is None:
            free = held.enter_context(_owned(path.with_name(f"{path.name}.held")))
        yield file if free and _is_at(file, path) else None


def _is_at(file: IO[str], path: Path) -> bool:
    """Whether an open file still is at its place: who had the lock may have removed it."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.stat(path))
    except FileNotFoundError:
        return False


@contextlib.contextmanager
def _owned(path: Path) -> Iterator[bool]:
    owner = {"host": socket.gethostname(), "process": os.getpid(), "token": secrets.token_hex(8)}
    text = json.dumps(owner)
    if not (_make(path, text) or (_abandon(path) and _make(path, text))):
        yield False
        return
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(_BEAT):
            with contextlib.suppress(OSError):
                os.utime(path)

    beating = threading.Thread(target=beat, daemon=True)
    beating.start()
    try:
        yield True
    finally:
        ended.set()
        beating.join()
        if _read(path) == text:  # not if it was taken for dead, as after a long sleep
            patiently(lambda: path.unlink(missing_ok=True))


def _make(path: Path, text: str) -> bool:
    try:
        with open(path, "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        return False
    except OSError as error:
        if in_use(error):  # being removed
            return False
        raise
    share(path)
    return True


def _read(path: Path) -> str | None:
    try:
        return path.read_text("utf-8")
    except OSError:
        return None


def _abandon(path: Path) -> bool:
    """Removes the file of an owner that is dead; whether there is none now."""
    text = _read(path)
    if text is None:
        return True
    if not _is_dead(path, text):
        return False
    aside = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    try:
        path.rename(aside)
    except FileNotFoundError:  # another process was quicker
        return True
    except OSError as error:
        if in_use(error):  # or is being so
            return False
        raise
    else:
        if _read(aside) != text:  # and has made its own already
            with contextlib.suppress(OSError):
                os.link(aside, path)
        aside.unlink(missing_ok=True)
    return True


def _is_dead(path: Path, text: str) -> bool:
    with contextlib.suppress(ValueError, KeyError, TypeError):  # being written
        owner = json.loads(text)
        if owner["host"] == socket.gethostname() and has_ended(owner["process"]):
            return True
    probe = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    try:
        probe.touch()
        return probe.stat().st_mtime - path.stat().st_mtime > _DEAD
    except FileNotFoundError:
        return True
    finally:
        probe.unlink(missing_ok=True)
