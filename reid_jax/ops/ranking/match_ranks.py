"""Exact ranking of a gallery for a block of queries, and the retrieval measures.

No measure of retrieval needs the whole ranking: each follows from the ranks of a query's *matches*.
So nothing here sorts the gallery: :func:`match_ranks` counts the entries before each match.

Tie rule, everywhere: of two gallery entries with the same score, the one with the lower gallery
index comes first.
"""

from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np

from reid_jax.compilations import target

NO_MATCH = np.iinfo(np.int32).max
"""Fills the places of matches that are not there: as an index, and as a rank."""

COMPARE_UP_TO = 256
"""Up to here, comparing every match with the whole gallery beats a binary search (measured)."""

_SPAN = 64
_MANY_SPANS = 2048  # below, searching all of a row takes no longer


def scores(
    queries: jax.Array, gallery: jax.Array, offset: jax.Array, scale: jax.Array
) -> jax.Array:
    """``(2 queries @ gallery' - offset) / scale``, whose order is the order of similarity.

    With ``offset = 0, scale = 2 |g|`` that is the cosine similarity times ``|q|``; with
    ``offset = |g|^2, scale = 1`` it is ``|q|^2 - |q - g|^2``. What is left out is the same for the
    whole gallery of a query. Dividing after the product keeps the scores of quantised embeddings
    exact, so that true ties stay ties.

    Args:
      queries: ``(B, D)`` float32.
      gallery: ``(G, D)`` float32.
      offset, scale: ``(G,)`` float32.

    Returns:
      ``(B, G)`` float32, larger is more similar.
    """
    chex.assert_rank([queries, gallery, offset, scale], [2, 2, 1, 1])
    products = jnp.matmul(queries, gallery.T, precision=jax.lax.Precision.HIGHEST)
    return (products * 2.0 - offset[None, :]) / scale[None, :]


def excluded(
    query_codes: tuple[tuple[jax.Array, ...], ...],
    gallery_codes: tuple[tuple[jax.Array, ...], ...],
) -> jax.Array:
    """``(B, G)`` bool: where *all* codes of *any* rule agree.

    A rule is a tuple of int32 code arrays, ``(B,)`` each in ``query_codes``, ``(G,)`` each in
    ``gallery_codes``: Market-1501's is ``(identity, camera)``, leave-one-out's ``(photo,)``.
    """
    rules = []
    for query_rule, gallery_rule in zip(query_codes, gallery_codes, strict=True):
        agree = [q[:, None] == g[None, :] for q, g in zip(query_rule, gallery_rule, strict=True)]
        rules.append(jnp.stack(agree).all(axis=0) if len(agree) > 1 else agree[0])
    return jnp.stack(rules).any(axis=0) if len(rules) > 1 else rules[0]


def valid_scores(
    queries: jax.Array,
    gallery: jax.Array,
    offset: jax.Array,
    scale: jax.Array,
    gallery_size: jax.Array,
    query_codes: tuple[tuple[jax.Array, ...], ...],
    gallery_codes: tuple[tuple[jax.Array, ...], ...],
) -> jax.Array:
    """:func:`scores`, minus infinity in the padding of the gallery and where :func:`excluded`."""
    similarity = scores(queries, gallery, offset, scale)
    invalid = (jnp.arange(gallery.shape[0], dtype=jnp.int32) >= gallery_size)[None, :]
    if query_codes:
        invalid = invalid | excluded(query_codes, gallery_codes)
    similarity = jnp.where(invalid, -jnp.inf, similarity)
    # Written out once: two fusions that each recompute a score may round it differently, and then a
    # match would not be equal to itself.
    return jax.lax.optimization_barrier(similarity)


