"""Photos and films that are dropped, and pictures of all that is shown."""

import shutil
import threading
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from reid_jax.app.arrivals import Arrival, Kind
from reid_jax.app.boxes import box_now
from reid_jax.app.desk import MOST_WAITING
from reid_jax.app.holdings import Held
from reid_jax.app.places import FILMS, SIZES, ending_of, is_id, shown_name
from reid_jax.app.review import DECIDED
from reid_jax.app.safety import RefusedError
from reid_jax.app.site import Site
from reid_jax.app.workers.children import Child, ChildError
from reid_jax.data.crops import whole_and_box
from reid_jax.errors import UserError
from reid_jax.files import digest_of

LARGEST_PHOTO, LARGEST_FILM = 64 * 2**20, 8 * 2**30  # bytes
_SPARE = 500_000_000  # bytes of the disk that are left free
_SHOWN_FACTS = (
    *("why", "individual", "photo", "taken", "width", "height", "decision", "film", "of"),
)
_SHOWN = 200  # files in an answer
_KEPT = {"Cache-Control": "private, max-age=3600"}
_DRAWN = 30.0  # seconds


def largest(path: str) -> int:
    """Bytes that a request may have, by its path."""
    return {
        "/v1/films": LARGEST_FILM,
        "/v1/photos": LARGEST_PHOTO,
        "/v1/identify": LARGEST_PHOTO,
    }.get(path, 65_536)


