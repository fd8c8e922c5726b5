"""What a report tells beyond the means: which photos, which individuals, under which
circumstances."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from reid_jax.data.photos.reading import SIDE
from reid_jax.individuals.measures import Details, rows_of
from reid_jax.ops.ranking.matching import is_known, retrieval_rules
from reid_jax.ops.ranking.retrieval import nearest

SHOWN_MATCHES = 7
_SAMPLE, _MISTAKES = 10, 6  # queries that are shown
_GROUPS = ("orientation", SIDE, "camera", "alphabet")
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
    pair_scores, pair_same: see :class:`reid_jax.individuals.measures.Details`.
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
    details: Details,
) -> Findings:
    """Looks at every query, and once more at those that were answered wrongly.

    Args:
      embeddings: ``(N, D)`` of the photos of ``dataset``.
      dataset: with ``labels``, ``identities`` and ``columns``.
      query, gallery: rows of the dataset.
      metric: "cosine" or "euclidean".
      seed: of the drawn queries.
      details: of these embeddings, see ``evaluate_in_detail``.
    """
    labels, query, gallery = dataset.labels, np.asarray(query), np.asarray(gallery)
    per_query = details.per_query
    search = _Search(
        embeddings, query, gallery, metric, retrieval_rules(labels, query, gallery, dataset.columns)
    )
    judged = np.flatnonzero(~np.isnan(per_query["ap"]))
    wrong = judged[per_query["cmc@1"][judged] == 0]
    scores, match = search.best(wrong, 1)
    surest = wrong[np.argsort(-scores[:, 0], kind="stable")][:_MISTAKES]
    drawn = np.random.default_rng(seed).permutation(judged)[:_SAMPLE]
    return Findings(
        first_rank=per_query["first_rank"],
        pair_scores=details.pair_scores,
        pair_same=details.pair_same,
        groups=_groups(dataset.columns, query, per_query),
        individuals=_individuals(dataset, query, per_query),
        confusions=_confusions(labels, query[wrong], match[:, 0]),
        sample=search.strips(drawn),
        mistakes=search.strips(surest),
    )


@dataclass(frozen=True)
class _Search:
    embeddings: np.ndarray
    query: np.ndarray
    gallery: np.ndarray
    metric: str
    rules: dict[str, Any]

    def best(self, places: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Scores and rows of the dataset, (P, k) each, best first, of queries at some places."""
        k = min(k, len(self.gallery))
        if not len(places):
            return np.empty((0, k), np.float32), np.empty((0, k), np.int64)
        rules = {
            name: values[places] if name.startswith("query_") else values
            for name, values in self.rules.items()
        }
        asked, shown = (rows_of(self.embeddings, r) for r in (self.query[places], self.gallery))
        scores, index = nearest(asked, shown, k, self.metric, **rules)
        return scores, np.where(index >= 0, self.gallery[index], -1)

    def strips(self, places: np.ndarray) -> list[Strip]:
        found = zip(self.query[places], *self.best(places, SHOWN_MATCHES), strict=True)
        return [
            Strip(int(row), match[match >= 0], scores[match >= 0]) for row, scores, match in found
        ]


def _rows(names: np.ndarray, per_query: dict[str, np.ndarray]) -> list[Row]:
    there = ~np.isnan(per_query["ap"])
    values, group = np.unique(names[there], return_inverse=True)
    number = np.bincount(group.reshape(-1), minlength=len(values))
    rank1, mean_ap = (
        np.bincount(group.reshape(-1), per_query[key][there], len(values)) / number
        for key in ("cmc@1", "ap")
    )
    columns = values.tolist(), number.tolist(), rank1.tolist(), mean_ap.tolist()
    return [Row(str(name), *numbers) for name, *numbers in zip(*columns, strict=True)]


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
    same = names.get("orientation", np.full(len(query), "none"))
    if SIDE in names and np.array_equal(names[SIDE], np.char.lower(same)):
        del names[SIDE]  # the same column, which is there already
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
