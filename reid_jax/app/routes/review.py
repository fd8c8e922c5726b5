"""Routes by which photos are decided on."""

from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from reid_jax.app.arrivals import Arrival
from reid_jax.app.desk import Desk
from reid_jax.app.places import is_id
from reid_jax.app.review import DECIDED, DecidedError, candidates
from reid_jax.app.routes.bodies import read_json, text_of
from reid_jax.app.routes.photos import as_json
from reid_jax.app.safety import RefusedError
from reid_jax.app.site import Site, seat, who

_MOST_SKIPPED = 100


class ReviewRoutes:
    """Routes of the review."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[Route]:
        """All of them."""
        return [
            Route("/review", self.page),
            Route("/v1/review/next", self.next),
            Route("/v1/review/{id}", self.one),
            Route("/v1/review/{id}", self.decide, methods=["POST"]),
            Route("/v1/review/{id}", self.take_back, methods=["DELETE"]),
        ]

    @property
    def _desk(self) -> Desk:
        if self._site.desk is None:
            raise RefusedError(404, "There is no gallery yet.")
        return self._site.desk

    def page(self, request: Request) -> Response:
        """One photo at a time."""
        _ = self._desk
        return self._site.page(request, "review.html", {})

    def next(self, request: Request) -> Response:
        """The photo that is worth most to decide, none of those in `without`."""
        without = request.query_params.get("without", "").split(",")[:_MOST_SKIPPED]
        found = self._desk.review.next(seat(request), without)
        left = self._site.arrivals.numbers("photo")
        facts: dict[str, Any] = {
            "photo": None if found is None else self._shown(found),
            "left": left.get("answered", 0),
            "waiting": left.get("received", 0) + left.get("readable", 0),
            "suggested": self._desk.review.suggested(),
        }
        return JSONResponse(facts)

    def one(self, request: Request) -> Response:
        """A photo that was shown before."""
        id = request.path_params["id"]
        found = self._desk.review.look(id, seat(request)) if is_id(id) else None
        if found is None or found.kind != "photo":
            raise RefusedError(404, "There is no such photo.")
        left = self._site.arrivals.numbers("photo").get("answered", 0)
        return JSONResponse({"photo": self._shown(found), "left": left})

    def _shown(self, arrival: Arrival) -> dict[str, Any]:
        assert self._site.shelf is not None
        return {**as_json(arrival), "candidates": candidates(arrival, self._site.shelf)}

    async def decide(self, request: Request) -> Response:
        """A decision: {"kind": "is", "name": ..., "new": false}, or another kind."""
        body = await read_json(request)
        kind, name, new = text_of(body, "kind"), text_of(body, "name"), body.get("new") is True
        return await run_in_threadpool(self._decide, request, kind, name, new)

    def _decide(self, request: Request, kind: str, name: str, new: bool) -> Response:
        id = request.path_params["id"]
        if not is_id(id):
            raise RefusedError(404, "There is no such photo.")
        try:
            arrival = self._desk.review.decide(id, kind, name, who(request), new=new)
        except DecidedError as error:
            return JSONResponse({"error": str(error), "decision": error.decision}, 409)
        self._site.numbers.event("decisions")
        self._desk.decided()
        return JSONResponse(as_json(arrival))

    def take_back(self, request: Request) -> Response:
        """Takes a decision back; the photo is to be decided again."""
        id = request.path_params["id"]
        if not is_id(id):
            raise RefusedError(404, "There is no such photo.")
        self._desk.take_back(id, who(request))
        self._site.numbers.event("decisions_taken_back")
        arrival = self._site.arrivals.one(id)
        if arrival is None or arrival.state in DECIDED:
            raise RefusedError(409, "It could not be taken back.")
        return JSONResponse(as_json(arrival))
