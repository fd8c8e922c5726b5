"""Decisions about what is in the gallery, by the gallery's own functions, and their history."""

from collections.abc import Callable
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from reid_jax.app.routes.bodies import read_json, text_of
from reid_jax.app.safety import RefusedError
from reid_jax.app.site import Site, who
from reid_jax.console import counted
from reid_jax.individuals.gallery.decisions import ChangedError, Decisions
from reid_jax.individuals.gallery.journal.entries import INDIVIDUAL, REEMBED, Entry
from reid_jax.individuals.gallery.journal.journal import MADE

_MOST_PHOTOS = 5_000
_NOTE = 2_000  # letters
Body = dict[str, Any]


class ActRoutes:
    """Routes by which the gallery is changed."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._acts: dict[str, Callable[[Decisions, Body], int]] = {
            "rename": self._rename,
            "merge": self._merge,
            "split": self._split,
            "move": self._move,
            "note": self._note,
            "mark": self._mark,
            "confirm": self._confirm,
            "link": self._link,
            "undo": self._undo,
            "describe": self._describe,
            "threshold": self._threshold,
        }

    def routes(self) -> list[Route]:
        """All of them."""
        return [
            Route("/v1/gallery/history", self.history),
            Route("/v1/gallery/{act}", self.act, methods=["POST"]),
        ]

    @property
    def _folder(self) -> Any:
        if self._site.shelf is None:
            raise RefusedError(404, "There is no gallery yet.")
        return self._site.shelf.folder

    async def act(self, request: Request) -> Response:
        """Decides, and says the number of the decision."""
        body = await read_json(request)
        act = self._acts.get(request.path_params["act"])
        if act is None:
            raise RefusedError(404, "There is no such decision.")
        return await run_in_threadpool(self._decide, act, body, who(request))

    def _decide(self, act: Callable[[Decisions, Body], int], body: Body, person: str) -> Response:
        try:
            number = act(Decisions(self._folder, person), body)
        except ChangedError as error:
            raise RefusedError(409, str(error)) from error
        self._site.numbers.event("gallery_decisions")
        return JSONResponse({"number": number})

    def history(self, request: Request) -> Response:
        """What was decided about an individual, or about all, the last first."""
        name = request.query_params.get("individual", "")[:200]
        entries = Decisions(self._folder, who(request)).history(individual=name)
        return JSONResponse({"decisions": [in_words(entry) for entry in entries[:-201:-1]]})

    def _rename(self, decisions: Decisions, body: Body) -> int:
        name, new = text_of(body, "name"), text_of(body, "new_name")
        number = decisions.rename(name, new, rests_on=_seen(body))
        self._renamed([name], new)
        return number

    def _merge(self, decisions: Decisions, body: Body) -> int:
        names, into = _texts(body, "names"), text_of(body, "into")
        number = decisions.merge(names, into, rests_on=_seen(body))
        self._renamed(names, into)
        return number

    def _renamed(self, names: list[str], into: str) -> None:
        if self._site.desk is not None:
            self._site.desk.review.renamed(names, into)

    def _split(self, decisions: Decisions, body: Body) -> int:
        photos, new = self._photos(body), text_of(body, "new_name")
        return decisions.split(text_of(body, "name"), photos, new, rests_on=_seen(body))

    def _move(self, decisions: Decisions, body: Body) -> int:
        name = text_of(body, "name")
        return decisions.move(self._photos(body), name, rests_on=_seen(body))

    def _note(self, decisions: Decisions, body: Body) -> int:
        text = text_of(body, "text", _NOTE)
        return decisions.note(text, individual=text_of(body, "name"), rests_on=_seen(body))

    def _mark(self, decisions: Decisions, body: Body) -> int:
        return decisions.mark(self._photos(body), text_of(body, "what"), rests_on=_seen(body))

    def _confirm(self, decisions: Decisions, body: Body) -> int:
        [photo] = self._photos({"photos": [text_of(body, "photo")]})
        return decisions.confirm(photo, text_of(body, "name"), rests_on=_seen(body))

    def _link(self, decisions: Decisions, body: Body) -> int:
        both = [text_of(body, "photo"), text_of(body, "other")]
        one, other = self._photos({"photos": both})
        return decisions.link(one, other, text_of(body, "what"), rests_on=_seen(body))

    def _undo(self, decisions: Decisions, body: Body) -> int:
        return decisions.undo(_number(body, "number"))

    def _describe(self, decisions: Decisions, body: Body) -> int:
        column, value = text_of(body, "column"), text_of(body, "value")
        photos = self._photos(body) if "photos" in body else self._all_of(text_of(body, "name"))
        return decisions.describe(photos, column, value, rests_on=_seen(body))

    def _all_of(self, name: str) -> list[str]:
        assert self._site.shelf is not None
        one = self._site.shelf.holdings().individuals.get(name)
        if one is None:
            raise RefusedError(422, "Name photos, or an individual that is in the gallery.")
        return [photo.known for photo in one.photos]

    def _threshold(self, decisions: Decisions, body: Body) -> int:
        value = body.get("value")
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise RefusedError(422, "value is a probability, or null for that of the calibration.")
        return decisions.name_from(None if value is None else float(value), rests_on=_seen(body))

    def _photos(self, body: Body) -> list[str]:
        """The gallery's names of photos that a page knows by its own."""
        assert self._site.shelf is not None
        known = self._site.shelf.holdings().photos
        found = [known.get(id) for id in _texts(body, "photos")]
        if None in found or not found:
            raise RefusedError(422, "Name photos that are in the gallery.")
        return [photo.known for photo in found if photo is not None]


