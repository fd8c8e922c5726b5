"""A folder that is watched: what is put into it comes into the inbox, and stays where it is."""

import contextlib
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

from reid_jax.app.arrivals import Arrivals
from reid_jax.app.logs import Log
from reid_jax.app.places import FILMS, Places, ending_of, shown_name
from reid_jax.files import digest_of

_PAUSE = 3.0  # seconds between looks; a file that has grown meanwhile is still being written
_LARGEST = 64 * 2**20  # bytes of a photo

Seen = tuple[int, int]


class Watched:
    """Copies photos of a folder into the inbox, each content once.

    Args:
      folder: it, with folders in it at any depth; links are not followed.
      came: is called when there is something new.
    """

    def __init__(
        self, folder: Path, places: Places, arrivals: Arrivals, log: Log, came: Callable[[], None]
    ) -> None:
        self._folder, self._places, self._arrivals = folder, places, arrivals
        self._log, self._came = log, came
        self._before: dict[Path, Seen] = {}
        self._taken: dict[Path, Seen] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def start(self) -> None:
        """Begins to look."""
        self._thread.start()

    def close(self) -> None:
        """Looks no more."""
        self._ended.set()
        self._thread.join(10)

    def _watch(self) -> None:
        while not self._ended.wait(_PAUSE):
            try:
                self.look()
            except OSError as error:  # unplugged; it may come back
                self._log.write("not watched", error=type(error).__name__)

    def look(self) -> None:
        """Takes what is new and has not changed since the last look."""
        now: dict[Path, Seen] = {}
        for path in sorted(self._folder.rglob("*")):
            ending = ending_of(path.name)
            if ending and ending not in FILMS and path.is_file() and not path.is_symlink():
                facts = path.stat()
                now[path] = facts.st_size, facts.st_mtime_ns
        for path, seen in now.items():
            fits = 0 < seen[0] <= _LARGEST
            if fits and seen == self._before.get(path) and seen != self._taken.get(path):
                with contextlib.suppress(FileNotFoundError):
                    self._take(path)
                self._taken[path] = seen
        self._before = now

    def _take(self, path: Path) -> None:
        with open(path, "rb") as file, self._places.incoming() as (place, copy):
            shutil.copyfileobj(file, copy)
            copy.flush()
            id = digest_of(copy).decode()
            if self._arrivals.one(id) is not None:
                return
            ending = ending_of(path.name)
            self._places.keep(copy, place, self._places.dropped("photo", id, ending))
            size = path.stat().st_size
            self._arrivals.add(id, "photo", shown_name(path.name), ending, size)
        self._came()
