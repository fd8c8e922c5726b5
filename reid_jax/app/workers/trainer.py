"""The child program that trains on what people have said, and embeds the gallery by what it made.

Training, comparing and taking over are requests of their own, so that a person decides between.
"""

import dataclasses
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reid_jax import configurations
from reid_jax.app.workers.answering import Request, Tell, answer_requests
from reid_jax.app.workers.demo_maker import losses
from reid_jax.compilations import keep_compilations
from reid_jax.individuals.gallery.anew import words
from reid_jax.individuals.gallery.anew.reembed import Reembedded, reembed
from reid_jax.meanwhile import every
from reid_jax.questions import train

_LOOK = 1.0  # seconds


def _answer(request: Request, tell: Tell) -> Request:
    """Trains `run` on `gallery` for some `minutes` and compares; or takes its embeddings over.

    Raises:
      UserError: there is too little to train on, or the gallery refuses.
      SystemExit: it was asked to end while it trained; what it has learnt is saved.
    """
    gallery, run = Path(request["gallery"]), Path(request["run"])
    if request["do"] == "take":
        tell({"words": "the new embeddings take their place"})
        return _facts(reembed(gallery, run, who=request["who"]))
    with _watching(run, 60.0 * request["minutes"], tell):
        _train(gallery, run, request["minutes"])
    if not (run / "report" / "index.html").is_file():
        sys.exit(0)
    tell({"words": "all photos are embedded by it and both are compared"})
    return _facts(reembed(gallery, run, take="before"))


def _train(gallery: Path, run: Path, minutes: float) -> None:
    config = configurations.get("recipe")
    data = dataclasses.replace(config.data, source=f"gallery:{gallery}")
    train(dataclasses.replace(config, data=data, minutes=minutes), run)


@contextmanager
def _watching(run: Path, seconds: float, tell: Tell) -> Iterator[None]:
    """Tells how much of the time is over and the losses as they are written.

    It saves and ends where the server is no longer there.
    """
    started, server = time.monotonic(), os.getppid()

    def look() -> None:
        if os.getppid() != server:
            signal.raise_signal(signal.SIGTERM)
        done = min(time.monotonic() - started, seconds)
        found = losses(run / "metrics.jsonl")
        what = "a network learns" if found else "photos are counted, and how fast it learns here"
        if done == seconds:  # on a machine with other work
            tell({"words": "the time is over, and it comes to an end", "numbers": found})
        else:
            tell({"words": what, "done": done, "total": seconds, "numbers": found})

    with every(_LOOK, look):
        yield


def _facts(done: Reembedded) -> Request:
    compared = done.compared
    if compared is None:
        return {"about": "", "rows": [], "sentences": [], "gone": words.gone_lines(done)}
    return {
        "about": words.about(compared),
        "rows": [
            [name, *words.numbers(found)]
            for name, found in (("as it is", compared.before), ("the new one", compared.new))
        ],
        "sentences": [each.sentence for each in compared.differences],
        "gone": words.gone_lines(done),
    }


if __name__ == "__main__":
    keep_compilations()
    answer_requests(_answer)
