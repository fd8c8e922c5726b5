"""One writer at a time for what lies at a URL: a file there with its owner's name and the time.

What it promises: of two who begin at different times, the second one is told who is at it. Where
the storage has conditional writes (S3, Google Cloud Storage) that is so also of two who begin at
once. The owner renews it every half minute; one that is five minutes old, by the clock of the
storage, or whose process this machine knows to have ended, is nobody's.

What it cannot promise: storages do not refuse what an owner writes whose lock was taken, as after a
sleep of five minutes. It looks before each upload whether the lock is still its own, and stops when
it is not; what was on its way at that moment arrives. Nor do they know programs that do not ask.
"""

import contextlib
import datetime
import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator

from reid_jax.console import say
from reid_jax.errors import UserError
from reid_jax.platforms import has_ended
from reid_jax.remote.storage import read_url, remove, write, write_new, written_at

NAME = ".owner.json"
_BEAT = 30.0  # seconds between two signs of life
_DEAD = 300.0  # seconds without one
_PAUSE = 2.0  # seconds between two looks whether it is free


class RemoteLock:
    """Held from when it is made until `release`.

    Args:
      url: of the folder.
      wait: whether to wait for another owner, or be refused.

    Raises:
      UserError: it is another's, or the folder cannot be written to.
    """

    def __init__(self, url: str, *, wait: bool):
        self._url, self._place = url, f"{url}/{NAME}"
        self._owner = {
            "process": os.getpid(),
            "host": socket.gethostname(),
            "token": secrets.token_hex(8),
        }
        said = False
        while not (write_new(self._place, self._text()) or self._taken_over()):
            other = self._read() or {}
            who = f"process {other.get('process')} on {other.get('host')}" if other else "another"
            if not wait:
                raise UserError(
                    f"{url} is being written to by {who}, which gave a sign of life at "
                    f"{other.get('time')} (five minutes after the last one it is free); wait for "
                    "its end, or name another place."
                )
            if not said:
                say(f"waiting for {who}, which writes to {url}")
                said = True
            time.sleep(_PAUSE)
        self._ended = threading.Event()
        self._beating = threading.Thread(target=self._beat, daemon=True)
        self._beating.start()

    def check(self) -> None:
        """Raises a UserError where another one has taken it."""
        found = self._read()
        if found is None or found.get("token") != self._owner["token"]:
            raise UserError(
                f"{self._url} was taken over by another process, as this one gave no sign of life "
                "for five minutes; what it has made since is not written there."
            )

    def release(self) -> None:
        """Lets others have it."""
        self._ended.set()
        self._beating.join()
        with contextlib.suppress(UserError, OSError):
            self.check()
            remove(self._place)

    def _text(self) -> str:
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        return json.dumps({**self._owner, "time": now})

    def _read(self) -> dict[str, object] | None:
        try:
            found = json.loads(read_url(self._place))
        except FileNotFoundError:
            return None
        except ValueError as error:
            if isinstance(error, UserError):
                raise
            return {}
        return found if isinstance(found, dict) else {}

    def _beat(self) -> None:
        while not self._ended.wait(_BEAT):
            with contextlib.suppress(UserError, OSError):  # it is tried again at the next one
                self.check()
                write(self._place, self._text())

    def _taken_over(self) -> bool:
        """Takes what an owner left that is dead; of several that try, the last one has it."""
        found = self._read()
        if found is not None:
            if not self._is_dead(found) or self._read() != found:
                return False
            remove(self._place)
        return write_new(self._place, self._text())

    def _is_dead(self, owner: dict[str, object]) -> bool:
        process = owner.get("process")
        here = owner.get("host") == socket.gethostname()
        if here and isinstance(process, int) and has_ended(process):
            return True
        probe = f"{self._place}.{secrets.token_hex(4)}"
        write(probe, "")
        try:
            return written_at(probe) - written_at(self._place) > _DEAD
        except FileNotFoundError:
            return True
        finally:
            remove(probe)


@contextlib.contextmanager
def held(url: str, *, wait: bool) -> Iterator[RemoteLock]:
    """A lock for the time of a block, see `RemoteLock`."""
    lock = RemoteLock(url, wait=wait)
    try:
        yield lock
    finally:
        lock.release()
