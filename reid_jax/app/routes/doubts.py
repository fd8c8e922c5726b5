"""Routes by which names are gone through that are worth a look."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from reid_jax.app.reading.doubts import Doubts
from reid_jax.app.refusals import RefusedError
from reid_jax.app.site import Site


class DoubtRoutes:
    """Routes about doubts."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._doubts: Doubts | None = None

    def close(self) -> None:
        """Ends who looks for them."""
        if self._doubts is not None:
            self._doubts.close()

    def routes(self) -> list[Route]:
        """All of them."""
        return [Route("/check", self.page), Route("/v1/doubts", self.listed)]

    @property
    def _found(self) -> Doubts:
        site = self._site
        if site.shelf is None:
            raise RefusedError(404, "There is no gallery yet.")
        if self._doubts is None:
            self._doubts = Doubts(site.shelf, site.places, site.log)
        return self._doubts

    def page(self, request: Request) -> Response:
        """Two photos at a time, and whether they are of one."""
        _ = self._found
        return self._site.page(request, "check.html", {})

    def listed(self, request: Request) -> Response:
        """What is open, worth the most first; `again` looks anew."""
        again = request.query_params.get("again") == "1"
        return JSONResponse(self._found.listed(again=again))