def _count_by_comparison(similarity: jax.Array, match: jax.Array, matches: jax.Array) -> jax.Array:
    """Ranks by comparing each match with each entry of the gallery: O(G M), but one fused pass."""
    position = jnp.arange(similarity.shape[1], dtype=jnp.int32)

    def one_query(row: tuple[jax.Array, jax.Array, jax.Array]) -> jax.Array:
        similarity, match, matches = row
        tie = (similarity[None, :] == match[:, None]) & (position[None, :] < matches[:, None])
        return 1 + jnp.sum((similarity[None, :] > match[:, None]) | tie, axis=1, dtype=jnp.int32)

    # On a CPU, row by row stays in the cache: 10 times faster than the whole block at once.
    rows = 1 if target() == "cpu" else similarity.shape[0]
    return jnp.sort(jax.lax.map(one_query, (similarity, match, matches), batch_size=rows), axis=1)


def _count_by_search(similarity: jax.Array, match: jax.Array, matches: jax.Array) -> jax.Array:
    """Ranks by binary search of each entry of the gallery among the sorted matches: O(G log M)."""
    gallery, number = similarity.shape[1], match.shape[1]
    descending, index = jax.lax.sort((-match, matches), dimension=1, num_keys=2)
    position = jnp.arange(gallery, dtype=jnp.int32)[None, :]
    # The last match is always a filler, so that the answer is in [0, number - 1].
    before = jnp.zeros(similarity.shape, jnp.int32)
    steps = number.bit_length() - 1

    def halve(i: jax.Array, before: jax.Array) -> jax.Array:
        step = jnp.int32(number) >> (i + 1)
        probe = before + step - 1
        score = -jnp.take_along_axis(descending, probe, axis=1)
        tie = (score == similarity) & (jnp.take_along_axis(index, probe, axis=1) < position)
        return jnp.where((score > similarity) | tie, before + step, before)

    before = jax.lax.fori_loop(0, steps, halve, before)
    histogram = jax.vmap(lambda b: jnp.zeros(number, jnp.int32).at[b].add(1))(before)
    # A match stands behind as many matches as its own place: it counts itself, hence no `1 +`.
    return jnp.cumsum(histogram, axis=1)


@partial(jax.jit, static_argnames="by_search")
def match_ranks(
    queries: jax.Array,
    gallery: jax.Array,
    offset: jax.Array,
    scale: jax.Array,
    gallery_size: jax.Array,
    query_codes: tuple[tuple[jax.Array, ...], ...],
    gallery_codes: tuple[tuple[jax.Array, ...], ...],
    matches: jax.Array,
    *,
    by_search: bool,
) -> jax.Array:
    """The rank (1 is the most similar) of each match of each query among the valid gallery entries.

    Args:
      queries, gallery, offset, scale: see :func:`scores`.
      gallery_size: scalar int32; rows of ``gallery`` from there on are padding.
      query_codes, gallery_codes: see :func:`excluded`; excluded entries leave the ranking.
      matches: ``(B, M)`` int32: gallery indices of the same individual, ascending, filled up with
        :data:`NO_MATCH`. With ``by_search``, ``M`` is a power of two and the last is a filler.
      by_search: which of two ways to count; the answer is the same.

    Returns:
      ``(B, M)`` int32, ascending; excluded matches and fillers have the rank :data:`NO_MATCH`.
    """
    chex.assert_rank([queries, gallery, matches], 2)
    chex.assert_equal_shape_prefix([queries, matches], 1)
    similarity = valid_scores(
        queries, gallery, offset, scale, gallery_size, query_codes, gallery_codes
    )
    there = matches < gallery_size
    at = jnp.where(there, matches, 0)
    match = jnp.where(there, jnp.take_along_axis(similarity, at, axis=1), -jnp.inf)
    count = _count_by_search if by_search else _count_by_comparison
    ranks = count(similarity, match, matches)
    number = jnp.sum(match > -jnp.inf, axis=1, dtype=jnp.int32)
    place = jnp.arange(matches.shape[1], dtype=jnp.int32)
    return jnp.where(place[None, :] < number[:, None], ranks, NO_MATCH)


