"""Films that several processes share: their digests first, then whatever is made of each."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from reid_jax.data.videos.named import distinct, video_digest
from reid_jax.errors import UserError
from reid_jax.files import as_text
from reid_jax.training.hosts.agreement import digest
from reid_jax.training.hosts.shares import Piece, Shares

PROBLEM = "problem"


def shared_films(paths: Sequence[Path], shares: Shares) -> dict[Path, str]:
    """The distinct ones of some films, see `named.distinct`, with their digests, in order.

    The digest of what does not exist is empty.
    """

    def work(own: Sequence[int]) -> Iterator[Piece]:
        for number in own:
            try:
                yield {"digest": np.array(video_digest(paths[number]))}
            except OSError:  # `distinct` says so
                yield {"digest": np.array("")}

    asked = {"the films": _names(paths)}
    pieces = shares.collect(
        *(asked, len(paths), work), description="Reading films", unit="films", last=False
    )
    found = [str(piece["digest"]) for piece in pieces]
    digests = {path: each for path, each in zip(paths, found, strict=True) if each}
    return {path: digests.get(path, "") for path in distinct(paths, digests)}


def collect_films(
    shares: Shares,
    films: dict[Path, str],
    asked: dict[str, Any],
    make: Callable[[int, Path], Piece],
) -> list[Piece]:
    """What `make` makes of each film, by its number and path; of one that it refuses, `PROBLEM`.

    The command ends here for all processes but the first.

    Args:
      films: digests by path.
      asked: what else the result follows from.
    """
    paths = list(films)

    def work(own: Sequence[int]) -> Iterator[Piece]:
        for number in own:
            try:
                yield make(number, paths[number])
            except (UserError, OSError) as error:
                yield {PROBLEM: np.array(as_text(error))}

    asked = asked | {"the films": _names(paths), "their content": _names(films.values())}
    pieces = shares.collect(asked, len(paths), work, description="films", unit="films")
    for number, piece in enumerate(pieces):
        if PROBLEM in piece:  # which the next time may be none
            shares.forget(number)
    return pieces


def _names(names: Any) -> str:
    return digest(np.array([as_text(name) for name in names], np.str_))
