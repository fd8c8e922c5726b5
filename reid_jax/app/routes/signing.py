"""Signing in and out, passwords, and who else may sign in."""

import threading
from typing import cast
from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from reid_jax.app.people.entrance import SHOWN, Caller, caller_of
from reid_jax.app.people.rights import ROLES, Role
from reid_jax.app.people.users import LONGEST, SHORTEST, NotSignedInError, Users, same_name
from reid_jax.app.refusals import RefusedError
from reid_jax.app.routes.bodies import read_json, text_of
from reid_jax.app.site import Site

_AT_ONCE = 8  # that wait to be let in
_KEPT = 90 * 86_400  # seconds


class SigningRoutes:
    """Routes by which people come and go.

    Args:
      encrypted: whether browsers reach the server by https alone.
    """

    def __init__(self, site: Site, users: Users, *, encrypted: bool) -> None:
        self._site, self._users, self._encrypted = site, users, encrypted
        self._waiting = threading.BoundedSemaphore(_AT_ONCE)

    def routes(self) -> list[Route]:
        """All of them."""
        return [
            Route("/sign-in", self.page),
            Route("/v1/session", self.sign_in, methods=["POST"]),
            Route("/v1/session", self.sign_out, methods=["DELETE"]),
            Route("/you", self.you),
            Route("/v1/me/password", self.own_password, methods=["POST"]),
            Route("/v1/users", self.add, methods=["POST"]),
            Route("/v1/users", self.remove, methods=["DELETE"]),
            Route("/v1/users/password", self.password, methods=["POST"]),
        ]

    def page(self, request: Request) -> Response:
        """Asks for a name and a password."""
        facts = {"after": _ours(request.query_params.get("after", ""))}
        return self._site.strangers_page("sign_in.html", facts)

    async def sign_in(self, request: Request) -> Response:
        """Lets somebody in: {"name": ..., "password": ...}."""
        body = await read_json(request)
        name, password = text_of(body, "name"), text_of(body, "password", LONGEST)
        return await run_in_threadpool(self._sign_in, name, password)

    def _sign_in(self, name: str, password: str) -> Response:
        if not self._waiting.acquire(blocking=False):
            raise RefusedError(429, "Too many people sign in at this moment; try again.")
        try:
            shown, session = self._users.sign_in(name, password)
        except NotSignedInError as error:
            self._site.numbers.event("sign_ins_refused")
            self._site.log.write("sign-in refused")
            raise RefusedError(403, str(error)) from error
        finally:
            self._waiting.release()
        self._site.numbers.event("sign_ins")
        response = JSONResponse({"name": session.user.name, "role": session.user.role})
        response.set_cookie(
            SHOWN,
            shown,
            max_age=_KEPT,
            httponly=True,
            samesite="lax",
            secure=self._encrypted,
            path="/",
        )
        return response

    def sign_out(self, request: Request) -> Response:
        """Whoever is signed in is so no more."""
        if not caller_of(request.scope).page:
            raise RefusedError(409, "Nobody is signed in here.")
        self._users.sign_out(request.cookies.get(SHOWN, ""))
        response = JSONResponse({})
        response.delete_cookie(SHOWN, path="/")
        return response

    def you(self, request: Request) -> Response:
        """Who is signed in; for an admin all users, too."""
        caller = _signed_in(request)
        users = self._users.all() if "manage" in caller.may else []
        shown = {"users": users, "roles": ROLES, "shortest": SHORTEST}
        return self._site.page(request, "you.html", shown)

    async def own_password(self, request: Request) -> Response:
        """Changes the password of who is signed in: {"old": ..., "new": ...}; signs them out."""
        name, body = _signed_in(request).name, await read_json(request)
        old, new = text_of(body, "old", LONGEST), text_of(body, "new", LONGEST)
        await run_in_threadpool(self._sign_in, name, old)
        await run_in_threadpool(self._users.set_password, name, new)
        return JSONResponse({})

    async def add(self, request: Request) -> Response:
        """Adds a user: {"name": ..., "role": ..., "password": ...}."""
        body = await read_json(request)
        name, role = text_of(body, "name"), text_of(body, "role")
        if role not in ROLES:
            raise RefusedError(422, f"A role is one of: {', '.join(ROLES)}.")
        password = text_of(body, "password", LONGEST)
        await run_in_threadpool(self._users.add, name, cast(Role, role), password)
        return JSONResponse({"name": name}, 201)

    async def password(self, request: Request) -> Response:
        """Gives a user another password: {"name": ..., "password": ...}."""
        body = await read_json(request)
        name, password = text_of(body, "name"), text_of(body, "password", LONGEST)
        await run_in_threadpool(self._users.set_password, name, password)
        return JSONResponse({"name": name})

    def remove(self, request: Request) -> Response:
        """Takes a user away, who is called `name`."""
        name = request.query_params.get("name", "")
        if same_name(name, caller_of(request.scope).name):
            raise RefusedError(409, "That is you; another admin may take you away.")
        self._users.remove(name)
        return JSONResponse({"name": name})


def _signed_in(request: Request) -> Caller:
    caller = caller_of(request.scope)
    if not caller.page:
        raise RefusedError(404, "Nobody has to sign in here.")
    return caller


def _ours(after: str) -> str:
    """A page of this server, to go to; the first one for anything else."""
    try:
        parts = urlsplit(after)
    except ValueError:
        return "/"
    odd = "\\" in after or not after.isprintable() or after.startswith("//")
    return after if after.startswith("/") and not odd and not parts.netloc else "/"
