"""Which right each route asks for, and which rights a role or the scope of a token gives.

A route that does not stand here asks for the most.
"""

from collections.abc import Sequence
from typing import Literal

from starlette.routing import Match, Route
from starlette.types import Scope

Right = Literal["anyone", "look", "drop", "decide", "manage"]
"""Nothing at all; to see photos; to bring some; to say who they show; to change the server."""

Role = Literal["reader", "reviewer", "admin"]
ROLES: tuple[Role, ...] = ("reader", "reviewer", "admin")

ALL: frozenset[Right] = frozenset(("anyone", "look", "drop", "decide", "manage"))
OF_ROLES: dict[Role, frozenset[Right]] = {
    "reader": frozenset(("anyone", "look")),
    "reviewer": frozenset(("anyone", "look", "drop", "decide")),
    "admin": ALL,
}
OF_SCOPES: dict[str, frozenset[Right]] = {
    "read": frozenset(("anyone", "look", "drop")),
    "decide": frozenset(("anyone", "look", "drop", "decide")),
}

ROUTES: dict[tuple[str, str], Right] = {
    ("GET", "/healthz"): "anyone",
    ("GET", "/readyz"): "anyone",
    ("GET", "/static/{version}/{name}"): "anyone",
    ("GET", "/sign-in"): "anyone",
    ("POST", "/v1/session"): "anyone",
    ("DELETE", "/v1/session"): "look",
    ("GET", "/you"): "look",
    ("POST", "/v1/me/password"): "look",
    ("POST", "/v1/users"): "manage",
    ("DELETE", "/v1/users"): "manage",
    ("POST", "/v1/users/password"): "manage",
    ("GET", "/"): "look",
    ("GET", "/docs"): "look",
    ("GET", "/openapi.json"): "look",
    ("GET", "/metrics"): "look",
    ("GET", "/v1/state"): "look",
    ("POST", "/v1/me"): "look",
    ("GET", "/pictures/{size}/{id}"): "look",
    ("GET", "/v1/photos"): "look",
    ("POST", "/v1/photos"): "drop",
    ("DELETE", "/v1/photos/{id}"): "decide",
    ("POST", "/v1/identify"): "drop",
    ("GET", "/review"): "look",
    ("GET", "/v1/review/next"): "look",
    ("GET", "/v1/review/{id}"): "look",
    ("POST", "/v1/review/{id}"): "decide",
    ("DELETE", "/v1/review/{id}"): "decide",
    ("POST", "/v1/review/{id}/box"): "decide",
    ("DELETE", "/v1/review/{id}/box"): "decide",
    ("GET", "/v1/gallery/box"): "look",
    ("POST", "/v1/gallery/box"): "decide",
    ("GET", "/check"): "look",
    ("GET", "/v1/doubts"): "look",
    ("GET", "/individuals"): "look",
    ("GET", "/individual"): "look",
    ("GET", "/v1/individuals"): "look",
    ("GET", "/v1/export/{kind}"): "look",
    ("GET", "/v1/individual"): "look",
    ("GET", "/reports"): "look",
    ("GET", "/v1/reports/sureness"): "look",
    ("GET", "/v1/reports/catches"): "look",
    ("GET", "/v1/reports/catches.csv"): "look",
    ("GET", "/v1/reports/population"): "look",
    ("GET", "/v1/reports/encounters.csv"): "look",
    ("GET", "/v1/reports/encounters.inp"): "look",
    ("GET", "/v1/reports/occasions.csv"): "look",
    ("GET", "/v1/reports/left-out.csv"): "look",
    ("GET", "/v1/gallery/history"): "look",
    ("POST", "/v1/gallery/{act}"): "decide",
    ("GET", "/training"): "look",
    ("GET", "/v1/training"): "look",
    ("POST", "/v1/training"): "manage",
    ("GET", "/films"): "look",
    ("GET", "/films/{id}"): "look",
    ("GET", "/films/{id}/frames/{number:int}"): "look",
    ("GET", "/films/{id}/offered/{frame:int}"): "look",
    ("GET", "/films/{id}/with/{other}/{number:int}/{side}"): "look",
    ("GET", "/v1/films/{id}/choice"): "look",
    ("POST", "/v1/films/{id}/choice"): "decide",
    ("GET", "/films/{id}/{file}"): "look",
    ("GET", "/v1/films"): "look",
    ("POST", "/v1/films"): "drop",
    ("POST", "/v1/films/compare"): "drop",
}


class Rights:
    """Finds the right that a request needs, by the route that will answer it."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self._routes = routes

    def of(self, scope: Scope) -> Right:
        """The right; where no route is, that to look, so that strangers learn of none."""
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        for route in self._routes:
            if route.matches(scope)[0] is Match.FULL:
                return ROUTES.get((method, route.path), "manage")
        return "look"
