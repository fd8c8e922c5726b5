"""Who looks at which photo, and what they decide about it."""

import threading
import time
from collections.abc import Collection, Iterator
from typing import Any

from reid_jax.app.arrivals import Arrival, Arrivals, State
from reid_jax.app.reading.shelf import Shelf
from reid_jax.app.worth import worth_of
from reid_jax.data.names import composed, is_nobody
from reid_jax.errors import UserError
from reid_jax.individuals.calibration import CANDIDATES

IS, NO_ANIMAL, CANNOT_TELL = "is", "not an animal", "cannot tell"
KINDS = (IS, NO_ANIMAL, CANNOT_TELL)
DECIDED: tuple[State, ...] = ("decided", "filing", "filed", "aside")
_LEASE = 120.0  # seconds that a photo is one person's, who asks again while it is open
_FEW, _MANY = 30, 1_000  # photos among which a free one is sought


class DecidedError(UserError):
    """Somebody has decided already; `decision` is what they said."""

    def __init__(self, decision: dict[str, Any]):
        super().__init__(f"{decision['who']} has decided already: {said(decision)}.")
        self.decision = decision


def said(decision: dict[str, Any]) -> str:
    """A decision in words."""
    return str(decision["name"] if decision["kind"] == IS else decision["kind"])


class Leases:
    """Which photo is whose for the moment, in memory: a restart gives all of them back."""

    def __init__(self, seconds: float = _LEASE) -> None:
        self._seconds = seconds
        self._alone = threading.Lock()
        self._held: dict[str, tuple[str, float]] = {}

    def take(self, photo: str, seat: str) -> bool:
        """Whether the photo is this one's now; what they had before is free again."""
        now = time.monotonic()
        with self._alone:
            owner = self._held.get(photo)
            if owner is not None and owner[0] != seat and owner[1] > now:
                return False
            self._held = {
                name: held for name, held in self._held.items() if held[0] != seat and held[1] > now
            }
            self._held[photo] = seat, now + self._seconds
            return True


class Review:
    """Hands out photos and takes decisions, which are on the disk when a call returns."""

    def __init__(self, arrivals: Arrivals, shelf: Shelf) -> None:
        self._arrivals, self._shelf = arrivals, shelf
        self._leases = Leases()
        self._deciding = threading.Lock()

    def next(self, seat: str, without: Collection[str] = ()) -> Arrival | None:
        """The photo that is worth most to decide and that nobody else looks at."""
        for arrival in self._free(without):
            if self._leases.take(arrival.id, seat):
                return arrival
        return None

    def _free(self, without: Collection[str]) -> Iterator[Arrival]:
        seen = set(without)
        for most in (_FEW + len(seen), _MANY + len(seen)):
            for arrival in self._arrivals.in_state("photo", "answered", most):
                if arrival.id not in seen:
                    seen.add(arrival.id)
                    yield arrival

    def look(self, photo: str, seat: str) -> Arrival | None:
        """A photo to look at again; it is this one's, unless another one has it."""
        self._leases.take(photo, seat)
        return self._arrivals.one(photo)

    def names(self, *, now: bool = False) -> dict[str, int]:
        """All individuals and how many photos each has, those that are still to be filed, too.

        Args:
          now: whether what others decided a moment ago has to be among it.
        """
        holdings = self._shelf.holdings() if now else self._shelf.recent()
        found = {name: len(one.photos) for name, one in holdings.individuals.items()}
        for name, number in self._arrivals.names(("decided", "filing")).items():
            found[name] = found.get(name, 0) + number
        return found

    def decide(self, photo: str, kind: str, name: str, who: str, *, new: bool) -> Arrival:
        """Writes down what somebody says of a photo.

        Args:
          kind: of `KINDS`.
          name: whom it shows, where it is somebody.
          new: whether the individual is a new one.

        Raises:
          DecidedError: somebody was quicker.
          UserError: there is no such photo, or the name cannot be.
        """
        if kind not in KINDS:
            raise UserError(f"A decision is one of: {', '.join(KINDS)}.")
        with self._deciding:
            name = self._name(name, new=new) if kind == IS else ""
            decision = {"kind": kind, "name": name, "new": new, "who": who, "when": time.time()}
            decision["position"] = self._shelf.recent().position
            state: State = "decided" if kind == IS else "aside"
            done = self._arrivals.change(
                photo, state, {"decision": decision}, only_from=("answered", "readable")
            )
            arrival = self._arrivals.one(photo)
            if arrival is None:
                raise UserError("There is no such photo.")
            if not done:
                if "decision" in arrival.about:
                    raise DecidedError(arrival.about["decision"])
                raise UserError("This photo cannot be decided on.")
            return arrival

    def _name(self, name: str, *, new: bool) -> str:
        name, known = composed(name.strip()), self.names()
        if is_nobody(name):
            raise UserError(f"{name or 'A name of nothing'} says that nobody knows; give a name.")
        if new or name not in known:
            known = self.names(now=True)
        if new and name in known:
            raise UserError(f"{name} is an individual already; choose it, or give another name.")
        if not new and name not in known:
            raise UserError(f"There is no individual {name} any more.")
        return name

    def renamed(self, names: Collection[str], into: str) -> None:
        """Individuals have another name now: what is not written yet gets it, too."""
        with self._deciding:
            for arrival in self._arrivals.in_state("photo", "decided"):
                decision = arrival.about["decision"]
                if decision["name"] in names:
                    facts = {"decision": {**decision, "name": into, "new": False}}
                    self._arrivals.change(arrival.id, "decided", facts, only_from=("decided",))

    def take_back(self, photo: str) -> str:
        """Takes back what is not in the gallery yet; the photo is to be decided again.

        Returns:
          The state that it had: one that is "filed" stays so, and is the gallery's to take back.

        Raises:
          UserError: there is nothing to take back, or it is being written at this moment.
        """
        arrival = self._arrivals.one(photo)
        if arrival is None or arrival.state not in DECIDED:
            raise UserError("There is no decision on this photo to take back.")
        if arrival.state == "filed":
            return "filed"
        answer = arrival.about.get("answer")
        back: State = "readable" if answer is None else "answered"
        worth = 0.0 if answer is None else worth_of(answer)
        facts = {"decision": None}
        if not self._arrivals.change(
            photo, back, facts, worth=worth, only_from=("decided", "aside")
        ):
            raise UserError("It is being written at this moment; try again.")
        return arrival.state

    def suggested(self) -> str:
        """A name for a new individual that nobody has."""
        known, number = self.names(), 1
        while f"new {number}" in known:
            number += 1
        return f"new {number}"


def candidates(arrival: Arrival, shelf: Shelf) -> list[dict[str, Any]]:
    """Those of an answer that are still there, as a page shows them."""
    holdings = shelf.recent()
    found = []
    for candidate in arrival.about.get("answer", {}).get("candidates", [])[:CANDIDATES]:
        photo = holdings.paths.get(candidate["path"])
        if photo is None:
            continue
        one = holdings.individuals[photo.individual]
        found.append(
            {
                **{fact: candidate[fact] for fact in ("probability", "score", "points")},
                "name": photo.individual,
                "agreement": candidate["agreement"] or [],
                "photo": photo.id,
                "date": None if photo.date is None else photo.date.date().isoformat(),
                "facts": list(photo.facts.values()),
                "photos": len(one.photos),
            }
        )
    return found
