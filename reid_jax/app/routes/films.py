"""Films: what was found in one, and two compared."""

import bisect
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from reid_jax.app.arrivals import Arrival
from reid_jax.app.films import Films, choice_of, is_made
from reid_jax.app.places import OFFERED, is_id
from reid_jax.app.routes.bodies import read_json
from reid_jax.app.routes.photos import as_json
from reid_jax.app.safety import RefusedError
from reid_jax.app.site import Site
from reid_jax.app.workers.children import ChildError
from reid_jax.console import clock
from reid_jax.keyframes.films.destination import SHEET, SUMMARY

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
            Route("/films/{id}/offered/{frame:int}", self.offered),
            Route("/films/{id}/with/{other}/{number:int}/{side}", self.alike),
            Route("/v1/films/{id}/choice", self.choice),
            Route("/v1/films/{id}/choice", self.choose, methods=["POST"]),
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
            facts["frames"] = self._frames(arrival, found)
            facts["line"] = _line(found, facts["frames"])
            facts["made"] = is_made(arrival)
            facts["length"] = clock(found["seconds"])
        return self._site.page(request, "film.html", facts)

    def _frames(self, arrival: Arrival, found: dict[str, Any]) -> list[dict[str, Any]]:
        """Frames that are chosen or may be, by time; each with where its picture is."""
        chosen = set(choice_of(arrival, found))
        scores = dict(zip(found["scored_frames"], found["scores"], strict=True))
        scenes = [first for first, _ in found["scenes"]]
        shown = {
            frame: (seconds, f"/films/{arrival.id}/offered/{frame}")
            for frame, seconds in self._films.offered(arrival.id)
        }
        for number, each in enumerate(found["keyframes"], 1):
            shown[each["frame"]] = each["seconds"], f"/films/{arrival.id}/frames/{number}"
        return [
            {
                "frame": frame,
                "clock": clock(seconds),
                "picture": picture,
                "scene": bisect.bisect_right(scenes, frame),
                "score": scores.get(frame, 0.0),
                "chosen": frame in chosen,
            }
            for frame, (seconds, picture) in sorted(shown.items())
            if frame in scores
        ]

    def choice(self, request: Request) -> Response:
        """The frames that are chosen, and whether the sheet and the summary are of them."""
        arrival = self._arrival(request.path_params["id"])
        found = self._films.found(arrival.id)
        if found is None:
            raise RefusedError(404, "There are no keyframes of this film.")
        return JSONResponse(_choice(arrival, found))

    async def choose(self, request: Request) -> Response:
        """{"frame": 12, "chosen": true} takes a frame in, or out; {} goes back to what was."""
        body, id = await read_json(request), self._arrival(request.path_params["id"]).id
        frame, chosen = body.get("frame"), body.get("chosen") is True
        if frame is not None and (not isinstance(frame, int) or isinstance(frame, bool)):
            raise RefusedError(422, "frame is the index of a frame.")

        def done() -> Response:
            found = self._films.found(id)
            arrival = self._films.choose(id, frame, chosen=chosen)
            assert found is not None
            return JSONResponse(_choice(arrival, found))

        return await run_in_threadpool(done)

    def offered(self, request: Request) -> Response:
        """The small picture of a frame that may be chosen."""
        arrival = self._arrival(request.path_params["id"])
        folder = self._site.places.film(arrival.id) / OFFERED
        return _picture(folder / f"{request.path_params['frame']}.jpg")

    def alike(self, request: Request) -> Response:
        """A frame of one of two films that were compared, of a pair that is alike."""
        first = self._arrival(request.path_params["id"])
        second = self._arrival(request.path_params["other"])
        number, side = request.path_params["number"], request.path_params["side"]
        if side not in ("first", "second"):
            raise RefusedError(404, "There is no such frame.")
        folder = self._site.places.compared(first.id, second.id)
        return _picture(folder / f"{number}-{side}.jpg")

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
        if not is_made(arrival):
            raise RefusedError(409, "It is being made for the frames chosen; try in a moment.")
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


def _choice(arrival: Arrival, found: dict[str, Any]) -> dict[str, Any]:
    return {
        "choice": choice_of(arrival, found),
        "made": is_made(arrival),
        "not_made": arrival.about.get("not_made", ""),
        "by_hand": "choice" in arrival.about,
    }


def _picture(place: Path) -> Response:
    if not place.is_file():
        raise RefusedError(404, "There is no such frame.")
    return FileResponse(place, media_type="image/jpeg")


def _line(found: dict[str, Any], shown: list[dict[str, Any]]) -> dict[str, Any]:
    """The scores over time as the points of a line, where scenes begin, and frames on it."""
    frames, scores = max(found["frames"] - 1, 1), found["scores"]
    low, high = min(scores), max(scores)
    span = max(high - low, 1e-9)

    def place(frame: float, score: float) -> tuple[float, float]:
        return _WIDTH * frame / frames, 8 + (_HEIGHT - 16) * (1 - (score - low) / span)

    points = [place(*each) for each in zip(found["scored_frames"], scores, strict=True)]
    return {
        "points": " ".join(f"{x:.1f},{y:.1f}" for x, y in points),
        "scenes": [f"{_WIDTH * first / frames:.1f}" for first, _ in found["scenes"]],
        "dots": [
            {"x": f"{x:.1f}", "y": f"{y:.1f}", "frame": each["frame"], "chosen": each["chosen"]}
            for each in shown
            for x, y in [place(each["frame"], each["score"])]
        ],
    }
