"""What a server serves, and what all its routes share."""

import getpass
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from reid_jax.app.arrivals import Arrivals
from reid_jax.app.desk import Desk
from reid_jax.app.films import Films
from reid_jax.app.logs import Log, Numbers
from reid_jax.app.pages import page, version
from reid_jax.app.people.entrance import caller_of
from reid_jax.app.places import Places, shown_name
from reid_jax.app.reading.shelf import Shelf
from reid_jax.app.watched import Watched
from reid_jax.app.workers.training import Trainer

_WHO, _SEAT = "reid_jax_who", "reid_jax_seat"
_YEAR = 365 * 86400


@dataclass
class Progress:
    """How far a gallery is that is still being made.

    Attributes:
      words: what is done now.
      done, total: of it; no total where it is not known.
      failed: why there will be none.
    """

    words: str
    done: float = 0.0
    total: float = 0.0
    failed: str = ""
    numbers: list[list[float]] = field(default_factory=list)


@dataclass
class Site:
    """All that routes need.

    Attributes:
      title: what is served, as a person calls it.
      shelf, desk: the gallery and who works for it; None where none is served, or not yet.
      watched: who looks into a folder; None where none is watched.
      films: who works on films; None where they are not asked for.
      making: how far a gallery is that will be served; None where none is made.
      trainer: who trains on what people have said; None where no gallery is served.
    """

    title: str
    places: Places
    arrivals: Arrivals
    log: Log
    numbers: Numbers
    shelf: Shelf | None = None
    desk: Desk | None = None
    films: Films | None = None
    watched: Watched | None = None
    making: Progress | None = None
    trainer: Trainer | None = None

    @property
    def ready(self) -> bool:
        """Whether what was asked for can be used."""
        return self.making is None and (self.desk is None or self.desk.ready)

    def page(self, request: Request, template: str, facts: Mapping[str, Any]) -> HTMLResponse:
        """A page with what stands on each of them."""
        shared = {
            "title": self.title,
            "version": version(),
            "path": request.url.path,
            "who": who(request),
            "of_page": caller_of(request.scope).page,
            "galleries": self.desk is not None or self.making is not None,
            "videos": self.films is not None,
            "waiting": self.arrivals.numbers("photo").get("answered", 0),
            **facts,
        }
        response = HTMLResponse(page(template, shared))
        if not request.cookies.get(_SEAT):
            _keep(response, _SEAT, secrets.token_urlsafe(18))
        return response

    def error_page(self, status: int, sentence: str) -> str:
        """A page that says what went wrong."""
        rooms = {"galleries": self.desk is not None, "videos": self.films is not None}
        return page("error.html", {**self._bare, **rooms, "status": status, "sentence": sentence})

    def strangers_page(self, template: str, facts: Mapping[str, Any]) -> HTMLResponse:
        """A page that says nothing of what is here."""
        return HTMLResponse(page(template, {**self._bare, **facts}))

    @property
    def _bare(self) -> dict[str, Any]:
        nothing = {"path": "", "who": "", "of_page": "", "waiting": 0}
        rooms = {"galleries": False, "videos": False}
        return {"title": self.title, "version": version(), **nothing, **rooms}


def who(request: Request) -> str:
    """Who asks: a user, a token, or who they say that they are, else who started the server."""
    if name := caller_of(request.scope).name:
        return name
    said = shown_name(unquote(request.cookies.get(_WHO, "")))
    if said != "without a name":
        return said
    try:
        return os.environ.get("REID_JAX_WHO") or getpass.getuser()
    except (OSError, KeyError):
        return "reviewer"


def keep_who(response: Response, name: str) -> None:
    """Remembers who is in front of the page."""
    _keep(response, _WHO, quote(shown_name(name)))


def seat(request: Request) -> str:
    """Names a browser, so that two never get the same photo; others are told apart by address."""
    client = request.client.host if request.client else ""
    return request.cookies.get(_SEAT, "")[:64] or f"at {client}"


def _keep(response: Response, name: str, value: str) -> None:
    response.set_cookie(name, value, max_age=_YEAR, httponly=True, samesite="strict", path="/")
