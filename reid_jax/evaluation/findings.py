"""What a report tells beyond the means: which photos, which individuals, under which
circumstances."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from reid_jax.evaluation.embedding import scored_pairs
from reid_jax.ops.matching import is_known, retrieval_rules
from reid_jax.ops.retrieval import evaluate_retrieval, nearest

SHOWN_MATCHES = 7
_GROUPS = ("orientation", "camera", "alphabet")
_MOST_GROUPS = 24
_NO_VALUE = "not given"


@dataclass(frozen=True)
class Row:
    """Means over some of the queries."""

    name: str
    queries: int
    rank1: float
    mean_ap: float


@dataclass(frozen=True)
class Confusion:
    """Two individuals, how often the best match of one was the other, and an example of it."""

    first: int
    second: int
    count: int
    query: int
    match: int


@dataclass(frozen=True)
class Strip:
    """A query and its best matches, best first; rows of the dataset."""

    query: int
    matches: np.ndarray
    scores: np.ndarray


@dataclass(frozen=True)
class Findings:
    """Attributes:
    first_rank: ``(Q,)`` rank of the first right match, nan without one.
    pair_scores, pair_same: see :func:`reid_jax.evaluation.embedding.scored_pairs`.
    groups: rows by the name of a column.
    individuals: rows by individual, the hardest first.
    confusions: the most frequent first.
    sample: strips of queries drawn at random.
    mistakes: strips of the wrong answers with the highest score.
    """

    first_rank: np.ndarray
    pair_scores: np.ndarray
    pair_same: np.ndarray
    groups: dict[str, list[Row]]
    individuals: list[Row]
    confusions: list[Confusion]
    sample: list[Strip]
    mistakes: list[Strip]


def find(
    embeddings: np.ndarray,
    dataset: Any,
    query: np.ndarray,
    gallery: np.ndarray,
    *,
    metric: str,
    seed: int,
) -> Findings:
    """Looks at every query once more.

    Args:
      embeddings: ``(N, D)`` of the photos of ``dataset``.
      dataset: with ``labels``, ``identities`` and ``columns``.
      query, gallery: rows of the dataset.
      metric: "cosine" or "euclidean".
      seed: of the drawn queries.
    """
    labels, query, gallery = dataset.labels, np.asarray(query), np.asarray(gallery)
    rules = retrieval_rules(labels, query, gallery, dataset.columns)
    split = embeddings[query], embeddings[gallery]
    per_query = evaluate_retrieval(*split, metric=metric, **rules, return_per_query=True)[
        "per_query"
    ]
    k = min(SHOWN_MATCHES, len(gallery))
    scores, index = nearest(*split, k, metric, **rules)
    matches = np.where(index >= 0, gallery[index], -1)
    pairs, same = scored_pairs(
        embeddings, labels, query, gallery, columns=dataset.columns, metric=metric
    )

    judged = np.flatnonzero(~np.isnan(per_query["ap"]))
    wrong = judged[labels[matches[judged, 0]] != labels[query[judged]]]
    strips = [
        Strip(int(query[i]), matches[i][matches[i] >= 0], scores[i][matches[i] >= 0])
        for i in range(len(query))
    ]
    drawn = np.random.default_rng(seed).permutation(judged)[:10]
    surest = wrong[np.argsort(-scores[wrong, 0], kind="stable")][:6]
    return Findings(
        first_rank=per_query["first_rank"],
        pair_scores=pairs,
        pair_same=same,
        groups=_groups(dataset.columns, query, per_query),
        individuals=_individuals(dataset, query, per_query),
        confusions=_confusions(labels, query[wrong], matches[wrong, 0]),
        sample=[strips[i] for i in drawn],
        mistakes=[strips[i] for i in surest],
    )


def _rows(names: np.ndarray, per_query: dict[str, np.ndarray]) -> list[Row]:
    there = ~np.isnan(per_query["ap"])
    rows = []
    for name in np.unique(names[there]):
        of_group = there & (names == name)
        rank1, mean_ap = (float(per_query[key][of_group].mean()) for key in ("cmc@1", "ap"))
        rows.append(Row(str(name), int(of_group.sum()), rank1, mean_ap))
    return rows


def _groups(
    columns: Any, query: np.ndarray, per_query: dict[str, np.ndarray]
) -> dict[str, list[Row]]:
    names = {
        name: np.where(is_known(columns[name]), np.asarray(columns[name]).astype(str), _NO_VALUE)[
            query
        ]
        for name in _GROUPS
        if name in columns
    }
    if "date" in columns:
        year = np.asarray(columns["date"])[query].astype("datetime64[Y]").astype(str)
        names["year"] = np.where(year == "NaT", _NO_VALUE, year)
    groups = {name: _rows(values, per_query) for name, values in names.items()}
    for name, rows in groups.items():
        if len(rows) > _MOST_GROUPS:
            largest = sorted(rows, key=lambda row: -row.queries)[:_MOST_GROUPS]
            groups[name] = sorted(largest, key=lambda row: row.name)
    return {name: rows for name, rows in groups.items() if len(rows) > 1}


def _individuals(dataset: Any, query: np.ndarray, per_query: dict[str, np.ndarray]) -> list[Row]:
    names = np.asarray(dataset.identities, dtype=str)[dataset.labels[query]]
    return sorted(_rows(names, per_query), key=lambda row: (row.mean_ap, row.name))


def _confusions(labels: np.ndarray, query: np.ndarray, match: np.ndarray) -> list[Confusion]:
    counts: Counter[tuple[int, int]] = Counter()
    example: dict[tuple[int, int], tuple[int, int]] = {}
    for q, m in zip(query.tolist(), match.tolist(), strict=True):
        a, b = sorted((int(labels[q]), int(labels[m])))
        counts[a, b] += 1
        example.setdefault((a, b), (q, m))
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [Confusion(a, b, count, *example[a, b]) for (a, b), count in ordered]
