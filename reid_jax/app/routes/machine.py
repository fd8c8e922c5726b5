"""What other programs ask of a server: whether it lives, is ready, its numbers, its own files."""

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from reid_jax.app.pages import static_files
from reid_jax.app.people.entrance import caller_of
from reid_jax.app.routes.bodies import read_json, text_of
from reid_jax.app.safety import RefusedError
from reid_jax.app.site import Site, keep_who

_LONG = {"Cache-Control": "public, max-age=31536000, immutable"}


class MachineRoutes:
    """Routes that show no photo."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[Route]:
        """All of them."""
        return [
            Route("/healthz", self.lives),
            Route("/readyz", self.ready),
            Route("/metrics", self.metrics),
            Route("/static/{version}/{name}", self.static),
            Route("/v1/state", self.state),
            Route("/v1/me", self.me, methods=["POST"]),
        ]

    async def lives(self, request: Request) -> Response:
        """It does."""
        del request
        return PlainTextResponse("alive\n")

    async def ready(self, request: Request) -> Response:
        """Whether what was asked for can be used; 503 until then."""
        del request
        ready = self._site.ready
        return PlainTextResponse("ready\n" if ready else "not yet\n", 200 if ready else 503)

    def metrics(self, request: Request) -> Response:
        """Numbers for Prometheus."""
        del request
        gauges: dict[str, float] = {"ready": float(self._site.ready)}
        for kind in ("photo", "film"):
            for state, number in self._site.arrivals.numbers(kind).items():
                gauges[f"{kind}s_{state}"] = number
        kind = "text/plain; version=0.0.4; charset=utf-8"
        return Response(self._site.numbers.text(gauges), media_type=kind)

    async def static(self, request: Request) -> Response:
        """A file of the package."""
        file = static_files().get(request.path_params["name"])
        if file is None:
            raise RefusedError(404, "There is no such file.")
        if "gzip" in request.headers.get("accept-encoding", ""):
            headers = {**_LONG, "Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
            return Response(file.compressed, media_type=file.type, headers=headers)
        return Response(file.content, media_type=file.type, headers=_LONG)

    def state(self, request: Request) -> Response:
        """How far a gallery is that is being made, and whether all is ready."""
        del request
        making = self._site.making
        found: dict[str, Any] = {"ready": self._site.ready, "making": None}
        if making is not None:
            found["making"] = vars(making)
        return JSONResponse(found)

    async def me(self, request: Request) -> Response:
        """Who is in front of the page: {"name": ...}."""
        if caller_of(request.scope).name:
            raise RefusedError(409, "Decisions carry the name with which you have signed in.")
        name = text_of(await read_json(request), "name", 80)
        if not name:
            raise RefusedError(422, "Say a name.")
        response = JSONResponse({"name": name})
        keep_who(response, name)
        return response
