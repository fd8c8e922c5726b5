"""Films: what was found in one, and two compared."""

from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from reid_jax.app.arrivals import Arrival
from reid_jax.app.films import Films
from reid_jax.app.places import is_id
from reid_jax.app.routes.bodies import read_json
from reid_jax.app.routes.photos import as_json
from reid_jax.app.safety import RefusedError
from reid_jax.app.site import Site
from reid_jax.app.workers.children import ChildError
from reid_jax.keyframes.films.destination import SHEET, SUMMARY
from reid_jax.keyframes.films.pictures import clock

_FILES = {"sheet": (SHEET, "image/jpeg"), "clip": (SUMMARY, "video/mp4")}
_WIDTH, _HEIGHT = 1000.0, 160.0


class FilmRoutes:
    """Routes about films."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[Route]:
        """All of them."""
        return [
            Route("/films", self.films),
            Route("/films/{id}", self.film),
            Route("/films/{id}/frames/{number:int}", self.frame),
            Route("/films/{id}/{file}", self.file),
            Route("/v1/films/compare", self.compare, methods=["POST"]),
        ]

    @property
    def _films(self) -> Films:
        if self._site.films is None:
            raise RefusedError(404, "This server does not look at films.")
        return self._site.films

    def films(self, request: Request) -> Response:
        """Where films are dropped."""
        facts = {"runs": self._films.runs}
        return self._site.page(request, "films.html", facts)

    def _arrival(self, id: object) -> Arrival:
        found = self._site.arrivals.one(id) if isinstance(id, str) and is_id(id) else None
        if found is None or found.kind != "film":
            raise RefusedError(404, "There is no such film.")
        return found

    def film(self, request: Request) -> Response:
        """One film: scores over time and the frames that were chosen."""
        films = self._films
        arrival = self._arrival(request.path_params["id"])
        found = films.found(arrival.id)
        facts: dict[str, Any] = {"film": as_json(arrival), "found": found}
        if found is not None:
            facts["line"] = _line(found)
            facts["frames"] = [
                {**frame, "clock": clock(frame["seconds"])} for frame in found["keyframes"]
            ]
            facts["length"] = clock(found["seconds"])
        return self._site.page(request, "film.html", facts)

    def frame(self, request: Request) -> Response:
        """A keyframe by its number, from 1."""
        arrival = self._arrival(request.path_params["id"])
        found, number = self._films.found(arrival.id), request.path_params["number"]
        if found is None or not 1 <= number <= len(found["keyframes"]):
            raise RefusedError(404, "There is no such frame.")
        place = self._site.places.film(arrival.id) / found["keyframes"][number - 1]["file"]
        return FileResponse(place, media_type="image/jpeg")

    def file(self, request: Request) -> Response:
        """The sheet of all keyframes, or the summary, to be kept."""
        arrival, name = self._arrival(request.path_params["id"]), request.path_params["file"]
        if name not in _FILES:
            raise RefusedError(404, "There is no such file.")
        file, kind = _FILES[name]
        place = self._site.places.film(arrival.id) / file
        if not place.is_file():
            raise RefusedError(404, "There is no such file.")
        stem = arrival.name.rpartition(".")[0] or arrival.name
        return FileResponse(place, media_type=kind, filename=f"{stem} {file}")

    async def compare(self, request: Request) -> Response:
        """Two films, by their ids as JSON: {"first": ..., "second": ...}."""
        asked = await read_json(request)
        return await run_in_threadpool(self._compare, asked)

    def _compare(self, asked: dict[str, Any]) -> Response:
        films = self._films
        if not films.runs.same_video:
            raise RefusedError(404, "This server does not compare films.")
        first, second = self._arrival(asked.get("first")), self._arrival(asked.get("second"))
        if first.id == second.id:
            raise RefusedError(422, "These are one and the same file.")
        try:
            found = films.compared(first, second)
        except ChildError as error:
            raise RefusedError(422, f"They could not be compared: {error}.") from error
        aligned = [
            {"first": clock(one), "second": clock(other), "cosine": cosine}
            for one, other, cosine in found["aligned"]
        ]
        return JSONResponse({**found, "aligned": aligned})


def _line(found: dict[str, Any]) -> dict[str, Any]:
    """The scores over time as the points of a line, where scenes begin, and the chosen frames."""
    frames, scores = max(found["frames"] - 1, 1), found["scores"]
    low, high = min(scores), max(scores)
    span = max(high - low, 1e-9)

    def place(frame: float, score: float) -> tuple[float, float]:
        return _WIDTH * frame / frames, 8 + (_HEIGHT - 16) * (1 - (score - low) / span)

    points = [place(*each) for each in zip(found["scored_frames"], scores, strict=True)]
    return {
        "points": " ".join(f"{x:.1f},{y:.1f}" for x, y in points),
        "scenes": [f"{_WIDTH * first / frames:.1f}" for first, _ in found["scenes"]],
        "chosen": [
            {"x": f"{x:.1f}", "y": f"{y:.1f}", "number": number}
            for number, frame in enumerate(found["keyframes"], 1)
            for x, y in [place(frame["frame"], frame["score"])]
        ],
    }
