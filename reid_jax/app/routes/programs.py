"""What is there for programs: a photo identified at once, and what may be asked."""

import asyncio

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from reid_jax.app.openapi import CLIENT, OPERATIONS, document
from reid_jax.app.review import candidates
from reid_jax.app.routes.photos import PhotoRoutes, as_json
from reid_jax.app.safety import RefusedError
from reid_jax.app.site import Site

_PATIENCE, _LOOK = 120.0, 0.1  # seconds


class ProgramRoutes:
    """Routes for programs."""

    def __init__(self, site: Site, photos: PhotoRoutes) -> None:
        self._site, self._photos = site, photos

    def routes(self) -> list[Route]:
        """All of them."""
        return [
            Route("/docs", self.docs),
            Route("/openapi.json", self.openapi),
            Route("/v1/identify", self.identify, methods=["POST"]),
        ]

    def docs(self, request: Request) -> Response:
        """What may be asked, to be read."""
        address = str(request.base_url).rstrip("/")
        facts = {"operations": OPERATIONS, "client": CLIENT.format(address=address)}
        return self._site.page(request, "docs.html", facts)

    def openapi(self, request: Request) -> Response:
        """The same for programs."""
        return JSONResponse(document(str(request.base_url).rstrip("/")))

    async def identify(self, request: Request) -> Response:
        """Takes a photo and answers when it was looked up; 202 where that takes too long."""
        if self._site.desk is None or self._site.shelf is None:
            raise RefusedError(404, "This server has no gallery.")
        arrival, _ = await self._photos.received(request, "photo")
        for _ in range(round(_PATIENCE / _LOOK)):
            found = await run_in_threadpool(self._site.arrivals.one, arrival.id)
            if found is None:
                raise RefusedError(404, "It was taken off the list.")
            if found.state == "refused":
                raise RefusedError(422, str(found.about.get("why")))
            if found.state not in ("received", "readable"):
                shown = await run_in_threadpool(candidates, found, self._site.shelf)
                return JSONResponse({**as_json(found), "candidates": shown})
            await asyncio.sleep(_LOOK)
        return JSONResponse(as_json(arrival), 202)
