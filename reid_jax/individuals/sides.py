"""Which side of an animal a photo shows: a search within one side, and across sides."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from reid_jax.ops.ranking.matching import Codes, is_known
from reid_jax.ops.ranking.retrieval import evaluate_retrieval


def has_sides(sides: np.ndarray | None) -> bool:
    """Whether photos of two sides are there, as ``(N,)`` texts that are empty where not known."""
    return sides is not None and len(np.unique(sides[is_known(sides)])) > 1


def other_sides(asked: np.ndarray, shown: np.ndarray) -> list[Codes]:
    """Codes ``(Q,)`` and ``(G,)`` that agree where photos are known to be of two sides.

    Args:
      asked, shown: ``(Q,)`` and ``(G,)`` texts, empty where a side is not known.
    """
    known = is_known(asked)
    return [
        (
            np.where(known & (asked != side), 0, -1).astype(np.int32),
            np.where(shown == side, 0, -2).astype(np.int32),
        )
        for side in np.unique(shown[is_known(shown)]).tolist()
    ]


def side_codes(sides: np.ndarray) -> np.ndarray:
    """``(N,)`` int64, equal for photos of one side; -1 where it is not known."""
    codes = np.unique(sides, return_inverse=True)[1].reshape(-1).astype(np.int64)
    return np.where(is_known(sides), codes, -1)


def by_sides(
    asked: np.ndarray,
    shown: np.ndarray,
    sides: tuple[np.ndarray, np.ndarray],
    rules: Mapping[str, np.ndarray],
    metric: str,
) -> dict[str, dict[str, np.ndarray]]:
    """Measures of each query among photos of its own side alone, and of the other sides alone.

    Photos whose side is not known are neither searched for nor searched in.

    Args:
      asked, shown: ``(Q, D)`` and ``(G, D)`` embeddings.
      sides: ``(Q,)`` and ``(G,)`` texts, empty where not known.
      rules: of the whole search, see :func:`retrieval_rules`.
      metric: how embeddings are compared: "cosine" or "euclidean".

    Returns:
      "within_side" and "across_sides": each measure of :func:`evaluate_retrieval` as ``(Q,)``, nan
      where a query has no match.
    """
    query, gallery = sides
    known = is_known(gallery)
    found: dict[str, dict[str, np.ndarray]] = {"within_side": {}, "across_sides": {}}
    for side in np.unique(query[is_known(query)]).tolist():
        rows = query == side
        for name, among in (
            ("within_side", gallery == side),
            ("across_sides", known & (gallery != side)),
        ):
            if not among.any():
                continue
            own: dict[str, Any] = {
                key: values[rows] if key.startswith("query_") else values[among]
                for key, values in rules.items()
            }
            each = evaluate_retrieval(
                asked[rows], shown[among], metric=metric, **own, return_per_query=True
            )["per_query"]
            for key, values in each.items():
                found[name].setdefault(key, np.full(len(query), np.nan))[rows] = values
    return found
