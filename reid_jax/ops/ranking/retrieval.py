"""Rank a gallery for every query, in blocks, and average the measures of retrieval."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from reid_jax.errors import UserError
from reid_jax.ops.ranking import match_ranks as device
from reid_jax.ops.ranking.blocks import Ranking, check_length, collected
from reid_jax.ops.ranking.matching import Codes, exclusions, shared_codes


def evaluate_retrieval(
    query_embeddings: Any,
    gallery_embeddings: Any,
    query_ids: Any,
    gallery_ids: Any,
    query_cameras: Any = None,
    gallery_cameras: Any = None,
    metric: str = "cosine",
    *,
    query_index: Any = None,
    gallery_index: Any = None,
    query_groups: Any = None,
    gallery_groups: Any = None,
    ranks_at: Sequence[int] = (1, 5, 10),
    block_size: int | None = None,
    return_per_query: bool = False,
) -> dict[str, Any]:
    """How well the embeddings bring photos of the same individual to the top of the gallery.

    Exact: no approximation, no sampling. The queries are taken in blocks on the device; memory
    grows with ``block x gallery``, never with ``queries x gallery``. Of two gallery entries with
    the same score, the one with the lower index in the gallery ranks first.

    Three rules take gallery entries out of the ranking of a query (they count neither as right nor
    as wrong):

    - cameras: the same individual *and* the same camera (the protocol of Market-1501);
    - index: the same photo, when the query is also in the gallery (leave-one-out);
    - groups: anything of the same encounter or day as the query.

    A query for which no match is left is excluded from the means, and counted.

    Args:
      query_embeddings, gallery_embeddings: ``(Q, D)`` and ``(G, D)``, ranked in float32.
      query_ids, gallery_ids: ``(Q,)`` and ``(G,)`` identities, integers or strings.
      query_cameras, gallery_cameras: ``(Q,)`` and ``(G,)``, both or neither.
      metric: "cosine" or "euclidean" (which rank alike for embeddings of unit length).
      query_index, gallery_index: ``(Q,)`` and ``(G,)``: which photo it is, both or neither.
      query_groups, gallery_groups: ``(Q,)`` and ``(G,)``, both or neither.
      ranks_at: the k of ``rank{k}`` (a match among the first k; metric learning says Recall@k) and
        of ``precision@{k}`` (the share of matches among the first k).
      block_size: queries per block; by default what fits 4 MiB of scores (1 GiB on a GPU), at
        least 64.
      return_per_query: also return the measures of each query.

    Returns:
      ``rank{k}`` and ``precision@{k}`` for each k, ``mAP``, ``mINP``, ``map_at_r``, ``r_precision``
      as floats (nan if no query has a match), ``num_queries`` (all that were given) and
      ``num_excluded`` (of those, the ones without a match). With ``return_per_query`` also
      ``per_query``: a dict of ``(Q,)`` float64 arrays ``ap, inp, ap_at_r, r_precision, cmc@k,
      precision@k, first_rank, num_matches``, nan where excluded.

    Raises:
      UserError: shapes that do not fit, an unknown metric, or a number that is not finite.
    """
    ranking = Ranking(
        query_embeddings,
        gallery_embeddings,
        metric,
        exclude=exclusions(
            query_ids,
            gallery_ids,
            (query_cameras, gallery_cameras),
            (query_index, gallery_index),
            (query_groups, gallery_groups),
        ),
        block_size=block_size,
    )
    at = _checked_ranks(ranks_at)
    per_query = _per_query(ranking, shared_codes(query_ids, gallery_ids, "ids"), at)

    result = _means(per_query, at)
    return {**result, "per_query": per_query} if return_per_query else result


def evaluate_distances(
    blocks: Iterable[tuple[np.ndarray, np.ndarray]],
    query_ids: Any,
    gallery_ids: Any,
    query_cameras: Any = None,
    gallery_cameras: Any = None,
    *,
    query_index: Any = None,
    gallery_index: Any = None,
    query_groups: Any = None,
    gallery_groups: Any = None,
    ranks_at: Sequence[int] = (1, 5, 10),
    return_per_query: bool = False,
) -> dict[str, Any]:
    """:func:`evaluate_retrieval` of distances that are already there, such as re-ranked ones.

    Args:
      blocks: rows of the queries, int ``(B,)``, and their distances to the gallery ``(B, G)``, as
        :func:`reid_jax.ops.ranking.reranking.k_reciprocal_blocks` yields them; every query once.

    The other arguments, the tie rule and the result are those of :func:`evaluate_retrieval`.
    """
    at = _checked_ranks(ranks_at)
    query, gallery = shared_codes(query_ids, gallery_ids, "ids")
    rules = exclusions(
        query_ids,
        gallery_ids,
        (query_cameras, gallery_cameras),
        (query_index, gallery_index),
        (query_groups, gallery_groups),
    )
    per_query = _unknown(len(query), at)
    for rows, distances in blocks:
        out = np.zeros(distances.shape, bool)
        for rule in rules:
            out |= np.all([q[rows, None] == g[None, :] for q, g in rule], axis=0)
        order = np.argsort(np.where(out, np.inf, distances), axis=1, kind="stable")
        match = (query[rows, None] == gallery[None, :]) & ~out
        right = np.take_along_axis(match, order, axis=1)
        ranks = np.where(right, np.arange(1, len(gallery) + 1), device.NO_MATCH)
        ranks = np.sort(ranks, axis=1)[:, : max(1, int(match.sum(axis=1).max()))]
        _fill(per_query, rows, ranks, at)
    result = _means(per_query, at)
    return {**result, "per_query": per_query} if return_per_query else result


def _checked_ranks(ranks_at: Sequence[int]) -> tuple[int, ...]:
    at = tuple(sorted({int(k) for k in ranks_at}))
    if not at or at[0] < 1:
        raise UserError(f"ranks_at is {tuple(ranks_at)}: give at least one rank, each 1 or more.")
    return at


def _unknown(queries: int, at: tuple[int, ...]) -> dict[str, np.ndarray]:
    keys = ["ap", "inp", "ap_at_r", "r_precision", "first_rank", "num_matches"]
    keys += [f"cmc@{k}" for k in at] + [f"precision@{k}" for k in at]
    return {key: np.full(queries, np.nan) for key in keys}


def _fill(
    per_query: dict[str, np.ndarray], rows: np.ndarray, ranks: np.ndarray, at: tuple[int, ...]
) -> None:
    """Puts the measures of these queries in their places; who has no match stays unknown."""
    with_match = ranks[:, 0] < device.NO_MATCH
    rows, ranks = rows[with_match], ranks[with_match]
    for key, values in device.measures_from_ranks(ranks, at).items():
        per_query[key][rows] = values
    per_query["first_rank"][rows] = ranks[:, 0]
    per_query["num_matches"][rows] = (ranks < device.NO_MATCH).sum(axis=1)


def _means(per_query: dict[str, np.ndarray], at: tuple[int, ...]) -> dict[str, Any]:
    valid = ~np.isnan(per_query["ap"])
    names = {"ap": "mAP", "inp": "mINP", "ap_at_r": "map_at_r", "r_precision": "r_precision"}
    names |= {f"cmc@{k}": f"rank{k}" for k in at} | {f"precision@{k}": f"precision@{k}" for k in at}
    result: dict[str, Any] = {
        name: float(per_query[key][valid].mean()) if valid.any() else float("nan")
        for key, name in names.items()
    }
    return result | {"num_queries": len(valid), "num_excluded": int((~valid).sum())}


def nearest(
    query_embeddings: Any,
    gallery_embeddings: Any,
    k: int,
    metric: str = "cosine",
    *,
    query_ids: Any = None,
    gallery_ids: Any = None,
    query_cameras: Any = None,
    gallery_cameras: Any = None,
    query_index: Any = None,
    gallery_index: Any = None,
    block_size: int | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """The ``k`` nearest gallery entries of each query, best first, the lower index first in a tie.

    Photos are left out by camera (which needs the ids) and by index as in
    :func:`evaluate_retrieval`.

    Returns:
      ``(Q, k)`` float32: cosine similarity, or *minus* the Euclidean distance (larger is more
      alike), and ``(Q, k)`` int64 indices into the gallery. Where fewer than ``k`` entries are left
      after the exclusions: minus infinity, and index -1.

    Example:
      >>> gallery = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
      >>> scores, rows = rj.metrics.nearest(np.array([[1.0, 0.1]]), gallery, k=2)
      >>> rows.tolist()
      [[0, 2]]
    """
    if k < 1:
        raise UserError(f"k is {k}: ask for 1 neighbour or more.")
    ranking = Ranking(
        query_embeddings,
        gallery_embeddings,
        metric,
        exclude=exclusions(
            query_ids,
            gallery_ids,
            (query_cameras, gallery_cameras),
            (query_index, gallery_index),
            (None, None),
        ),
        block_size=block_size,
    )
    found = min(k, ranking.num_gallery)

    def answers() -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        for rows, block in ranking.blocks(np.arange(ranking.num_queries)):
            best, where = block(device.top_k, k=found)
            yield rows, ranking.similarity(best[: len(rows)], rows), where[: len(rows)]

    return collected(ranking.num_queries, k, answers())


def _per_query(ranking: Ranking, ids: Codes, at: tuple[int, ...]) -> dict[str, np.ndarray]:
    query_ids, gallery_ids = ids
    check_length(query_ids, ranking.num_queries, "query")
    check_length(gallery_ids, ranking.num_gallery, "gallery")
    by_id = np.argsort(gallery_ids, kind="stable")
    sorted_ids = gallery_ids[by_id]
    first = np.searchsorted(sorted_ids, query_ids, side="left")
    number = np.searchsorted(sorted_ids, query_ids, side="right") - first

    result = _unknown(ranking.num_queries, at)
    # Queries with about as many matches share a block, so that few places are fillers.
    order = np.argsort(number, kind="stable")
    for rows, block in ranking.blocks(order[number[order] > 0]):
        width = max(8, 2 ** int(number[rows].max()).bit_length())
        places = first[rows, None] + np.arange(width)
        there = np.arange(width) < number[rows, None]
        matches = np.where(there, by_id[np.minimum(places, len(by_id) - 1)], device.NO_MATCH)
        ranks = block(
            device.match_ranks, matches.astype(np.int32), by_search=width > device.COMPARE_UP_TO
        )[: len(rows)]
        _fill(result, rows, ranks, at)
    return result
