"""A server from start to end: what it serves is opened, its address printed, its work finished."""

import contextlib
import socket
import threading
import webbrowser
from collections.abc import AsyncIterator, Callable, Container
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn
from starlette.routing import Route, Router
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from reid_jax.app.addresses import check_address, in_url, is_loopback, listen, names_of
from reid_jax.app.arrivals import Arrivals
from reid_jax.app.desk import Desk
from reid_jax.app.films import Films, Runs
from reid_jax.app.logs import Log, Numbers
from reid_jax.app.people.entrance import Entrance
from reid_jax.app.people.rights import Rights
from reid_jax.app.people.users import Users
from reid_jax.app.places import Places
from reid_jax.app.reading.shelf import Shelf
from reid_jax.app.refusals import RefusedError
from reid_jax.app.routes.acts import ActRoutes
from reid_jax.app.routes.boxes import BoxRoutes
from reid_jax.app.routes.doubts import DoubtRoutes
from reid_jax.app.routes.downloads import DownloadRoutes
from reid_jax.app.routes.films import FilmRoutes
from reid_jax.app.routes.individuals import IndividualRoutes
from reid_jax.app.routes.machine import MachineRoutes
from reid_jax.app.routes.photos import PhotoRoutes, largest
from reid_jax.app.routes.programs import ProgramRoutes
from reid_jax.app.routes.reports import ReportRoutes
from reid_jax.app.routes.review import ReviewRoutes
from reid_jax.app.routes.signing import SigningRoutes
from reid_jax.app.routes.training import TrainingRoutes
from reid_jax.app.safety import Guard
from reid_jax.app.site import Progress, Site
from reid_jax.app.tokens import Tokens
from reid_jax.app.watched import Watched
from reid_jax.app.workers.training import Trainer
from reid_jax.console import say
from reid_jax.errors import UserError
from reid_jax.individuals.gallery.stored.layout import LOCK
from reid_jax.locks import try_lock

_HEADERS_WITHIN = 20.0  # seconds from a connection to its first request


@dataclass(frozen=True)
class Served:
    """What is asked for on the command line.

    Attributes:
      folder: of the server, see `Places`.
      gallery: folder of the gallery; None where none is served.
      runs: by what films are looked at.
      watch: a folder whose photos come into the inbox; None for none.
      title: what the page is called; the name of the gallery when empty.
      address: by which others know the proxy that stands before the server; "" for none.
      make: makes the gallery first, saying how far it is; None where it is there.
    """

    folder: Path
    gallery: Path | None = None
    runs: Runs = field(default_factory=Runs)
    watch: Path | None = None
    title: str = ""
    address: str = ""
    make: Callable[[Places, Arrivals, Progress], None] | None = None


