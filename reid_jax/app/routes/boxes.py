"""Boxes that people draw: on photos that wait for a decision, and on those of the gallery."""

from dataclasses import replace
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from reid_jax.app.boxes import checked_share
from reid_jax.app.desk import Desk
from reid_jax.app.holdings import Held
from reid_jax.app.places import is_id
from reid_jax.app.refusals import RefusedError
from reid_jax.app.routes.bodies import read_json, text_of
from reid_jax.app.routes.photos import as_json
from reid_jax.app.site import Site, who
from reid_jax.app.workers.children import ChildError
from reid_jax.data.crops import whole_and_box
from reid_jax.errors import UserError

_SIZED = 30.0  # seconds


class BoxRoutes:
    """Routes by which boxes are drawn and taken back."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[Route]:
        """All of them; they stand before those of the same beginning."""
        return [
            Route("/v1/review/{id}/box", self.draw, methods=["POST"]),
            Route("/v1/review/{id}/box", self.take_back, methods=["DELETE"]),
            Route("/v1/gallery/box", self.drawn_in_gallery),
            Route("/v1/gallery/box", self.draw_in_gallery, methods=["POST"]),
        ]

    @property
    def _desk(self) -> Desk:
        if self._site.desk is None:
            raise RefusedError(404, "There is no gallery yet.")
        return self._site.desk

    async def draw(self, request: Request) -> Response:
        """{"box": [left, top, width, height] or null, "another": false}: parts of one."""
        body = await read_json(request)
        share = None if body.get("box") is None else checked_share(body["box"])
        another, id = body.get("another") is True, _id(request)

        def drawn() -> Response:
            found = self._desk.draw(id, share, who(request), another=another)
            self._site.numbers.event("boxes")
            return JSONResponse(as_json(found))

        return await run_in_threadpool(drawn)

    def take_back(self, request: Request) -> Response:
        """Takes the last box back; the photo is looked up with the one before, or whole."""
        return JSONResponse(as_json(self._desk.take_box_back(_id(request))))

    def drawn_in_gallery(self, request: Request) -> Response:
        """The box of a `photo` of the gallery as parts of one, or null."""
        held = self._held(request.query_params.get("photo", ""))
        whole, box = whole_and_box(held.path)
        if box is None:
            return JSONResponse({"box": None})
        try:
            size = self._desk.decoder.ask({"path": whole}, _SIZED)
        except ChildError as error:
            raise UserError(f"The photo cannot be read: {error}.") from error
        left, top, right, bottom = replace(box, margin=0.0).pixels(size["width"], size["height"])
        corners = (left, top, right - left, bottom - top)
        sides = (size["width"], size["height"]) * 2
        return JSONResponse({"box": [n / side for n, side in zip(corners, sides, strict=True)]})

    def _held(self, id: str) -> Held:
        shelf = self._site.shelf
        held = None if shelf is None else shelf.holdings().photos.get(id)
        if held is None:
            raise RefusedError(404, "There is no such photo in the gallery.")
        return held

    async def draw_in_gallery(self, request: Request) -> Response:
        """{"photo": id, "box": ... or null, "another": name, "new": false} of the gallery."""
        body = await read_json(request)
        return await run_in_threadpool(self._drawn_in_gallery, request, body)

    def _drawn_in_gallery(self, request: Request, body: dict[str, Any]) -> Response:
        desk, held = self._desk, self._held(text_of(body, "photo"))
        share = [] if body.get("box") is None else list(checked_share(body["box"]))
        facts = {
            "photo": held.known,
            "numbers": share,
            "share": True,
            "another": text_of(body, "another"),
            "new": body.get("new") is True,
        }
        number = desk.draw_in_gallery(facts, who(request))
        self._site.numbers.event("boxes")
        return JSONResponse({"number": number})


def _id(request: Request) -> str:
    id: str = request.path_params["id"]
    if not is_id(id):
        raise RefusedError(404, "There is no such photo.")
    return id
