"""Photos that say little beside each other: copies, the same picture, shots of one moment."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from reid_jax.console import Bar
from reid_jax.data.parallel import parallel_map
from reid_jax.data.photos import Dataset
from reid_jax.data.photos.checks import LOOK
from reid_jax.data.photos.content import pixel_names
from reid_jax.individuals.gallery.mending.duplicates import (
    ALIKE,
    DETAIL,
    MOST_DIFFERENT,
    local_difference,
)
from reid_jax.individuals.gallery.pictures import centred
from reid_jax.individuals.kept import Kept, named

Groups = tuple[tuple[int, ...], ...]
BURST_SECONDS = 10.0
BURST_ALIKE = 0.9
"""Correlation of two photos of one individual at 24 pixels, above which they are taken for shots of
one moment. Of the 94 such pairs of turtles, 88 are of one day; above 0.8, 366 of 477."""

_BLOCK = 512  # photos that are compared with all others at a time
_NEIGHBOURS = 5  # a photo's most alike ones that are looked at closer


def copies(digests: np.ndarray) -> Groups:
    """Photos of the same content, two or more a group.

    Args:
      digests: ``(N,)``, see :func:`reid_jax.data.photos.content.content_digests`.
    """
    codes = np.unique(digests, return_inverse=True)[1].reshape(-1)
    return _grouped(codes)


def _grouped(codes: np.ndarray) -> Groups:
    order = np.argsort(codes, kind="stable")
    starts = np.flatnonzero(np.diff(codes[order])) + 1
    return tuple(tuple(part.tolist()) for part in np.split(order, starts) if len(part) > 1)


def small_pictures(dataset: Dataset, looks: Mapping[str, np.ndarray]) -> np.ndarray:
    """``(N, 576)`` float32: each photo at 24 pixels in grey, of mean 0 and length 1.

    Those of files are kept for the next time.

    Args:
      dataset: the photos.
      looks: some of them as they were seen already, see `checks.looking`.

    Raises:
      UserError: a photo can no longer be read.
    """
    maker, shape = named("small pictures", LOOK), (LOOK, LOOK, 1)
    kept = Kept(maker, pixel_names(dataset), len(dataset), np.uint8, shape)
    missing = np.flatnonzero(kept.missing)

    def make() -> np.ndarray:
        seen = [looks.get(path) for path in dataset.paths[missing].tolist()]
        rest = missing[[each is None for each in seen]]
        others = iter(dataset.load(rest, LOOK, 1, progress="Looking at photos"))
        return np.stack([next(others) if each is None else each for each in seen])

    return np.stack([centred(each) for each in kept.filled(make)])


def near_duplicates(
    dataset: Dataset, small: np.ndarray, digests: np.ndarray
) -> tuple[tuple[int, int], ...]:
    """Pairs of photos that show the same picture in another size or compression; no copies.

    They are compared as those of a gallery are: at 24 pixels, then place by place at 96.

    Args:
      small: see :func:`small_pictures`.
      digests: ``(N,)`` of their contents.
    """
    near = [pair for pair in _most_alike(small) if digests[pair[0]] != digests[pair[1]]]
    looked = sorted({row for pair in near for row in pair})
    large = dataset.load(np.array(looked, np.int64), DETAIL, 1, progress="Comparing photos")
    detail = {row: centred(pixels) for row, pixels in zip(looked, large, strict=True)}
    differences = parallel_map(
        lambda pair: local_difference(detail[pair[0]], detail[pair[1]]), near, "Comparing photos"
    )
    same = zip(near, differences, strict=True)
    return tuple(pair for pair, difference in same if difference <= MOST_DIFFERENT)


def _most_alike(small: np.ndarray) -> list[tuple[int, int]]:
    found: set[tuple[int, int]] = set()
    bar = Bar("Comparing photos", len(small), "photos")
    for start, alike in _blocks(small):
        rows = np.arange(start, start + len(alike))
        alike[np.arange(len(alike)), rows] = -1.0
        kept = min(_NEIGHBOURS, len(small))
        most = np.argpartition(-alike, kept - 1, axis=1)[:, :kept]
        close = np.take_along_axis(alike, most, axis=1) >= ALIKE
        for row, column in zip(np.repeat(rows, close.sum(axis=1)), most[close], strict=True):
            found.add((min(int(row), int(column)), max(int(row), int(column))))
        bar.update(start)
    bar.close()
    return sorted(found)


def _blocks(small: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    for start in range(0, len(small), _BLOCK):
        yield start, small[start : start + _BLOCK] @ small.T


def bursts(
    labels: np.ndarray, dates: np.ndarray | None, small: np.ndarray, seconds: float
) -> Groups:
    """Photos of one individual that are likely shots of one moment, two or more a group.

    Where both photos of a pair have a time of day, they are at most `seconds` apart. Else they look
    alike, and are of one day where days are known. Pairs are joined to groups.

    Args:
      labels: ``(N,)`` individuals.
      dates: ``(N,)`` datetime64[s], NaT where there is none; None without any.
      small: see :func:`small_pictures`.
      seconds: between two shots.
    """
    taken = np.full(len(labels), np.datetime64("NaT", "s")) if dates is None else dates
    moment = taken.astype("datetime64[s]")
    day = moment.astype("datetime64[D]")
    timed = ~np.isnat(moment) & (moment != day)
    first = np.arange(len(labels))
    for rows in _grouped(labels):
        for one, other in _pairs_of_one(np.array(rows), moment, day, timed, small, seconds):
            _join(first, one, other)
    return _grouped(np.array([_first(first, row) for row in range(len(labels))]))


def _pairs_of_one(
    rows: np.ndarray,
    moment: np.ndarray,
    day: np.ndarray,
    timed: np.ndarray,
    small: np.ndarray,
    seconds: float,
) -> Iterator[tuple[int, int]]:
    shot = rows[timed[rows]]
    shot = shot[np.argsort(moment[shot], kind="stable")]
    gaps = np.diff(moment[shot]).astype("timedelta64[s]").astype(np.float64)
    for place in np.flatnonzero(gaps <= seconds):
        yield int(shot[place]), int(shot[place + 1])
    for start in range(0, len(rows), _BLOCK):
        some = rows[start : start + _BLOCK]
        alike = small[some] @ small[rows].T >= BURST_ALIKE
        unknown = np.isnat(day[some])[:, None] | np.isnat(day[rows])[None]
        alike &= unknown | (day[some][:, None] == day[rows][None])
        alike &= ~(timed[some][:, None] & timed[rows][None])
        for one, other in np.argwhere(alike):
            yield int(some[one]), int(rows[other])


def _first(first: np.ndarray, row: int) -> int:
    while first[row] != row:
        first[row] = first[first[row]]
        row = int(first[row])
    return row


def _join(first: np.ndarray, one: int, other: int) -> None:
    a, b = sorted((_first(first, one), _first(first, other)))
    first[b] = a


def moments(
    number: int, groups: Sequence[Sequence[int]], pairs: Sequence[tuple[int, int]]
) -> np.ndarray:
    """``(N,)`` int64, equal for photos that a group or a pair joins."""
    first = np.arange(number)
    for group in groups:
        for row in group[1:]:
            _join(first, int(group[0]), int(row))
    for one, other in pairs:
        _join(first, one, other)
    return np.array([_first(first, row) for row in range(number)], np.int64)