class _Protocol(H11Protocol):
    """HTTP, whose first headers do not take for ever."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._patience = self.loop.call_later(_HEADERS_WITHIN, self._lose)

    def _lose(self) -> None:
        if self.cycle is None and not self.transport.is_closing():
            self.transport.close()


def serve(served: Served, host: str, port: int | None, *, show: bool) -> None:
    """Serves until it is interrupted.

    Args:
      host: an address of this machine, on which it listens.
      port: None for 8421, or another one where that is taken.
      show: whether a browser is opened.

    Raises:
      UserError: others reach the host and there are no users, the port is taken, another server
        has the folder or the gallery, or what is to be served cannot be.
    """
    places = Places(served.folder.absolute())  # a gallery keeps paths of photos in it
    with contextlib.ExitStack() as held:
        places.prepare()
        users = Users(places.users)
        held.callback(users.close)
        _check_host(served, host, users)
        if held.enter_context(try_lock(served.folder / ".lock")) is None:
            raise UserError(f"Another server uses {served.folder}; end it, or open its page.")
        if served.gallery is not None and served.make is None:
            _hold(held, served.gallery)
        listening = held.enter_context(listen(host, port))
        arrivals = Arrivals(places.arrivals)
        held.callback(arrivals.close)
        log = Log(places.log)
        held.callback(log.close)
        name = served.gallery.name if served.gallery else "films"
        site = Site(served.title or name, places, arrivals, log, Numbers())
        if served.gallery is not None and served.make is None:
            shelf = Shelf(served.gallery.absolute(), places.thumbnails)
            shelf.holdings()  # what is wrong with it is said before a page is there
            _open(site, shelf)
        if served.watch is not None and site.desk is not None:
            came = site.desk.came
            site.watched = Watched(served.watch.absolute(), places, arrivals, log, came)
        if served.runs:
            site.films = Films(places, arrivals, served.runs, log, site.numbers)
        _run(site, served, users, listening, host, show)


def _check_host(served: Served, host: str, users: Users) -> None:
    if served.address:
        check_address(served.address)
    others = f"--address {served.address}" if served.address else f"--host {host}"
    if (served.address or not is_loopback(host)) and not users.any():
        raise UserError(
            f"{others} lets others reach photos and decisions, and there are no users yet; "
            f"reid-jax serve users add {served.folder} NAME --role admin makes one."
        )


def _hold(held: contextlib.ExitStack, gallery: Path) -> None:
    """Keeps other servers from a gallery, where it can be written to at all."""
    if not gallery.is_dir():
        return  # what is wrong with it is said where it is read
    try:
        lock = held.enter_context(try_lock(gallery / f"{LOCK}-served"))
    except OSError:
        return
    if lock is None:
        raise UserError(f"Another server serves the gallery {gallery}; end it, or open its page.")


def _open(site: Site, shelf: Shelf) -> None:
    site.desk = Desk(site.places, site.arrivals, shelf, site.log, site.numbers)
    site.shelf = shelf
    site.trainer = Trainer(site.places, shelf, site.log)


def _make(site: Site, served: Served) -> None:
    """Makes the gallery and opens it; in a thread, as the page is there already."""
    progress = site.making
    assert served.make is not None
    assert served.gallery is not None
    assert progress is not None
    try:
        served.make(site.places, site.arrivals, progress)
        _open(site, Shelf(served.gallery.absolute(), site.places.thumbnails))
        assert site.desk is not None
        site.desk.start()
        site.making = None
    except Exception as error:
        progress.failed = str(error) or type(error).__name__
        site.log.write("not made", error=type(error).__name__)


async def _nothing(scope: Scope, receive: Receive, send: Send) -> None:
    del scope, receive, send
    raise RefusedError(404, "There is no such page.")


def routes_of(
    site: Site, photos: PhotoRoutes, doubts: DoubtRoutes, users: Users, *, encrypted: bool
) -> list[Route]:
    """All routes of a site."""
    return [
        *photos.routes(),
        *BoxRoutes(site).routes(),
        *ReviewRoutes(site).routes(),
        *IndividualRoutes(site).routes(),
        *doubts.routes(),
        *ActRoutes(site).routes(),
        *TrainingRoutes(site).routes(),
        *DownloadRoutes(site).routes(),
        *ReportRoutes(site).routes(),
        *FilmRoutes(site).routes(),
        *ProgramRoutes(site, photos).routes(),
        *MachineRoutes(site).routes(),
        *SigningRoutes(site, users, encrypted=encrypted).routes(),
    ]


def application(
    site: Site,
    users: Users,
    hosts: Container[str],
    started: Callable[[], None],
    address: str,
    *,
    closed: bool,
) -> Guard:
    """The ASGI application of a site.

    Args:
      hosts: holds `host:port` under which it is known.
      started: is called when it is.
      address: of a proxy that stands before it, see `Served`.
      closed: whether everybody has to sign in, also where there are no users any more.
    """
    photos, doubts = PhotoRoutes(site), DoubtRoutes(site)
    routes = routes_of(site, photos, doubts, users, encrypted=address.startswith("https:"))

    @contextlib.asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        del app
        for worker in (site.desk, site.films, site.watched):
            if worker is not None:
                worker.start()
        started()
        try:
            yield
        finally:
            photos.close()
            doubts.close()
            if site.trainer is not None:
                site.trainer.close()
            for worker in (site.watched, site.desk, site.films):
                if worker is not None:
                    worker.close()

    router = Router(routes, redirect_slashes=False, default=_nothing, lifespan=lifespan)
    entrance = Entrance(Rights(routes), Tokens(site.places.tokens), users, closed=closed)
    return Guard(router, hosts, largest, entrance, site.error_page, site.log, site.numbers)


def _run(
    site: Site, served: Served, users: Users, listening: socket.socket, host: str, show: bool
) -> None:
    port = listening.getsockname()[1]
    address = f"http://{in_url(host)}:{port}/"
    hosts, closed = names_of(host, port, served.address), users.any()
    if served.make is not None:
        site.making = Progress("starting")

    def started() -> None:
        if served.make is not None:
            threading.Thread(target=_make, args=(site, served), daemon=True).start()
        print(f"{address}\nCtrl-C ends it; decisions and photos are kept.", flush=True)
        if not is_loopback(host) and not served.address.startswith("https:"):
            say("Passwords and photos travel unencrypted; a proxy with https keeps them private.")
        site.log.write("started", port=port)
        if show:
            threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()

    config = uvicorn.Config(
        application(site, users, hosts, started, served.address, closed=closed),
        http=_Protocol,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=5,
        h11_max_incomplete_event_size=32_768,
    )
    with contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listening])
    site.log.write("ended")
