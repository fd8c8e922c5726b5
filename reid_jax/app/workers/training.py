"""Training on what people have said, beside review: how far it is, and who takes it over."""

import contextlib
import json
import threading
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from reid_jax.app.logs import Log
from reid_jax.app.places import Places
from reid_jax.app.reading.shelf import Shelf
from reid_jax.app.workers.children import Child, ChildError
from reid_jax.errors import UserError
from reid_jax.files import make_folder, write_text
from reid_jax.individuals.gallery.decisions import Decisions
from reid_jax.individuals.gallery.journal.entries import REEMBED

Phase = Literal["none", "trains", "compared", "takes", "taken", "refused", "stopped", "failed"]
"""Nothing yet; it learns, or both are compared; somebody is to decide; the new embeddings take
their place; they have; somebody has refused them; somebody or the end of the server has stopped it,
and it can go on; why there is nothing says `words`."""

LEAST, MOST = 2.0, 24 * 60.0  # minutes
_PATIENCE = 4 * 3600.0  # seconds beyond the minutes that are given: a large gallery is embedded
_GENTLY = 10.0  # seconds for saving


@dataclass(frozen=True)
class Training:
    """How far a training is.

    Attributes:
      phase: see :data:`Phase`.
      words: what is done now, or why it failed.
      done, total: seconds; no total where it is not known.
      numbers: step and loss.
      minutes: that were given.
      run: the folder of its run.
      who: began it.
      found: both networks compared: "about", "rows", "sentences" and "gone".
    """

    phase: Phase = "none"
    words: str = ""
    done: float = 0.0
    total: float = 0.0
    numbers: list[list[float]] = field(default_factory=list)
    minutes: float = 0.0
    run: str = ""
    who: str = ""
    found: dict[str, Any] = field(default_factory=dict)


class Trainer:
    """One training at a time; what it is at is kept, so that the next server knows.

    Args:
      places: the server's.
      shelf: the gallery.
    """

    def __init__(self, places: Places, shelf: Shelf, log: Log) -> None:
        self._folder, self._shelf, self._log = places.folder / "training", shelf, log
        self._child = Child("reid_jax.app.workers.trainer", places.child_log, 10)
        self._alone = threading.Lock()
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._now = self._kept()

    @property
    def now(self) -> Training:
        """How far it is."""
        return self._now

    @property
    def is_at_work(self) -> bool:
        """Whether it trains, compares or takes over."""
        return self._now.phase in ("trains", "takes")

    def begin(self, minutes: float, who: str) -> None:
        """Trains anew, in a run of its own.

        Raises:
          UserError: the minutes are too few or too many, or one is at work.
        """
        if not LEAST <= minutes <= MOST:
            raise UserError(f"Give it between {LEAST:g} and {MOST:,.0f} minutes.")
        with self._alone:
            self._check_free()
            make_folder(self._folder)
            number = 1 + sum(1 for _ in self._folder.glob("run-*"))
            run = self._folder / f"run-{number}"
            make_folder(run.parent)
            self._start(Training("trains", "it begins", minutes=minutes, run=str(run), who=who))

    def go_on(self) -> None:
        """Goes on with the training that was stopped.

        Raises:
          UserError: none was.
        """
        with self._alone:
            self._check_free()
            if self._now.phase != "stopped":
                raise UserError("No training was stopped.")
            self._start(replace(self._now, phase="trains", words="it goes on"))

    def take(self, who: str) -> None:
        """Puts the new embeddings in the place of those there.

        Raises:
          UserError: there are none to decide on.
        """
        with self._alone:
            self._check_compared()
            self._start(replace(self._now, phase="takes", words="it begins"), who)

    def refuse(self) -> None:
        """Leaves the gallery as it is.

        Raises:
          UserError: there is nothing to decide on.
        """
        with self._alone:
            self._check_compared()
            self._keep(replace(self._now, phase="refused", words=""))

    def back(self, who: str) -> None:
        """Goes back to the embeddings from before those that were taken over.

        Raises:
          UserError: none were, or the former ones are no longer there.
        """
        with self._alone:
            if self._now.phase != "taken":
                raise UserError("Nothing was taken over.")
            decisions = Decisions(self._shelf.folder, who)
            taken = [e.number for e in decisions.read_since() if e.kind == REEMBED]
            decisions.undo(taken[-1] if taken else 0)
            self._keep(replace(self._now, phase="refused", words=""))

    def stop(self) -> None:
        """Ends what is at work; what was learnt is saved."""
        if self.is_at_work:
            self._stopping = True
            self._child.end_gently(_GENTLY)
            if self._thread is not None:
                self._thread.join(_GENTLY)

    def close(self) -> None:
        """Ends with the server."""
        self.stop()
        self._child.close()

    def _check_free(self) -> None:
        if self.is_at_work:
            raise UserError("A training is at work already.")

    def _check_compared(self) -> None:
        if self._now.phase != "compared":
            raise UserError("There is nothing to decide on.")

    def _start(self, begun: Training, who: str = "") -> None:
        self._stopping = False
        self._keep(begun)
        request = {
            "do": "take" if begun.phase == "takes" else "train",
            "gallery": str(self._shelf.folder),
            "run": begun.run,
            "minutes": begun.minutes,
            "who": who,
        }
        self._thread = threading.Thread(target=self._work, args=(request,), daemon=True)
        self._thread.start()

    def _work(self, request: dict[str, Any]) -> None:
        taking = request["do"] == "take"
        seconds = 60.0 * request["minutes"] * 2 + _PATIENCE
        phase: Phase = "taken" if taking else "compared"
        words, found = "", self._now.found
        try:
            answer = self._child.ask(request, seconds, self._told)
            found = found if taking else answer
        except (UserError, ChildError) as error:
            phase, words = "failed", str(error)
            if self._stopping:
                phase, words = ("compared" if taking else "stopped"), ""
        self._child.end_gently(0.0)  # it holds gigabytes
        self._keep(replace(self._now, phase=phase, words=words, found=found))
        self._log.write("training", phase=phase)

    def _told(self, facts: dict[str, Any]) -> None:
        self._now = replace(self._now, **{"done": 0.0, "total": 0.0, **facts})

    def _keep(self, now: Training) -> None:
        with contextlib.suppress(OSError):  # a full disk ends no training
            write_text(self._file, json.dumps(asdict(replace(now, numbers=[]))) + "\n")
        self._now = now

    def _kept(self) -> Training:
        try:
            now = Training(**json.loads(self._file.read_text()))
        except (OSError, ValueError, TypeError):
            return Training()
        if now.phase == "trains":
            return replace(now, phase="stopped", words="")
        return replace(now, phase="compared") if now.phase == "takes" else now

    @property
    def _file(self) -> Path:
        return self._folder / "training.json"
