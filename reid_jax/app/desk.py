"""What a server does beside answering: reading what was dropped, looking it up, in threads.

Each step is written down before the next, so that who is killed goes on where it was.
"""

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from reid_jax.app.arrivals import Arrival, Arrivals
from reid_jax.app.boxes import Boxes, Share, path_of
from reid_jax.app.logs import Log, Numbers
from reid_jax.app.places import Places
from reid_jax.app.reading.shelf import Shelf
from reid_jax.app.review import Review
from reid_jax.app.workers.children import Child, ChildError
from reid_jax.app.worth import worth_of
from reid_jax.errors import UserError

MOST_WAITING = 20_000  # photos that wait; who drops more is asked to wait
_BATCH = 16  # photos that are looked up together
_READ, _LOOK_UP, _START, _FILE = 60.0, 300.0, 900.0, 3600.0  # seconds
_FILED = 64  # decisions that are written to the gallery together
_SOON, _ENOUGH = 20.0, 32  # seconds that a decision waits for others, unless there are so many
_AGAIN = 48  # photos that are looked up again where there is a new individual
_PAUSE, _LONGEST_PAUSE = 5.0, 60.0  # seconds between tries


class Desk:
    """Works on photos from when they are received until there is an answer.

    Args:
      places: the server's.
      arrivals: what was dropped.
      shelf: the gallery; None where none is served.
    """

    def __init__(
        self, places: Places, arrivals: Arrivals, shelf: Shelf, log: Log, numbers: Numbers
    ) -> None:
        self._places, self._arrivals, self._shelf = places, arrivals, shelf
        self._log, self._numbers = log, numbers
        quiet = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        self.decoder = Child("reid_jax.app.workers.decoder", places.child_log, 5, quiet)
        self._embedder = Child("reid_jax.app.workers.embedder", places.child_log, 10)
        self.review = Review(arrivals, shelf)
        self._boxes = Boxes(places, arrivals, self.decoder)
        self._margin = 0.0
        self._again: list[str] = []
        self._wake, self._read_one, self._decided = (threading.Event() for _ in range(3))
        self._ended = threading.Event()
        self.ready, self.trouble = False, ""
        self._threads = [
            threading.Thread(target=self._repeat, args=(step, event), daemon=True)
            for step, event in (
                (self._read, self._wake),
                (self._look_up, self._read_one),
                (self._file, self._decided),
            )
        ]

    def start(self) -> None:
        """Begins to work, with what was left from the last time."""
        left = [one.id for one in self._arrivals.in_state("photo", "filing")]
        self._arrivals.change_all(left, "decided", "filing")  # once more in the gallery is no harm
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Ends; what is half done is done again at the next start."""
        self._ended.set()
        for event in (self._wake, self._read_one, self._decided):
            event.set()
        self.decoder.close()
        self._embedder.close()
        for thread in self._threads:
            thread.join(10)

    def came(self) -> None:
        """There is something to do."""
        self._wake.set()

    def decided(self) -> None:
        """There is a decision to be written to the gallery."""
        self._decided.set()

    def calibrate(self) -> None:
        """Finds out what similarities are worth, where names have changed since; and answers again.

        Raises:
          UserError: the gallery or its run cannot be used.
          ChildError: the child failed.
        """
        self._embedder.ask({"gallery": str(self._shelf.folder), "photos": []}, _START)
        self._answer_again()

    def take_back(self, photo: str, who: str) -> None:
        """Takes back a decision on a photo, also out of the gallery.

        Raises:
          UserError: there is none, or the gallery refuses.
        """
        if self.review.take_back(photo) != "filed":
            return
        arrival = self._arrivals.one(photo)
        assert arrival is not None
        request = {
            "gallery": str(self._shelf.folder),
            "take_back": path_of(self._places, arrival),
            "who": who,
        }
        try:
            self._embedder.ask(request, _FILE)
        except ChildError as error:
            raise UserError(f"It could not be taken back: {error}.") from error
        self._arrivals.change(photo, "readable", {"decision": None}, only_from=("filed",))
        self._read_one.set()

    def draw(self, photo: str, share: Share | None, who: str, *, another: bool) -> Arrival:
        """Draws a box on a photo of the inbox, which is looked up again; or one for another animal.

        Raises:
          UserError: it was decided on, the box shows nothing, or the network is still loaded.
        """
        self._check_ready()
        if another and share is not None:
            found = self._boxes.add(photo, share, who, self._margin)
        else:
            found = self._boxes.draw(photo, share, who, self._margin)
        self._read_one.set()
        return found

    def take_box_back(self, photo: str) -> Arrival:
        """Takes the last box on a photo of the inbox back, see :class:`Boxes`."""
        found = self._boxes.take_back(photo)
        self._read_one.set()
        return found

    def draw_in_gallery(self, drawn: Mapping[str, Any], who: str) -> int:
        """Draws a box on a photo of the gallery; returns the number of the decision.

        Args:
          drawn: see :class:`reid_jax.individuals.gallery.mending.boxes.Drawn`.

        Raises:
          UserError: it cannot be, see :func:`reid_jax.individuals.gallery.mending.boxes.draw_box`.
        """
        self._check_ready()
        request = {"gallery": str(self._shelf.folder), "box": dict(drawn), "who": who}
        try:
            return int(self._embedder.ask(request, _FILE)["number"])
        except ChildError as error:
            raise UserError(f"The box could not be drawn: {error}.") from error

    def _check_ready(self) -> None:
        if not self.ready:
            raise UserError("The network is still being loaded; draw the box in a moment.")

    def _repeat(self, step: Callable[[], bool], event: threading.Event) -> None:
        pause = _PAUSE
        while not self._ended.is_set():
            try:
                event.clear()
                while not self._ended.is_set() and step():
                    pass
                pause = _PAUSE
            except Exception as error:  # a disk that is full, a gallery that is being moved
                pause = min(2 * pause, _LONGEST_PAUSE)
                self.trouble = str(error) or type(error).__name__
                self._log.write("trouble", error=type(error).__name__)
            event.wait(pause)

    def _read(self) -> bool:
        """Reads the next photo that was received; whether there was one."""
        for arrival in self._arrivals.in_state("photo", "received", 1):
            self._read_this(arrival)
            return True
        return False

    def _read_this(self, arrival: Arrival) -> None:
        id = arrival.id
        path = self._places.dropped("photo", id, arrival.ending)
        if (held := self._shelf.recent().digests.get(id)) is not None:
            self._arrivals.change(id, "there", {"individual": held.individual, "photo": held.id})
            path.unlink(missing_ok=True)
            self._numbers.event("photos_there_already")
            return
        request = {
            "path": str(path),
            **{size: str(self._places.picture(id, size)) for size in ("large", "small")},
        }
        try:
            about = self.decoder.ask(request, _READ)
        except (UserError, ChildError) as error:
            if self._ended.is_set():
                return
            self._arrivals.change(id, "refused", {"why": str(error)}, only_from=("received",))
            self._numbers.event("photos_refused")
            path.unlink(missing_ok=True)
            return
        self._arrivals.change(id, "readable", about, only_from=("received",))
        self._numbers.event("photos_read")
        self._read_one.set()

    def _look_up(self) -> bool:
        """Looks up the next photos that can be; whether there were any."""
        if not self.ready:
            request = {"gallery": str(self._shelf.folder), "photos": []}
            found = self._embedder.ask(request, _START)
            self._log.write("ready", **found)
            self._margin = float(found["margin"])
            self.ready, self.trouble = True, ""
        photos = self._arrivals.in_state("photo", "readable", _BATCH)
        if not photos and self._again:
            some, self._again = self._again[:_BATCH], self._again[_BATCH:]
            known = map(self._arrivals.one, some)
            photos = [one for one in known if one is not None and one.state == "answered"]
        if not photos:
            return bool(self._again)
        started = time.monotonic()
        for arrival, answer in zip(photos, self._answers(photos), strict=True):
            self._answered(arrival, answer)
        self._numbers.event("photos_looked_up", len(photos))
        self.trouble = ""
        self._log.write(
            "looked up", photos=len(photos), seconds=round(time.monotonic() - started, 2)
        )
        return True

    def _answered(self, arrival: Arrival, answer: dict[str, Any] | str) -> None:
        """Writes an answer down, unless the photo was decided on or got another box meanwhile."""
        id, at = arrival.id, arrival.changed
        if isinstance(answer, str):
            if arrival.state == "readable":
                self._arrivals.change(id, "refused", {"why": answer}, only_at=at)
            return
        worth = worth_of(answer)
        self._arrivals.change(id, "answered", {"answer": answer}, worth=worth, only_at=at)

    def _answers(self, photos: list[Arrival]) -> list[dict[str, Any] | str]:
        """What is said of each; a sentence about one that cannot be looked up."""
        try:
            request = {
                "gallery": str(self._shelf.folder),
                "photos": [path_of(self._places, arrival) for arrival in photos],
            }
            answers: list[dict[str, Any] | str] = self._embedder.ask(request, _LOOK_UP)["answers"]
        except (UserError, ChildError) as error:
            if self._ended.is_set() or len(photos) == 0:
                raise
            if len(photos) > 1:
                return [self._answers([one])[0] for one in photos]
            self._shelf.holdings()  # raises where it is the gallery that cannot be used
            return [str(error)]
        return answers

    def _file(self) -> bool:
        """Writes decisions to the gallery; whether there were enough, or old ones."""
        waiting = self._arrivals.in_state("photo", "decided", _FILED)
        oldest = min((one.about["decision"]["when"] for one in waiting), default=time.time())
        age = time.time() - oldest  # below zero where the clock was set back
        if len(waiting) < _ENOUGH and 0 <= age < _SOON:
            return False
        ids = self._arrivals.change_all([one.id for one in waiting], "filing", "decided")
        taken = [one for one in waiting if one.id in ids]
        request = {
            "gallery": str(self._shelf.folder),
            "file": [
                {
                    "path": path_of(self._places, one),
                    "date": one.about.get("taken", ""),
                    **{
                        fact: one.about["decision"].get(fact)
                        for fact in ("name", "who", "position")
                    },
                }
                for one in taken
            ],
        }
        try:
            self._embedder.ask(request, _FILE)
        except (UserError, ChildError):
            self._arrivals.change_all(ids, "decided", "filing")
            raise
        self._arrivals.change_all(ids, "filed", "filing")
        self._numbers.event("decisions_filed", len(taken))
        if any(one.about["decision"]["new"] for one in taken):
            self._answer_again()
        return True

    def _answer_again(self) -> None:
        """Somebody is new in the gallery: what comes next is looked up again, and stays there."""
        self._again = [one.id for one in self._arrivals.in_state("photo", "answered", _AGAIN)]
        self._read_one.set()