def _texts(body: Body, name: str) -> list[str]:
    values = body.get(name)
    if not isinstance(values, list) or len(values) > _MOST_PHOTOS:
        raise RefusedError(422, f"{name} is a list.")
    return [text_of({name: value}, name) for value in values]


def _number(body: Body, name: str) -> int | None:
    """That of a decision, which may be missing."""
    number = body.get(name)
    if number is None:
        return None
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < 2**31:
        raise RefusedError(422, f"{name} is the number of a decision.")
    return number


def _seen(body: Body) -> int | None:
    return _number(body, "rests_on")


_WORDS = {
    "build": "Gallery made",
    "convert": "Gallery brought up to date",
    "add": "Added",
    "remove": "Removed",
    "confirm": "Confirmed",
    "move": "Moved",
    "split": "Split off",
    "merge": "Merged",
    "rename": "Renamed",
    "note": "Noted",
    "mark": "Marked",
    "link": "Said of two photos",
    "describe": "Described",
    "threshold": "Names are given from",
    "box": "Box drawn",
    REEMBED: "Embedded by another network",
}


def in_words(entry: Entry) -> dict[str, Any]:
    """A decision as a person reads it."""
    named = [change for change in entry.changes if change.attribute == INDIVIDUAL]
    parts = [_WORDS.get(entry.kind, entry.kind)]
    if entry.undoes is not None:
        parts = [f"Decision {entry.undoes} taken back"]
    if named:
        names = ({c.before for c in named}, {c.after for c in named})
        some = [_some(sorted(filter(None, each))) for each in names if each != {None}]
        photos = f", {counted(len(named), 'photo')}"
        if names[0] == names[1]:  # a box: the photo goes, and its part comes
            some, photos = some[:1], ""
        parts.append(" → ".join(some) + photos)
    elif entry.kind == "threshold":
        after = entry.changes[0].after
        parts.append("as calibrated" if after is None else f"{100 * float(after):.0f}%")
    elif entry.kind == "describe":
        change = entry.changes[0]
        number = counted(len(entry.changes), "photo")
        parts.append(f"{change.attribute} {change.after or 'not known'}, {number}")
    elif entry.kind in ("note", "mark", "link"):
        parts.append(entry.changes[0].after or "nothing")
    elif entry.changes and entry.kind != REEMBED:
        parts.append(counted(len({change.subject for change in entry.changes}), "photo"))
    return {
        "number": entry.number,
        "time": entry.time,
        "who": entry.who,
        "words": ": ".join(filter(None, [*parts, entry.reason])),
        "can_be_undone": entry.kind not in MADE,
    }


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
