"""Pairs of photos that are compared: each photo with its nearest, never all with all."""

from dataclasses import dataclass, field, replace
from typing import Any

import jax
import numpy as np

from reid_jax.console import Bar
from reid_jax.individuals.evidence.local import Local
from reid_jax.individuals.evidence.search import compare_photos
from reid_jax.individuals.search import gallery_search
from reid_jax.individuals.sides import other_sides
from reid_jax.ops.batching import blocks
from reid_jax.ops.ranking.individuals import similarities
from reid_jax.ops.ranking.matching import is_known

NEAREST = 50
"""With so many photos each photo is compared."""

_BLOCK = 1024  # photos whose nearest are looked for at a time
_DRAWN = 1_000  # pairs drawn at random


@dataclass(frozen=True)
class Near:
    """E pairs of N photos, each once.

    Attributes:
      number: N.
      pairs: ``(E, 2)`` int64 rows, the first below the second.
      network: ``(E,)`` float32 similarities by the network.
      drawn: ``(R,)`` float32 likewise, of pairs drawn at random.
      agreement: ``(E,)`` float32 by local features, see `compare_photos`; None without any.
      drawn_agreement: ``(R,)`` float32 likewise, of the pairs drawn at random.
      drawn_pairs: ``(R, 2)`` int64 rows, these pairs.
    """

    number: int
    pairs: np.ndarray
    network: np.ndarray
    drawn: np.ndarray
    agreement: np.ndarray | None = None
    drawn_agreement: np.ndarray | None = None
    drawn_pairs: np.ndarray = field(default_factory=lambda: np.zeros((0, 2), np.int64))


def nearest(
    embeddings: Any, metric: str, number: int = NEAREST, *, sides: np.ndarray | None = None
) -> Near:
    """Each photo with those that the network finds most alike; exact, in blocks.

    Args:
      embeddings: ``(N, D)`` float.
      metric: "cosine" or "euclidean".
      number: of others, for each.
      sides: ``(N,)`` texts, empty where not known; photos of two sides are no pair. None for one.
    """
    count = len(embeddings)
    sides = np.full(count, "") if sides is None else sides
    search = gallery_search(embeddings, np.zeros(count, np.int32), metric)
    itself = np.arange(count)
    first, second, alike = [], [], []
    with Bar("Looking for the nearest", count, "photos") as bar:
        for block in blocks(count, _BLOCK):
            queries = np.asarray(embeddings[block], np.float32)
            apart = [(itself[block], itself), *other_sides(sides[block], sides)]
            scores, rows = search.photos_like(queries, number, apart)
            there = rows >= 0
            first.append(np.repeat(itself[block], there.sum(axis=1)))
            second.append(rows[there])
            alike.append(scores[there])
            bar.update(block.stop)
    ends = np.sort(np.stack([np.concatenate(first), np.concatenate(second)], axis=1), axis=1)
    _, once = np.unique(ends[:, 0] * count + ends[:, 1], return_index=True)
    random = _drawn(count)
    random = random[_of_one_side(*sides[random.T])]
    one, other = (np.asarray(embeddings[rows], np.float32) for rows in random.T)
    drawn = jax.vmap(lambda a, b: similarities(a[None], b[None], metric)[0, 0])(one, other)
    network = np.concatenate(alike)[once]
    return Near(count, ends[once], network, np.asarray(drawn), drawn_pairs=random)


def with_agreement(near: Near, local: Local) -> Near:
    """The pairs with what local features say of them, and of those drawn at random."""
    found = agreement_of(np.concatenate([near.pairs, near.drawn_pairs]), local)
    agreement, drawn = np.split(found, [len(near.pairs)])
    return replace(near, agreement=agreement, drawn_agreement=drawn)


def _of_one_side(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """``(R,)`` bool: not known to be of two."""
    return (one == other) | ~is_known(one) | ~is_known(other)


def _drawn(number: int) -> np.ndarray:
    """``(R, 2)`` pairs of so many photos; none of one photo."""
    if number < 2:
        return np.zeros((0, 2), np.int64)
    first = np.random.default_rng(4).integers(0, number, _DRAWN)
    other = np.random.default_rng(5).integers(1, number, _DRAWN)
    return np.stack([first, (first + other) % number], axis=1)


def agreement_of(
    pairs: np.ndarray, local: Local, words: str | None = "Comparing local features"
) -> np.ndarray:
    """``(P,)`` float32 of ``(P, 2)`` pairs of photos, each compared once."""
    if not len(pairs):
        return np.zeros(0, np.float32)
    asked, other, place = _spread(pairs, len(local))
    width = int(place.max()) + 1
    photos = np.repeat(np.arange(len(local))[:, None], width, axis=1)
    photos[asked, place] = other
    return compare_photos(local, local, photos, words)[asked, place]


def _spread(pairs: np.ndarray, number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which photo of each pair is asked about, the other one, and its place among its others.

    The work is spread evenly, as all photos are compared with as many as the one with the most.
    """
    has = [0] * number
    asked, place = np.zeros(len(pairs), np.int64), np.zeros(len(pairs), np.int64)
    for row in np.random.default_rng(0).permutation(len(pairs)).tolist():
        one, other = pairs[row].tolist()
        less = one if has[one] <= has[other] else other
        asked[row], place[row] = less, has[less]
        has[less] += 1
    return asked, pairs.sum(axis=1) - asked, place
