"""Films that were dropped: their keyframes, one film after the other, and comparisons of two."""

import json
import threading
from dataclasses import dataclass
from typing import Any

from reid_jax.app.arrivals import Arrival, Arrivals
from reid_jax.app.logs import Log, Numbers
from reid_jax.app.places import OFFERED, OFFERED_LIST, Places
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


def choice_of(film: Arrival, mark: dict[str, Any]) -> list[int]:
    """The frames that are chosen now, rising: by a person, else those that were found."""
    found = [frame["frame"] for frame in mark["keyframes"]]
    return list(film.about.get("choice", found))


def is_made(film: Arrival) -> bool:
    """Whether the sheet and the summary are of the frames that are chosen now."""
    choice = film.about.get("choice")
    return choice is None or choice == film.about.get("made")


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
        self._choosing = threading.Lock()
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
                for arrival in self._arrivals.in_state("film", "answered"):
                    if not is_made(arrival):
                        self._make(arrival)
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

    def _make(self, arrival: Arrival) -> None:
        """Makes the sheet and the summary of the frames that were chosen."""
        wanted: list[int] = arrival.about["choice"]
        path = str(self._places.dropped("film", arrival.id, arrival.ending))
        folder = str(self._places.film(arrival.id))
        request = {"path": path, "folder": folder, "run": self.runs.keyframes, "chosen": wanted}
        facts: dict[str, Any] = {"made": wanted, "not_made": None}
        try:
            film = {**arrival.about["film"], **self._reader.ask(request, _FILM)}
            facts["film"] = film
        except (UserError, ChildError) as error:
            if self._ended.is_set():
                return
            facts["not_made"] = str(error).replace(path, arrival.name)
        self._arrivals.change(arrival.id, "answered", facts, only_from=("answered",))
        self._numbers.event("films_made_anew")

    def choose(self, id: str, frame: int | None, *, chosen: bool) -> Arrival:
        """Takes a frame to those that were chosen, or out; it is kept when this returns.

        Args:
          frame: its index; None goes back to the frames that were found.

        Raises:
          UserError: there is no such film or frame, or none would be left.
        """
        with self._choosing:
            arrival, mark = self._arrivals.one(id), self.found(id)
            if arrival is None or mark is None or arrival.state != "answered":
                raise UserError("There are no keyframes of this film.")
            now = set(choice_of(arrival, mark))
            if frame is None:
                now = set(arrival.about["film"].get("found", now))
            elif frame not in mark["scored_frames"]:
                raise UserError("This frame cannot be chosen.")
            else:
                now = now | {frame} if chosen else now - {frame}
            if not now:
                raise UserError("A film keeps one frame at least; add another one first.")
            self._arrivals.change(id, "answered", {"choice": sorted(now)}, only_from=("answered",))
            found = self._arrivals.one(id)
        self._wake.set()
        assert found is not None
        return found

    def offered(self, id: str) -> list[tuple[int, float]]:
        """Frames of a film that may be chosen and have a picture, with their seconds."""
        try:
            listed = json.loads((self._places.film(id) / OFFERED / OFFERED_LIST).read_text())
        except (OSError, ValueError):
            return []
        return [(int(frame), float(seconds)) for frame, seconds in listed]

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
        pictures = self._places.compared(first.id, second.id)
        try:
            found: dict[str, Any] = json.loads(kept.read_text())
            same = found["first"] == first.id and found["run"] == self.runs.same_video
            if same and pictures.is_dir():
                return found
        except (OSError, ValueError, KeyError):
            pass
        paths = [
            str(self._places.dropped("film", each.id, each.ending)) for each in (first, second)
        ]
        request = {"first": paths[0], "second": paths[1], "run": self.runs.same_video}
        request["pictures"] = str(pictures)
        found = self._comparer.ask(request, _FILM)
        found |= {"first": first.id, "second": second.id, "run": self.runs.same_video}
        write_text(kept, json.dumps(found))
        return found
