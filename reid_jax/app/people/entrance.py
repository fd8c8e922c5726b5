"""Whose request it is, and whether they may ask for it."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.types import Scope

from reid_jax.app.people.rights import ALL, OF_ROLES, OF_SCOPES, Right, Rights
from reid_jax.app.people.users import Users
from reid_jax.app.refusals import RefusedError
from reid_jax.app.tokens import Tokens

SHOWN = "reid_jax_session"
"""The cookie of a browser in which somebody is signed in."""

OF_PAGE = "x-reid-jax-page"
"""The header by which a page of this server says that it is one."""

_READING = ("GET", "HEAD")
_SENTENCES: dict[str, str] = {
    "look": "Sign in to see this.",
    "drop": "You may look here, not bring photos; ask an admin.",
    "decide": "You may look here, not decide; ask an admin.",
    "manage": "An admin alone may do this.",
}


@dataclass(frozen=True)
class Caller:
    """Who asks.

    Attributes:
      name: of a user or a token; "" where nobody has to sign in.
      may: what they may do.
      page: see `Session`; "" for who is not signed in.
    """

    name: str
    may: frozenset[Right]
    page: str = ""


class Entrance:
    """Lets requests in.

    Args:
      rights: that routes ask for.
      tokens, users: who is known. Once there is a user everybody has to sign in.
      closed: whether they have to in any case.
    """

    def __init__(self, rights: Rights, tokens: Tokens, users: Users, *, closed: bool) -> None:
        self._rights, self._tokens, self._users = rights, tokens, users
        self._closed = closed

    def check(self, scope: Scope, headers: Headers) -> None:
        """Writes down who asks, in the request's state as "caller".

        Raises:
          RefusedError: nobody knows them, or they may not ask for this.
        """
        right = self._rights.of(scope)
        caller = self._caller(scope, headers, right)
        if right not in caller.may:
            if caller.name:
                raise RefusedError(403, _SENTENCES[right])
            raise RefusedError(401, _SENTENCES["look"])
        scope.setdefault("state", {})["caller"] = caller

    def _caller(self, scope: Scope, headers: Headers, right: Right) -> Caller:
        shown = headers.getlist("authorization")
        if shown:
            kind, _, token = shown[0].partition(" ")
            known = self._tokens.known(token.strip()) if kind.lower() == "bearer" else None
            if known is None or len(shown) > 1:
                raise RefusedError(401, "This token is not known.")
            return Caller(known["name"], OF_SCOPES[known["scope"]])
        cookie = cookie_parser(headers.get("cookie", "")).get(SHOWN, "")
        session = self._users.session(cookie) if cookie else None
        if session is None:
            open_to_all = not self._closed and not self._users.any()
            return Caller("", ALL if open_to_all else frozenset(("anyone",)))
        said = headers.get(OF_PAGE, "").encode("utf-8", "replace")
        writes = scope["method"] not in _READING and right != "anyone"
        if writes and not secrets.compare_digest(said, session.page.encode()):
            raise RefusedError(403, "This page is of an earlier sign-in; load it again.")
        return Caller(session.user.name, OF_ROLES[session.user.role], session.page)


def caller_of(scope: Mapping[str, Any]) -> Caller:
    """Who asks, as the entrance has found it."""
    found: Caller = scope["state"]["caller"]
    return found
