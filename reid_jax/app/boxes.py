"""Boxes on photos that wait for a decision: which part of a photo is looked up, shown and filed."""

import contextlib
import math
import shutil
import time
from collections.abc import Sequence
from typing import Any

from reid_jax.app.arrivals import Arrival, Arrivals, State
from reid_jax.app.places import Places
from reid_jax.app.workers.children import Child, ChildError
from reid_jax.data.crops import Box, whole_and_box
from reid_jax.data.digests import part_digest
from reid_jax.errors import UserError

_DRAWN = 60.0  # seconds
_OPEN: tuple[State, ...] = ("answered", "readable")
_LEAST = 8  # pixels of a side
Share = Sequence[float]
"""Left, top, width and height as parts of one of the whole photo."""


def checked_share(numbers: object) -> Share:
    """Four numbers of a box as parts of one, cut off at the edges of the photo.

    Raises:
      UserError: they are none.
    """
    some = numbers if isinstance(numbers, list) else []
    if len(some) != 4 or not all(isinstance(n, int | float) and math.isfinite(n) for n in some):
        raise UserError("A box is four numbers: left, top, width and height, as parts of one.")
    left, top, width, height = (float(n) for n in some)
    right, bottom = min(left + width, 1.0), min(top + height, 1.0)
    left, top = max(left, 0.0), max(top, 0.0)
    if right <= left or bottom <= top:
        raise UserError("The box lies outside the photo, or is empty.")
    return [left, top, right - left, bottom - top]


def box_now(arrival: Arrival) -> dict[str, Any] | None:
    """The box that was drawn last on a photo: "box" as it is named, "share", "who" and "when"."""
    boxes: list[dict[str, Any]] = arrival.about.get("boxes", [])
    return boxes[-1] if boxes else None


def path_of(places: Places, arrival: Arrival) -> str:
    """The photo, or the part of it that counts, as whatever reads photos knows it."""
    drawn = box_now(arrival)
    place = places.dropped("photo", arrival.about.get("of", arrival.id), arrival.ending)
    return f"{place}{drawn['box'] if drawn else ''}"


class Boxes:
    """Draws boxes on photos of the inbox that nobody has decided on.

    Args:
      decoder: reads pictures.
    """

    def __init__(self, places: Places, arrivals: Arrivals, decoder: Child) -> None:
        self._places, self._arrivals, self._decoder = places, arrivals, decoder

    def draw(self, id: str, share: Share | None, who: str, margin: float) -> Arrival:
        """Says which part of a photo counts; it is to be looked up again.

        Args:
          share: of the whole photo; None for all of it.
          margin: what is seen around a box, see :class:`reid_jax.data.crops.Box`.

        Raises:
          UserError: it was decided on, or there is nothing to see in the box.
        """
        arrival = self._open(id)
        box = {"box": _named(arrival, share, margin), "share": share, "who": who}
        boxes = [*arrival.about.get("boxes", []), {**box, "when": time.time()}]
        return self._changed(arrival, boxes)

    def take_back(self, id: str) -> Arrival:
        """Takes the last box back: the one before counts again, or all of the photo.

        Raises:
          UserError: there is none, or it was decided on.
        """
        arrival = self._open(id)
        boxes = arrival.about.get("boxes", [])
        if len(boxes) <= ("of" in arrival.about):
            raise UserError("There is no box on this photo to take back.")
        return self._changed(arrival, boxes[:-1])

    def add(self, id: str, share: Share, who: str, margin: float) -> Arrival:
        """Makes another animal on the same photo a photo of its own to decide on.

        Raises:
          UserError: there is no such photo, or there is nothing to see in the box.
        """
        arrival = self._arrivals.one(id)
        if arrival is None or arrival.kind != "photo" or "width" not in arrival.about:
            raise UserError("There is no such photo.")
        whole: str = arrival.about.get("of", id)
        box = _named(arrival, share, margin)
        _, part = whole_and_box(f"a{box}")
        fresh = part_digest(whole.encode(), part).decode()
        if self._arrivals.one(fresh) is not None:
            raise UserError("This box is there already.")
        self._draw(arrival, box, fresh)
        self._arrivals.add(fresh, "photo", arrival.name, arrival.ending, arrival.bytes)
        drawn = {"box": box, "share": share, "who": who, "when": time.time()}
        facts = {fact: arrival.about.get(fact) for fact in ("width", "height", "taken")}
        self._arrivals.change(fresh, "readable", {**facts, "of": whole, "boxes": [drawn]})
        found = self._arrivals.one(fresh)
        assert found is not None
        return found

    def _open(self, id: str) -> Arrival:
        arrival = self._arrivals.one(id)
        if arrival is None or arrival.kind != "photo":
            raise UserError("There is no such photo.")
        if arrival.state not in _OPEN or "width" not in arrival.about:
            raise UserError("This photo cannot get a box now; take the decision on it back first.")
        return arrival

    def _changed(self, arrival: Arrival, boxes: list[dict[str, Any]]) -> Arrival:
        self._draw(arrival, boxes[-1]["box"] if boxes else "", arrival.id)
        facts = {"boxes": boxes or None, "answer": None}
        if not self._arrivals.change(arrival.id, "readable", facts, only_from=_OPEN):
            raise UserError("Somebody has decided on this photo meanwhile.")
        found = self._arrivals.one(arrival.id)
        assert found is not None
        return found

    def _draw(self, arrival: Arrival, box: str, id: str) -> None:
        """Makes the pictures of a part; the whole photo stays to be looked at, too."""
        whole = arrival.about.get("of", arrival.id)
        seen = self._places.picture(whole, "whole")
        if not seen.is_file():
            with contextlib.suppress(OSError):  # drawn from the photo where it is asked for
                shutil.copyfile(self._places.picture(whole, "large"), seen)
        path = f"{self._places.dropped('photo', whole, arrival.ending)}{box}"
        request = {
            "path": path,
            **{size: str(self._places.picture(id, size)) for size in ("large", "small")},
        }
        try:
            self._decoder.ask(request, _DRAWN)
        except ChildError as error:
            raise UserError(f"The box could not be drawn: {error}.") from error
        except UserError as error:
            raise UserError(f"Nothing can be seen in this box: {error}.") from error


def _named(arrival: Arrival, share: Share | None, margin: float) -> str:
    """A box in whole pixels, as it stands behind the name of a photo; "" for none."""
    if share is None:
        return ""
    width, height = arrival.about["width"], arrival.about["height"]
    left, top = round(share[0] * width), round(share[1] * height)
    right, bottom = round((share[0] + share[2]) * width), round((share[1] + share[3]) * height)
    if min(right - left, bottom - top) < _LEAST:
        raise UserError(f"A box is at least {_LEAST} pixels wide and high.")
    return str(Box(left, top, right - left, bottom - top, margin=margin))
