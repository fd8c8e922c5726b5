"""The individuals of a gallery: all of them, and one with its photos."""

from itertools import groupby

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from reid_jax.app.holdings import ORDERS, Holdings
from reid_jax.app.safety import RefusedError
from reid_jax.app.site import Site, who
from reid_jax.individuals.gallery.decisions import Decisions

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
        ]

    @property
    def _holdings(self) -> Holdings:
        if self._site.shelf is None:
            raise RefusedError(404, "There is no gallery yet.")
        return self._site.shelf.holdings()

    def individuals(self, request: Request) -> Response:
        """A list with a picture each, searched and sorted."""
        holdings = self._holdings
        words = request.query_params.get("q", "")[:200]
        order = request.query_params.get("order", ORDERS[0])
        order = order if order in ORDERS else ORDERS[0]
        found = holdings.found(words, order)
        text = request.query_params.get("page", "1")
        pages = max(1, -(-len(found) // _ON_A_PAGE))
        number = int(text) if text.isascii() and text.isdecimal() and len(text) < 7 else 1
        number = min(max(number, 1), pages)
        some = found[(number - 1) * _ON_A_PAGE :][:_ON_A_PAGE]
        facts = {
            "individuals": some,
            "found": len(found),
            "all": len(holdings.individuals),
            "photos": len(holdings.photos),
            "words": words,
            "order": order,
            "orders": ORDERS,
            "number": number,
            "pages": pages,
        }
        return self._site.page(request, "individuals.html", facts)

    def individual(self, request: Request) -> Response:
        """One individual: its photos by day."""
        name = request.query_params.get("name", "")
        holdings = self._holdings
        one = holdings.individuals.get(name)
        if one is None:
            raise RefusedError(404, "There is no individual of this name.")
        days = groupby(one.photos, lambda photo: photo.date and photo.date.date())
        assert self._site.shelf is not None
        facts = {
            "individual": one,
            "note": Decisions(self._site.shelf.folder, who(request)).note_of(name),
            "position": holdings.position,
            "days": [(day, list(photos)) for day, photos in days],
            "first": min(one.dates, default=None),
            "last": max(one.dates, default=None),
        }
        return self._site.page(request, "individual.html", facts)

    def names(self, request: Request) -> Response:
        """Names and how many photos each has, as JSON; `q` searches."""
        words = request.query_params.get("q", "")[:200]
        holdings = self._holdings
        found = {one.name: len(one.photos) for one in holdings.found(words, "name")}
        if self._site.desk is not None and not words:
            found |= self._site.desk.review.names(now=True)
        listed = [{"name": name, "photos": number} for name, number in found.items()]
        return JSONResponse({"individuals": listed})
