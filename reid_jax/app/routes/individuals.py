"""The individuals of a gallery: all of them, and one with its photos."""

from collections import Counter
from itertools import groupby
from typing import Any

import numpy as np
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from reid_jax.app.holdings import ORDERS, Held, Holdings, Individual
from reid_jax.app.routes.asked import Filter
from reid_jax.app.routes.reports import choices
from reid_jax.app.safety import RefusedError
from reid_jax.app.site import Site, who
from reid_jax.individuals.gallery.decisions import Decisions
from reid_jax.individuals.gallery.reports.drawings import timeline
from reid_jax.individuals.gallery.value import COLUMNS, POSITION
from reid_jax.reporting.svg import map_of, metres_text

_ON_A_PAGE = 60


class IndividualRoutes:
    """Routes about individuals."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[Route]:
        """All of them."""
        return [
            Route("/individuals", self.individuals),
            Route("/individual", self.individual),
            Route("/v1/individuals", self.names),
            Route("/v1/individual", self.one),
        ]

    @property
    def _holdings(self) -> Holdings:
        if self._site.shelf is None:
            raise RefusedError(404, "There is no gallery yet.")
        return self._site.shelf.holdings()

    def individuals(self, request: Request) -> Response:
        """A list with a picture each, searched, filtered and sorted."""
        holdings, filtered = self._holdings, Filter.of(request.query_params)
        words = request.query_params.get("q", "")[:200]
        order = request.query_params.get("order", ORDERS[0])
        order = order if order in ORDERS else ORDERS[0]
        found = holdings.found(words, order, filtered.where)
        text = request.query_params.get("page", "1")
        pages = max(1, -(-len(found) // _ON_A_PAGE))
        number = int(text) if text.isascii() and text.isdecimal() and len(text) < 7 else 1
        number = min(max(number, 1), pages)
        some = found[(number - 1) * _ON_A_PAGE :][:_ON_A_PAGE]
        facts = {
            "individuals": some,
            "found": len(found),
            "matching": sum(len(one.photos) for one in found),
            "all": len(holdings.individuals),
            "photos": len(holdings.photos),
            "words": words,
            "order": order,
            "orders": ORDERS,
            "number": number,
            "pages": pages,
            "filter": filtered,
            "choices": choices(holdings.said),
            "address": filtered.address(q=words, order=order),
        }
        return self._site.page(request, "individuals.html", facts)

    def _one(self, request: Request) -> tuple[Holdings, Individual, str]:
        name, holdings = request.query_params.get("name", ""), self._holdings
        one = holdings.individuals.get(name)
        if one is None:
            raise RefusedError(404, "There is no individual of this name.")
        assert self._site.shelf is not None
        note = Decisions(self._site.shelf.folder, who(request)).note_of(name)
        return holdings, one, note

    def individual(self, request: Request) -> Response:
        """One individual: when and where it was seen, its photos by day."""
        holdings, one, note = self._one(request)
        days = groupby(one.photos, lambda photo: photo.date and photo.date.date())
        facts = {
            "individual": one,
            "note": note,
            "position": holdings.position,
            "days": [(day, list(photos)) for day, photos in days],
            "first": min(one.dates, default=None),
            "last": max(one.dates, default=None),
            "said": said(one),
            "columns": [name for name in COLUMNS if name not in POSITION],
            "time": _time(holdings, one),
            "places": Counter(
                photo.facts["place"] for photo in one.photos if "place" in photo.facts
            ).most_common(),
            "map": _map(holdings, one),
        }
        return self._site.page(request, "individual.html", facts)

    def one(self, request: Request) -> Response:
        """One individual as JSON."""
        holdings, one, note = self._one(request)
        facts = {
            "name": one.name,
            "note": note,
            "position": holdings.position,
            "said": said(one),
            "photos": [_as_json(photo) for photo in one.photos],
        }
        return JSONResponse(facts)

    def names(self, request: Request) -> Response:
        """Names and how many photos each has, as JSON; `q` searches, photos are filtered."""
        words = request.query_params.get("q", "")[:200]
        holdings, filtered = self._holdings, Filter.of(request.query_params)
        some = holdings.found(words, "name", filtered.where)
        found = {one.name: len(one.photos) for one in some}
        if self._site.desk is not None and not words and not filtered.where:
            found |= self._site.desk.review.names(now=True)
        listed = [{"name": name, "photos": number} for name, number in found.items()]
        return JSONResponse({"individuals": listed})


def said(one: Individual) -> dict[str, list[str]]:
    """What is said of the photos of an individual, by column, the most frequent first."""
    found: dict[str, Counter[str]] = {}
    for photo in one.photos:
        for name, value in photo.facts.items():
            found.setdefault(name, Counter())[value] += 1
    return {name: [value for value, _ in some.most_common()] for name, some in found.items()}


def _as_json(photo: Held) -> dict[str, Any]:
    return {
        "id": photo.id,
        "date": None if photo.date is None else photo.date.isoformat(),
        "confirmed": photo.confirmed,
        "position": photo.position,
        **photo.facts,
    }


def _time(holdings: Holdings, one: Individual) -> dict[str, Any] | None:
    """Photos of an individual over the time of all photos."""
    if not one.dates:
        return None
    dates = holdings.facts.dates
    known = dates[~np.isnat(dates)]
    drawn, unit = timeline(np.array(one.dates, "datetime64[s]"), known.min(), known.max())
    ends = (str(each)[:10] for each in (known.min(), known.max()))
    return {"drawn": drawn, "unit": unit, "ends": list(ends)}


def _map(holdings: Holdings, one: Individual) -> dict[str, Any] | None:
    """Where an individual was seen; by its photos, or else by its places, where others say it."""
    positions = [photo.position for photo in one.photos if photo.position is not None]
    of_places = not positions
    if of_places:
        names = {photo.facts["place"] for photo in one.photos if "place" in photo.facts}
        there: dict[str, list[tuple[float, float]]] = {}
        for photo in holdings.photos.values() if names else ():
            if photo.position is not None and photo.facts.get("place") in names:
                there.setdefault(photo.facts["place"], []).append(photo.position)
        positions = [
            (float(np.mean([y for y, _ in some])), float(np.mean([x for _, x in some])))
            for some in there.values()
        ]
    if not positions:
        return None
    drawn, bar = map_of(positions, f"Map of {len(positions)} positions, north up")
    facts = {"bar": metres_text(bar), "positions": len(positions), "of_places": of_places}
    return {"drawn": drawn, **facts}
