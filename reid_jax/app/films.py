"""Films that were dropped: their keyframes, one film after the other, and comparisons of two."""

import json
import threading
from dataclasses import dataclass
from typing import Any

from reid_jax.app.arrivals import Arrival, Arrivals
from reid_jax.app.logs import Log, Numbers
from reid_jax.app.places import Places
from reid_jax.app.workers.children import Child, ChildError
from reid_jax.data.videos.keyframe_folders import read_mark
from reid_jax.errors import UserError
from reid_jax.files import write_text

_FILM = 4 * 3600.0  # seconds
_PAUSE = 5.0


@dataclass(frozen=True)
class Runs:
    """By what films are looked at; empty for what is not asked for.

    Attributes:
      keyframes: run that scores frames, or `installed:keyframes`.
      same_video: run that compares films, or `installed:same-video`.
    """

    keyframes: str = ""
    same_video: str = ""

    def __bool__(self) -> bool:
        return bool(self.keyframes or self.same_video)


class Films:
    """Finds keyframes of what was dropped, in a thread, and compares two films when asked."""

    def __init__(
        self, places: Places, arrivals: Arrivals, runs: Runs, log: Log, numbers: Numbers
    ) -> None:
        self.runs = runs
        self._places, self._arrivals, self._log, self._numbers = places, arrivals, log, numbers
        self._reader = Child("reid_jax.app.workers.film_reader", places.child_log, 10)
        self._comparer = Child("reid_jax.app.workers.film_reader", places.child_log, 10)
        self._wake, self._ended = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def start(self) -> None:
        """Begins to work, with what was left from the last time."""
        self._thread.start()

    def close(self) -> None:
        """Ends; a film that is half done is done again at the next start."""
        self._ended.set()
        self._wake.set()
        self._reader.close()
        self._comparer.close()
        self._thread.join(10)

    def came(self) -> None:
        """There is something to do."""
        self._wake.set()

    def _work(self) -> None:
        while not self._ended.is_set():
            self._wake.clear()
            try:
                for arrival in self._arrivals.in_state("film", "received"):
                    self._look_at(arrival)
            except Exception as error:  # a disk that is full
                self._log.write("trouble", error=type(error).__name__)
            self._wake.wait(_PAUSE)

    def _look_at(self, arrival: Arrival) -> None:
        about: dict[str, Any] = {}
        if self.runs.keyframes:
            request = {
                "path": str(self._places.dropped("film", arrival.id, arrival.ending)),
                "folder": str(self._places.film(arrival.id)),
                "run": self.runs.keyframes,
            }
            try:
                about = self._reader.ask(request, _FILM)
            except (UserError, ChildError) as error:
                if not self._ended.is_set():
                    why = str(error).replace(request["path"], arrival.name)
                    self._arrivals.change(arrival.id, "refused", {"why": why})
                    self._numbers.event("films_refused")
                return
        self._arrivals.change(arrival.id, "answered", {"film": about}, only_from=("received",))
        self._numbers.event("films_looked_at")

    def found(self, id: str) -> dict[str, Any] | None:
        """What was found in a film, as `reid-jax keyframes` writes it; None where nothing was."""
        return read_mark(self._places.film(id))

    def compared(self, first: Arrival, second: Arrival) -> dict[str, Any]:
        """Whether two films are of one video, and which of their frames are alike.

        Raises:
          UserError: one cannot be used.
          ChildError: it took too long.
        """
        names = sorted([first.id, second.id])
        kept = self._places.film(first.id).with_name(f"compared-{names[0][:16]}-{names[1][:16]}")
        try:
            found: dict[str, Any] = json.loads(kept.read_text())
            if found["first"] == first.id and found["run"] == self.runs.same_video:
                return found
        except (OSError, ValueError, KeyError):
            pass
        paths = [
            str(self._places.dropped("film", each.id, each.ending)) for each in (first, second)
        ]
        request = {"first": paths[0], "second": paths[1], "run": self.runs.same_video}
        found = self._comparer.ask(request, _FILM)
        found |= {"first": first.id, "second": second.id, "run": self.runs.same_video}
        write_text(kept, json.dumps(found))
        return found