class PhotoRoutes:
    """Routes about files that come."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._keeping = threading.Lock()
        self._drawer = Child("reid_jax.app.workers.decoder", site.places.child_log)

    def close(self) -> None:
        """Ends who draws."""
        self._drawer.close()

    def routes(self) -> list[Route]:
        """All of them."""
        return [
            Route("/", self.inbox),
            Route("/v1/photos", self.photos),
            Route("/v1/photos", self.drop_photo, methods=["POST"]),
            Route("/v1/photos/{id}", self.forget, methods=["DELETE"]),
            Route("/v1/films", self.films),
            Route("/v1/films", self.drop_film, methods=["POST"]),
            Route("/pictures/{size}/{id}", self.picture),
        ]

    def inbox(self, request: Request) -> Response:
        """The first page: where files are dropped."""
        site = self._site
        if site.making is not None:
            return site.page(request, "making.html", {"making": site.making})
        if site.desk is None:
            return Response(status_code=307, headers={"Location": "/films"})
        return site.page(request, "inbox.html", {"most": LARGEST_PHOTO})

    def photos(self, request: Request) -> Response:
        """What changed since `after`, or the last that came."""
        return JSONResponse(self._listed(request, "photo"))

    def films(self, request: Request) -> Response:
        """The same of films."""
        return JSONResponse(self._listed(request, "film"))

    def _listed(self, request: Request, kind: Kind) -> dict[str, Any]:
        arrivals, desk = self._site.arrivals, self._site.desk
        after = _number(request, "after")
        if after:
            found = arrivals.changed_since(kind, after, _SHOWN)
        else:
            before = request.query_params.get("before", "")
            found = arrivals.latest(kind, _SHOWN, _time(before))
        return {
            "files": [as_json(arrival) for arrival in found],
            "numbers": arrivals.numbers(kind),
            "changed": max([after, *(arrival.changed for arrival in found)]),
            "ready": self._site.ready,
            "trouble": desk.trouble if desk else "",
        }

    async def drop_photo(self, request: Request) -> Response:
        """Takes a photo: the body is the file, `name` what it was called."""
        if self._site.desk is None:
            raise RefusedError(404, "This server has no gallery.")
        arrival, new = await self.received(request, "photo")
        return JSONResponse({**as_json(arrival), "new": new}, 201 if new else 200)

    async def drop_film(self, request: Request) -> Response:
        """Takes a film."""
        if self._site.films is None:
            raise RefusedError(404, "This server does not look at films.")
        arrival, new = await self.received(request, "film")
        return JSONResponse({**as_json(arrival), "new": new}, 201 if new else 200)

    async def received(self, request: Request, kind: Kind) -> tuple[Arrival, bool]:
        """What came, on the disk; and whether it is new.

        Raises:
          RefusedError: it is empty or of another kind, too many wait, or the disk is full.
        """
        name = shown_name(request.query_params.get("name", ""))
        ending = ending_of(name)
        if (ending in FILMS) != (kind == "film"):
            raise RefusedError(415, f"{name} is not taken for a {kind} by its name.")
        await run_in_threadpool(self._check_room, kind)
        with self._site.places.incoming() as (path, file):
            try:
                async for chunk in request.stream():
                    file.write(chunk)
                return await run_in_threadpool(self._keep, kind, name, ending, path, file)
            except OSError as error:
                raise RefusedError(507, f"It could not be written ({error.strerror}).") from error

    def _check_room(self, kind: Kind) -> None:
        numbers = self._site.arrivals.numbers(kind)
        if sum(numbers.get(state, 0) for state in ("received", "readable")) >= MOST_WAITING:
            raise RefusedError(429, "Too many files wait already; try again later.")
        if shutil.disk_usage(self._site.places.folder).free < _SPARE:
            raise RefusedError(507, "The disk is nearly full.")

    def _keep(
        self, kind: Kind, name: str, ending: str, path: Path, file: Any
    ) -> tuple[Arrival, bool]:
        places, arrivals = self._site.places, self._site.arrivals
        file.flush()
        size = path.stat().st_size
        if not size:
            raise RefusedError(400, "The file is empty.")
        id = digest_of(file).decode()
        with self._keeping:
            before = arrivals.one(id)
            if before is None or before.state == "refused":
                arrivals.remove(id)
                places.keep(file, path, places.dropped(kind, id, ending))
                arrivals.add(id, kind, name, ending, size)
            found = arrivals.one(id)
        assert found is not None
        self._site.numbers.event(f"{kind}s_received")
        for worker in (self._site.desk, self._site.films):
            if worker is not None:
                worker.came()
        return found, before is None

    def forget(self, request: Request) -> Response:
        """Takes a file off the page that nobody has decided on."""
        id = request.path_params["id"]
        places, arrivals = self._site.places, self._site.arrivals
        with self._keeping:
            arrival = arrivals.one(id) if is_id(id) else None
            if arrival is None:
                raise RefusedError(404, "There is no such photo.")
            if arrivals.parts_of(id):
                raise RefusedError(409, "Another animal on it is listed; take that off first.")
            if not arrivals.remove(id, but=DECIDED):
                raise RefusedError(409, "It was decided on; take the decision back first.")
            places.dropped(arrival.kind, id, arrival.ending).unlink(missing_ok=True)
            for size in SIZES:
                places.picture(id, size).unlink(missing_ok=True)
            shutil.rmtree(places.film(id), ignore_errors=True)
        return JSONResponse({"id": id})

    def picture(self, request: Request) -> Response:
        """A picture of a dropped photo or one of the gallery, "large", "small" or "whole"."""
        size, id = request.path_params["size"], request.path_params["id"]
        if size not in SIZES or not is_id(id):
            raise RefusedError(404, "There is no such picture.")
        if size == "whole":
            size, id = self._of_whole(id)
        place = self._site.places.picture(id, size)
        shelf = self._site.shelf
        holdings = shelf.recent() if shelf else None
        held = holdings.photos.get(id) if holdings else None
        if held is not None and shelf is not None and not self._drawn(held, place, size):
            small = shelf.thumbnail(held)
            if small is not None:
                return Response(small, media_type="image/jpeg", headers=_KEPT)
        try:
            content = place.read_bytes()
        except OSError:
            raise RefusedError(404, "There is no such picture.") from None
        return Response(content, media_type="image/jpeg", headers=_KEPT)

    def _of_whole(self, id: str) -> tuple[str, str]:
        """Which picture shows all of a photo that a box may have been drawn on."""
        arrival = self._site.arrivals.one(id)
        if arrival is None:
            return "whole", id
        of = str(arrival.about.get("of", id))
        there = self._site.places.picture(of, "whole").is_file()
        return ("whole" if there else "large"), of

    def _drawn(self, held: Held, place: Path, size: str) -> bool:
        """Makes a large picture of a photo of the gallery, where its file can be read."""
        if size == "small":
            return False
        try:
            whole = Path(whole_and_box(held.path)[0])
            if place.is_file() and place.stat().st_mtime >= whole.stat().st_mtime:
                return True
            path = str(whole) if size == "whole" else held.path
            self._drawer.ask({"path": path, "large": str(place)}, _DRAWN)
        except (OSError, UserError, ChildError):
            return False
        return True


def as_json(arrival: Arrival) -> dict[str, Any]:
    """What a page is told of a file; its answer in short."""
    answer = arrival.about.get("answer")
    short = None
    if answer is not None:
        best = answer["candidates"][:1]
        short = {
            "text": answer["text"],
            "verdict": answer["verdict"],
            "best": best[0]["name"] if best else None,
            "probability": best[0]["probability"] if best else None,
        }
    about = {fact: arrival.about.get(fact) for fact in _SHOWN_FACTS}
    drawn = box_now(arrival)
    if drawn is not None and drawn["share"] is not None:
        about["box"] = drawn["share"]
    return {
        "id": arrival.id,
        "name": arrival.name,
        "bytes": arrival.bytes,
        "came": arrival.came,
        "state": arrival.state,
        "changed": arrival.changed,
        "answer": short,
        **{fact: value for fact, value in about.items() if value is not None},
    }


def _number(request: Request, name: str) -> int:
    text = request.query_params.get(name, "0")
    if not (text.isascii() and text.isdecimal() and len(text) < 16):
        raise RefusedError(400, f"{name} is a number.")
    return int(text)


def _time(text: str) -> float:
    try:
        return float(text) if text else 1e18
    except ValueError:
        raise RefusedError(400, "before is a time in seconds.") from None
