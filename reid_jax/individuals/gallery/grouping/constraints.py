"""What is known of pairs of photos before they are compared: boxes, bursts, names."""

import collections
from collections.abc import Iterable, Sequence
from itertools import combinations

import numpy as np

from reid_jax.data.crops import whole_and_box
from reid_jax.data.names import is_nobody

NOBODY = -1


def named(identities: Sequence[str]) -> np.ndarray:
    """``(N,)`` int64, equal for photos of one name; :data:`NOBODY` where the name says so."""
    numbers: dict[str, int] = {}
    return np.array(
        [
            NOBODY if is_nobody(name) else numbers.setdefault(name, len(numbers))
            for name in identities
        ],
        np.int64,
    )


def of_one_photo(paths: Sequence[str]) -> np.ndarray:
    """``(A, 2)`` rows that are parts of one photo: it shows two animals."""
    rows = collections.defaultdict(list)
    for row, path in enumerate(paths):
        rows[whole_and_box(path)[0]].append(row)
    return _pairs(combinations(each, 2) for each in rows.values())


def copies(digests: np.ndarray, paths: Sequence[str]) -> np.ndarray:
    """``(T, 2)`` rows of whole photos whose files hold the same: each with the one before it.

    Args:
      digests: ``(N,)`` of the files, "" where it is not known.
    """
    last: dict[str, int] = {}
    pairs = []
    for row, digest in enumerate(digests.tolist()):
        if digest and whole_and_box(paths[row])[1] is None:
            pairs += [(last[digest], row)] if digest in last else []
            last[digest] = row
    return _pairs([pairs])


def in_a_burst(
    dates: np.ndarray, cameras: np.ndarray, paths: Sequence[str], seconds: float
) -> np.ndarray:
    """``(T, 2)`` photos of one burst: each was taken at most so many seconds after the one before.

    Photos without a time of day are in none, and those of two cameras in no common one. Parts of
    one photo are no pair.

    Args:
      dates: ``(N,)`` datetime64[s], NaT where there is none.
      cameras: ``(N,)`` str, "" where it is not known.
    """
    moments = dates.astype("datetime64[s]")
    timed = ~np.isnat(moments) & (moments != moments.astype("datetime64[D]"))
    order = np.lexsort((moments, cameras))
    order = order[timed[order]]
    gaps = np.diff(moments[order]).astype(np.float64)
    apart = (gaps > seconds) | (gaps < 0) | (cameras[order][1:] != cameras[order][:-1])
    bursts = np.split(order, np.flatnonzero(apart) + 1)
    wholes = [whole_and_box(path)[0] for path in paths]
    return _pairs(
        (pair for pair in combinations(burst.tolist(), 2) if wholes[pair[0]] != wholes[pair[1]])
        for burst in bursts
    )


def _pairs(each: Iterable[Iterable[tuple[int, int]]]) -> np.ndarray:
    found = [pair for pairs in each for pair in pairs]
    return np.array(found, np.int64).reshape(-1, 2)
