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
    found = shared_digests(paths, shares)
    digests = {path: each for path, each in zip(paths, found, strict=True) if each}
    return {path: digests.get(path, "") for path in distinct(paths, digests)}


def shared_digests(paths: Sequence[Path], shares: Shares) -> list[str]:
    """The digest of each film, empty where it cannot be read."""

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
    return [str(piece["digest"]) for piece in pieces]


def collect_films(
    shares: Shares,
    films: Sequence[tuple[Path, str]],
    asked: dict[str, Any],
    make: Callable[[int, Path], Piece],
) -> list[Piece]:
    """What `make` makes of each film, by its number and path; of one that it refuses, `PROBLEM`.

    The command ends here for all processes but the first.

    Args:
      films: paths and digests.
      asked: what else the result follows from.
    """
    paths, digests = [path for path, _ in films], [each for _, each in films]

    def work(own: Sequence[int]) -> Iterator[Piece]:
        return made_of_each(paths, make, own)

    asked = asked | {"the films": _names(paths), "their content": _names(digests)}
    pieces = shares.collect(asked, len(paths), work, description="films", unit="films")
    for number, piece in enumerate(pieces):
        if PROBLEM in piece:  # which the next time may be none
            shares.forget(number)
    return pieces


def made_of_each(
    paths: Sequence[Path], make: Callable[[int, Path], Piece], own: Sequence[int] | None = None
) -> Iterator[Piece]:
    """What `make` makes of each film, or of those with some numbers; see `collect_films`."""
    for number in range(len(paths)) if own is None else own:
        try:
            yield make(number, paths[number])
        except (UserError, OSError) as error:
            yield {PROBLEM: np.array(as_text(error))}


def _names(names: Any) -> str:
    return digest(np.array([as_text(name) for name in names], np.str_))
