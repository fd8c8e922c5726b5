"""Training on what people have said: begun, watched, taken over or refused."""

from dataclasses import asdict
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from reid_jax.app.routes.bodies import read_json, text_of
from reid_jax.app.safety import RefusedError
from reid_jax.app.site import Site, who
from reid_jax.app.workers.training import LEAST, MOST, Trainer
from reid_jax.errors import UserError


class TrainingRoutes:
    """Routes about the one training of a server."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[Route]:
        """All of them."""
        return [
            Route("/training", self.training),
            Route("/v1/training", self.state),
            Route("/v1/training", self.act, methods=["POST"]),
        ]

    @property
    def _trainer(self) -> Trainer:
        if self._site.trainer is None:
            raise RefusedError(404, "There is no gallery yet.")
        return self._site.trainer

    def training(self, request: Request) -> Response:
        """The page."""
        facts = {"least": int(LEAST), "most": int(MOST), "now": self._trainer.now}
        return self._site.page(request, "training.html", facts)

    def state(self, request: Request) -> Response:
        """How far it is, as JSON."""
        del request
        return JSONResponse(asdict(self._trainer.now))

    async def act(self, request: Request) -> Response:
        """{"do": "begin", "minutes": N}, or "go on", "stop", "take", "refuse", "back"."""
        body = await read_json(request)
        return await run_in_threadpool(self._act, body, who(request))

    def _act(self, body: dict[str, Any], person: str) -> Response:
        trainer, word = self._trainer, text_of(body, "do", 20)
        try:
            if word == "begin":
                trainer.begin(_minutes(body), person)
            elif word == "go on":
                trainer.go_on()
            elif word == "stop":
                trainer.stop()
            elif word == "take":
                trainer.take(person)
            elif word == "refuse":
                trainer.refuse()
            elif word == "back":
                trainer.back(person)
            else:
                raise RefusedError(422, "Say what to do: begin, go on, stop, take, refuse or back.")
        except UserError as error:
            raise RefusedError(409, str(error)) from error
        return JSONResponse(asdict(trainer.now))


def _minutes(body: dict[str, Any]) -> float:
    value = body.get("minutes")
    if isinstance(value, bool) or not isinstance(value, int | float) or not value == value:
        raise RefusedError(422, "Say for how many minutes.")
    return float(value)
