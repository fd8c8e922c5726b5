"""Pairs of a photo that is searched for and one that is searched in, and their scores."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from reid_jax.errors import UserError
from reid_jax.ops.batching import in_blocks
from reid_jax.ops.ranking.matching import exclusions, shared_codes

_BLOCK = 65_536  # pairs scored at a time
_CANDIDATES = 2**22  # looked at, at most


def choose_pairs(
    query_ids: Any,
    gallery_ids: Any,
    query_cameras: Any = None,
    gallery_cameras: Any = None,
    *,
    query_index: Any = None,
    gallery_index: Any = None,
    query_groups: Any = None,
    gallery_groups: Any = None,
    max_pairs: int = 100_000,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Pairs (query, gallery) that a search compares, by the rules of ``evaluate_retrieval``.

    So two photos that were trained on are never a pair, nor are two that the search leaves out. Of
    two photos that are both searched for and searched in, one of the two orders is taken.

    All pairs when there are no more than ``max_pairs``. Else a sample: half of it same pairs (or
    all there are), the rest different ones, each drawn uniformly. ROC measures do not mind that
    mixture; average precision and F1 are those of the sample. Fewer come where the rules leave next
    to nothing of millions.

    Args:
      query_ids, gallery_ids: ``(Q,)`` and ``(G,)`` identities; the others as in
        :func:`reid_jax.ops.ranking.retrieval.evaluate_retrieval`.
      seed: of the sample. It does not know the embeddings: runs are scored on the same pairs.

    Returns:
      ``(P, 2)`` int64 places in the queries and in the gallery, and ``(P,)`` bool same.

    Raises:
      UserError: shapes that do not fit.
    """
    rules = exclusions(
        query_ids,
        gallery_ids,
        (query_cameras, gallery_cameras),
        (query_index, gallery_index),
        (query_groups, gallery_groups),
    )
    query, gallery = shared_codes(query_ids, gallery_ids, "ids")
    by_id = np.argsort(gallery, kind="stable")
    first = np.searchsorted(gallery[by_id], query, side="left")
    number = np.searchsorted(gallery[by_id], query, side="right") - first
    twice = _met_twice(query_index, gallery_index)

    def draw(
        counts: np.ndarray, place: Callable[[np.ndarray, np.ndarray], np.ndarray], wanted: int
    ) -> np.ndarray:
        """A uniform sample of the allowed ones among counts[q] candidates of each query."""
        ends = np.cumsum(counts, dtype=np.int64)
        total = int(ends[-1]) if len(ends) else 0
        pairs = np.empty((0, 2), np.int64)
        for size in (4 * wanted, _CANDIDATES):
            numbers = np.sort(_distinct(rng, total, min(size, total)))
            rows = np.searchsorted(ends, numbers, side="right")
            columns = by_id[place(rows, numbers - (ends - counts)[rows])]
            out = np.zeros(len(rows), bool)
            for rule in rules:
                out |= np.all([q[rows] == g[columns] for q, g in rule], axis=0)
            if twice is not None:
                q, g = np.asarray(query_index)[rows], np.asarray(gallery_index)[columns]
                out |= twice[0][rows] & twice[1][columns] & (q > g)
            pairs = np.stack([rows, columns], axis=1)[~out]
            if len(pairs) >= wanted or size >= total:
                break
        return pairs[np.sort(rng.permutation(len(pairs))[:wanted])]

    def within(rows: np.ndarray, offset: np.ndarray) -> np.ndarray:
        return first[rows] + offset

    def without(rows: np.ndarray, offset: np.ndarray) -> np.ndarray:
        return offset + np.where(offset < first[rows], 0, number[rows])

    rng = np.random.default_rng(seed)
    others = len(gallery) - number
    # As many of each kind as there may be, and then half and half if these are too many.
    same = draw(number, within, max_pairs)
    different = draw(others, without, max(max_pairs - len(same), max_pairs // 2))
    same = same[np.sort(rng.permutation(len(same))[: max_pairs - len(different)])]
    pairs = np.concatenate([same, different])
    return pairs, np.arange(len(pairs)) < len(same)


def score_pairs(
    query_embeddings: Any, gallery_embeddings: Any, pairs: np.ndarray, metric: str = "cosine"
) -> np.ndarray:
    """``(P,)`` float32: how alike the photos of each pair are.

    Args:
      query_embeddings, gallery_embeddings: ``(Q, D)`` and ``(G, D)`` float.
      pairs: ``(P, 2)`` places in the two, see :func:`choose_pairs`.
      metric: "cosine", or "euclidean": the score is minus the distance.

    Raises:
      UserError: an unknown metric.
    """
    if metric not in ("cosine", "euclidean"):
        raise UserError(f"The metric {metric!r} is unknown: use 'cosine' or 'euclidean'.")
    sides = [
        jnp.asarray(np.asarray(side, np.float32)) for side in (query_embeddings, gallery_embeddings)
    ]
    if not len(pairs):
        return np.zeros(0, np.float32)
    return in_blocks(
        lambda block: _score_pairs(*sides, jnp.asarray(block, jnp.int32), metric == "cosine"),
        pairs,
        min(_BLOCK, len(pairs)),
    )


@jax.jit
def _score_pairs(
    queries: jax.Array, gallery: jax.Array, pairs: jax.Array, cosine: jax.Array | bool
) -> jax.Array:
    def score(pair: jax.Array) -> jax.Array:
        a, b = queries[pair[0]], gallery[pair[1]]
        norms = jnp.sqrt(jnp.maximum(jnp.sum(a * a) * jnp.sum(b * b), 1e-30))
        distance = jnp.sqrt(jnp.maximum(jnp.sum((a - b) ** 2), 1e-30))
        return jnp.where(cosine, jnp.sum(a * b) / norms, -distance)

    return jax.lax.map(score, pairs, batch_size=1024)


def _met_twice(query_index: Any, gallery_index: Any) -> tuple[np.ndarray, np.ndarray] | None:
    """Which queries are in the gallery too, and which of the gallery are queries."""
    if query_index is None:
        return None
    return np.isin(query_index, gallery_index), np.isin(gallery_index, query_index)


def _distinct(rng: np.random.Generator, number: int, wanted: int) -> np.ndarray:
    """``wanted`` distinct integers below ``number``, without a permutation of all of them."""
    if wanted * 4 > number:
        return rng.permutation(number)[:wanted]
    drawn = np.empty(0, np.int64)
    while len(drawn) < wanted:
        # Sorted by hand: NumPy's `unique` of integers hashes them, which takes 20 times as long.
        drawn = np.sort(np.concatenate([drawn, rng.integers(0, number, wanted)]))
        drawn = drawn[np.diff(drawn, prepend=-1) > 0]
    return rng.permutation(drawn)[:wanted]