@partial(jax.jit, static_argnames="k")
def top_k(
    queries: jax.Array,
    gallery: jax.Array,
    offset: jax.Array,
    scale: jax.Array,
    gallery_size: jax.Array,
    query_codes: tuple[tuple[jax.Array, ...], ...],
    gallery_codes: tuple[tuple[jax.Array, ...], ...],
    *,
    k: int,
) -> tuple[jax.Array, jax.Array]:
    """The ``k`` best valid gallery entries of each query: ``(B, k)`` scores and int32 indices.

    Arguments as in :func:`match_ranks`. Where fewer than ``k`` are valid, the score is minus
    infinity and the index means nothing.
    """
    similarity = valid_scores(
        queries, gallery, offset, scale, gallery_size, query_codes, gallery_codes
    )
    if k == 1:
        best = jnp.argmax(similarity, axis=1, keepdims=True).astype(jnp.int32)
        return jnp.take_along_axis(similarity, best, axis=1), best
    return largest(similarity, k)


def largest(values: jax.Array, k: int) -> tuple[jax.Array, jax.Array]:
    """`lax.top_k` of wide rows ``(B, G)``, the lower index first in a tie; one pass over them.

    The signs of zeros are not told apart.

    The k best lie in the k spans with the highest maxima, of equal ones the first: every one of
    these spans has an entry at least as good as any entry outside them. Only they are searched.
    """
    chex.assert_rank(values, 2)
    spans = values.shape[1] // _SPAN
    if values.shape[1] % _SPAN or spans < max(k, _MANY_SPANS):
        return jax.lax.top_k(values, k)
    by_span = values.reshape(values.shape[0], spans, _SPAN)
    _, best = jax.lax.top_k(by_span.max(axis=2), k)
    best = jnp.sort(best, axis=1)
    within = jnp.take_along_axis(by_span, best[:, :, None], axis=1)
    found, at = jax.lax.top_k(within.reshape(values.shape[0], k * _SPAN), k)
    return found, jnp.take_along_axis(best, at // _SPAN, axis=1) * _SPAN + at % _SPAN


def measures_from_ranks(ranks: np.ndarray, at: tuple[int, ...]) -> dict[str, np.ndarray]:
    """Measures of each query from the ranks of its matches, in NumPy float64 (it is little work).

    With the ascending ranks ``r_1 < ... < r_R`` of a query's ``R`` matches:

    - ``cmc@k``: 1 if ``r_1 <= k`` (Rank-k of the cumulative match characteristic; metric learning
      calls the same number Recall@k).
    - ``precision@k``: share of matches among the first ``k``.
    - ``ap = 1/R sum_j j / r_j``: average precision (Zheng et al., ICCV 2015, without the trapezoids
      that the first Market-1501 code drew, as every newer implementation).
    - ``inp = R / r_R``: inverse negative penalty (Ye et al., TPAMI 2021, eq. 4).
    - ``r_precision``: share of matches among the first ``R``; ``ap_at_r``: ``1/R`` times the sum of
      the precisions at the matches among the first ``R`` (Musgrave et al., ECCV 2020, eq. 4).

    Args:
      ranks: ``(Q, M)`` int32 from :func:`match_ranks`; every row has a match.
      at: the ``k`` of ``cmc@k`` and ``precision@k``.

    Returns:
      ``(Q,)`` float64 arrays by name.
    """
    there = ranks < NO_MATCH
    number = there.sum(axis=1)
    nth = np.arange(1, ranks.shape[1] + 1)
    precision = np.where(there, nth / ranks, 0.0)
    within = ranks <= number[:, None]
    last = np.take_along_axis(ranks, number[:, None] - 1, axis=1)[:, 0]
    result = {
        "ap": precision.sum(axis=1) / number,
        "inp": number / last,
        "ap_at_r": (precision * within).sum(axis=1) / number,
        "r_precision": within.sum(axis=1) / number,
    }
    for k in at:
        result[f"cmc@{k}"] = (ranks[:, 0] <= k).astype(np.float64)
        result[f"precision@{k}"] = (ranks <= k).sum(axis=1) / k
    return result
