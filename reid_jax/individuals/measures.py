"""All measures of a set of embeddings in one flat dictionary, and the baseline of raw pixels."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from reid_jax.console import counted
from reid_jax.data.photos.content import COLUMN, has_copy
from reid_jax.data.photos.reading import SIDE
from reid_jax.errors import UserError
from reid_jax.individuals.episodes import draw_episodes, one_shot_accuracy
from reid_jax.individuals.photo_pairs import choose_pairs, score_pairs
from reid_jax.individuals.sides import by_sides, has_sides
from reid_jax.ops.ranking.matching import retrieval_rules
from reid_jax.ops.ranking.reranking import k_reciprocal_blocks
from reid_jax.ops.ranking.retrieval import evaluate_distances, evaluate_retrieval
from reid_jax.ops.significance import group_sums, mean_interval, sign_flip_p_values
from reid_jax.ops.verification import (
    average_precision,
    best_f1,
    equal_error_rate,
    roc_auc,
    tar_at_far,
)

FALSE_ACCEPT_RATES = (1e-2, 1e-3, 1e-4)
_WAYS, _EPISODES = 20, 4000
_MOST_PRODUCTS = 2 * 10**12  # of two numbers, in a baseline's ranking: a minute of a CPU's cores
_FEWEST_QUERIES = 1000
_DRAW = 7  # leads from a run's seed to the queries that are drawn


def evaluate_embeddings(
    embeddings: np.ndarray,
    labels: np.ndarray,
    query: np.ndarray,
    gallery: np.ndarray,
    *,
    columns: Mapping[str, np.ndarray] | None = None,
    metric: str = "cosine",
    trained: np.ndarray | None = None,
    rerank: bool = False,
    seed: int = 0,
) -> dict[str, Any]:
    """:func:`evaluate_in_detail`, without the details."""
    return evaluate_in_detail(
        embeddings,
        labels,
        query,
        gallery,
        columns=columns,
        metric=metric,
        trained=trained,
        rerank=rerank,
        seed=seed,
    )[0]


@dataclass(frozen=True)
class Details:
    """What the means are of.

    Attributes:
      per_query: measures ``(Q,)`` of each query, see :func:`evaluate_retrieval`.
      pair_scores, pair_same: see :func:`scored_pairs`.
    """

    per_query: dict[str, np.ndarray]
    pair_scores: np.ndarray
    pair_same: np.ndarray


def evaluate_in_detail(
    embeddings: np.ndarray,
    labels: np.ndarray,
    query: np.ndarray,
    gallery: np.ndarray,
    *,
    columns: Mapping[str, np.ndarray] | None = None,
    metric: str = "cosine",
    trained: np.ndarray | None = None,
    rerank: bool = False,
    seed: int = 0,
) -> tuple[dict[str, Any], Details]:
    """Retrieval, verification and (where the photos have alphabets) one-shot recognition.

    What counts as a match: see :func:`retrieval_rules`. Where photos have dates, and some queries
    have matches of their own day, the measures are also given without those: photos of one
    encounter are alike for reasons that say nothing about who it is.
    Where a query has an exact copy in the gallery, under another name, the measures are also given
    with every photo counted once: its copies are then the photo itself. Where queries were trained
    on, the measures are also given of the other queries. Where photos have sides, they are also
    given within one side and across sides, see :func:`by_sides`.
    Pairs of photos are those that a search compares, see :func:`scored_pairs`.

    Args:
      embeddings: ``(N, D)`` float.
      labels: ``(N,)`` individuals.
      query, gallery: indices into the N photos; they may overlap.
      columns: facts about the photos, ``(N,)`` each; "camera", "date", "digest", "side",
        "alphabet" and "drawer" are used.
      metric: how embeddings are compared: "cosine" or "euclidean".
      trained: ``(N,)`` bool: photos that the network was trained on, if that is known.
      rerank: also rank anew by k-reciprocal neighbours (minutes for tens of thousands of photos).
      seed: of the pairs and episodes. It is the same for all that are to be compared.

    Returns:
      floats and counts by name: ``rank1, rank5, rank10, precision@k, mAP, mINP, map_at_r,
      r_precision`` (see :func:`evaluate_retrieval`), ``rank1_low, rank1_high, mAP_low, mAP_high``
      (95% intervals over individuals, see ``mean_interval``), ``rank1_other_day, mAP_other_day,
      num_excluded_other_day`` where the day makes a difference, ``num_queries_with_copy,
      rank1_without_copies, mAP_without_copies, num_excluded_without_copies`` where queries have
      exact copies in the gallery, ``num_queries_trained, rank1_without_trained,
      mAP_without_trained, num_excluded_without_trained`` where queries were trained on (nan where
      all were), ``rank1_within_side, mAP_within_side, num_excluded_within_side`` and the same of
      ``_across_sides`` where there are sides, ``rank1_reranked, mAP_reranked`` with ``rerank``,
      ``roc_auc, average_precision, eer, tar@far=..., best_f1, best_f1_threshold`` of pairs of
      photos, ``one_shot_20way`` where there are alphabets, ``num_photos, num_individuals,
      num_queries, num_gallery, num_excluded, num_pairs``; and what they are means of.
    """
    embeddings, labels = np.asarray(embeddings, np.float32), np.asarray(labels)
    query, gallery = np.asarray(query), np.asarray(gallery)
    columns = columns or {}
    asked, shown = rows_of(embeddings, query), rows_of(embeddings, gallery)
    rules: dict[str, Any] = retrieval_rules(labels, query, gallery, columns)
    result = evaluate_retrieval(asked, shown, metric=metric, **rules, return_per_query=True)
    per_query = result.pop("per_query")
    for key, name in PER_QUERY.items():
        low, high = mean_interval(per_query[key], labels[query])
        result |= {f"{name}_low": low, f"{name}_high": high}
    other_day = retrieval_rules(labels, query, gallery, columns, other_day=True)

    def ranked_without(rules: Mapping[str, np.ndarray], affected: np.ndarray) -> dict[str, Any]:
        """Means under further rules, which change the ranking of some of the queries alone."""
        own: dict[str, Any] = {
            name: values[affected] if name.startswith("query_") else values
            for name, values in rules.items()
        }
        again = evaluate_retrieval(
            asked[affected], shown, metric=metric, **own, return_per_query=True
        )["per_query"]
        values = {key: per_query[key].copy() for key in PER_QUERY}
        for key, array in values.items():
            array[affected] = again[key]
        return _means(values)

    if (mixed := _meets_own_day(other_day)).any():
        other = ranked_without(other_day, mixed)
        result |= {f"{name}_other_day": value for name, value in other.items()}
    if (copied := _has_copy(query, gallery, columns)).any():
        content = np.unique(columns["digest"], return_inverse=True)[1].reshape(-1)
        index = {"query_index": content[query], "gallery_index": content[gallery]}
        other = ranked_without({**rules, **index}, copied)
        result |= {f"{name}_without_copies": value for name, value in other.items()}
        result["num_queries_with_copy"] = int(copied.sum())
    if has_sides(sides := columns.get(SIDE)):
        assert sides is not None
        within = by_sides(asked, shown, (sides[query], sides[gallery]), rules, metric)
        for kind, values in within.items():
            other = _means(values) if values else {}
            result |= {f"{name}_{kind}": value for name, value in other.items()}
    if trained is not None and trained[query].any():
        fresh = ~trained[query]
        other = _means({key: per_query[key][fresh] for key in PER_QUERY})
        result |= {f"{name}_without_trained": value for name, value in other.items()}
        result["num_queries_trained"] = int(np.sum(~fresh))
    if rerank:
        blocks = k_reciprocal_blocks(embeddings, query, gallery, metric=metric)
        again = evaluate_distances(blocks, **rules)
        result |= {f"{name}_reranked": again[name] for name in ("rank1", "mAP")}

    rows = np.union1d(query, gallery)
    scores, same = scored_pairs(
        embeddings, labels, query, gallery, columns=columns, metric=metric, seed=seed
    )
    if same.any() and not same.all():
        result["roc_auc"] = roc_auc(scores, same)
        result["average_precision"] = average_precision(scores, same)
        result["eer"] = equal_error_rate(scores, same)
        for far in FALSE_ACCEPT_RATES:
            result[f"tar@far={far:g}"] = tar_at_far(scores, same, far)[0]
        result["best_f1"], result["best_f1_threshold"] = best_f1(scores, same)
    unseen = held_out(query, gallery)
    result |= _one_shot(embeddings[unseen], labels[unseen], unseen, columns, metric, seed)
    result |= {
        "num_photos": len(rows),
        "num_individuals": len(np.unique(labels[rows])),
        "num_gallery": len(gallery),
        "num_pairs": len(scores),
    }
    return result, Details(per_query, scores, same)


PER_QUERY = {"cmc@1": "rank1", "ap": "mAP"}
"""What the means of values of each query are called."""


def _means(per_query: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Of those of some queries that have a match, and how many have none."""
    there = ~np.isnan(per_query["ap"])
    means = {
        name: float(per_query[key][there].mean()) if there.any() else float("nan")
        for key, name in PER_QUERY.items()
    }
    return {**means, "num_excluded": int(np.sum(~there))}


def luck(
    ours: Mapping[str, np.ndarray], theirs: Mapping[str, np.ndarray], individuals: np.ndarray
) -> dict[str, float]:
    """p-values ``rank1_p, mAP_p`` of two embeddings' differences being luck, by individuals.

    Args:
      ours, theirs: measures ``(Q,)`` of the same queries, see :class:`Details`.
      individuals: ``(Q,)`` of the queries.
    """
    sums = [group_sums(ours[key] - theirs[key], individuals)[0] for key in PER_QUERY]
    found = sign_flip_p_values(np.stack(sums, axis=1))
    return {f"{name}_p": float(p) for name, p in zip(PER_QUERY.values(), found, strict=True)}


def rows_of(embeddings: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """``embeddings[rows]``, without a copy where these are all of them in order."""
    whole = len(rows) == len(embeddings) and np.array_equal(rows, np.arange(len(rows)))
    return embeddings if whole else embeddings[rows]


def scored_pairs(
    embeddings: np.ndarray,
    labels: np.ndarray,
    query: np.ndarray,
    gallery: np.ndarray,
    *,
    columns: Mapping[str, np.ndarray],
    metric: str,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Scores ``(P,)`` float32 of pairs (query, gallery), and ``(P,)`` bool whether they are same.

    What a search leaves out is no pair: two photos of the gallery (which may have been trained on),
    one camera, and always the same day, as photos of one encounter are alike whoever it is; nor two
    exact copies. The pairs depend on the photos alone, not on the embeddings.
    """
    query, gallery = np.asarray(query), np.asarray(gallery)
    rules = retrieval_rules(labels, query, gallery, columns, other_day=True)
    pairs, same = choose_pairs(**rules, seed=seed)
    if "digest" in columns:
        digests = columns["digest"]
        other = digests[query[pairs[:, 0]]] != digests[gallery[pairs[:, 1]]]
        pairs, same = pairs[other], same[other]
    asked, shown = rows_of(embeddings, query), rows_of(embeddings, gallery)
    return score_pairs(asked, shown, pairs, metric), same


def held_out(query: np.ndarray, gallery: np.ndarray) -> np.ndarray:
    """Photos that nothing was learnt from, rising indices.

    A gallery that holds the queries too is held out as they are (leave-one-out). Another one may
    have been trained on, as those of splits by photo and by date are.
    """
    return np.unique(gallery if np.isin(query, gallery).all() else query)


def some_queries(query: np.ndarray, gallery: int, dimensions: int, seed: int) -> np.ndarray:
    """The queries that a baseline is judged by, rising: all, or so many drawn by ``seed`` that the
    ranking takes minutes, not hours.

    Raw pixels have thousands of dimensions, which with a hundred thousand photos take longer than
    all the rest of a report.
    """
    most = max(_FEWEST_QUERIES, _MOST_PRODUCTS // (gallery * dimensions))
    if len(query) <= most:
        return query
    return np.sort(np.random.default_rng([seed, _DRAW]).permutation(query)[:most])


def in_part(metrics: Mapping[str, Any], baselines: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """A sentence about baselines that were judged by a part of the queries, if there are any."""
    asked = metrics.get("num_queries") or 0
    return [
        f"{name} were judged by {number:,} of the {asked:,} photos, drawn at random."
        for name, values in baselines.items()
        if 0 < (number := int(values.get("num_queries") or 0)) < asked
    ]


def left_out(metrics: Mapping[str, Any]) -> list[str]:
    """What has to be known about the queries, in sentences: nothing if all is well."""
    sentences, number = [], int(metrics.get("num_queries") or 0)
    if excluded := metrics.get("num_excluded"):
        of_all = f"of {number:,} photos"
        have = counted(excluded, f"{of_all} has", f"{of_all} have")
        sentences.append(
            f"{have} no other photo of their individual to be "
            "matched with (by another camera, where cameras are known); they are left out."
        )
    trained = int(metrics.get("num_queries_trained") or 0)
    if trained and trained == number:
        sentences.append(
            f"All {number:,} photos that are searched for were trained on, so these numbers say "
            "nothing about other photos."
        )
    elif trained:
        of_all = f"of {number:,} photos that are searched for"
        were = counted(trained, f"{of_all} was", f"{of_all} were")
        sentences.append(
            f"{were} trained on, which "
            "flatters; what is named not trained on is of the others alone."
        )
    return sentences


def _meets_own_day(rules: Mapping[str, np.ndarray]) -> np.ndarray:
    """``(Q,)`` bool: whether a query meets another photo of its own encounter."""
    if "query_groups" not in rules:
        return np.zeros(len(rules["query_ids"]), bool)
    group, index = rules["query_groups"], rules["query_index"]
    photos = np.bincount(rules["gallery_groups"], minlength=group.max(initial=0) + 1)
    return photos[group] > np.isin(index, rules["gallery_index"])


def _has_copy(
    query: np.ndarray, gallery: np.ndarray, columns: Mapping[str, np.ndarray]
) -> np.ndarray:
    """``(Q,)`` bool: whether a query has an exact copy in the gallery."""
    if COLUMN not in columns:
        return np.zeros(len(query), bool)
    return has_copy(columns[COLUMN], query, gallery)


def _one_shot(
    embeddings: np.ndarray,
    labels: np.ndarray,
    rows: np.ndarray,
    columns: Mapping[str, np.ndarray],
    metric: str,
    seed: int,
) -> dict[str, float]:
    if "alphabet" not in columns:
        return {}
    drawers = columns["drawer"][rows] if "drawer" in columns else None
    try:
        shown, asked = draw_episodes(
            labels, columns["alphabet"][rows], drawers, ways=_WAYS, episodes=_EPISODES, seed=seed
        )
    except UserError:  # no alphabet has 20 characters here: there is nothing to report
        return {}
    accuracy = one_shot_accuracy(embeddings, shown, asked, metric)
    return {f"one_shot_{_WAYS}way": float(accuracy.mean())}


def raw_pixel_embeddings(images: np.ndarray, size: int = 32) -> np.ndarray:
    """The baseline that knows nothing: each photo's pixels, standardised.

    Args:
      images: ``(N, H, W, C)`` uint8, reduced to ``size`` by averaging when they are a multiple of
        it.

    Returns:
      ``(N, D)`` float32, each row with mean 0 and variance 1, so that neither brightness nor
      contrast of the whole photo decides.
    """
    images = np.asarray(images)
    if images.ndim != 4:
        raise UserError(f"Images have the shape {images.shape}: they must be (N, H, W, C).")
    number, height, width, channels = images.shape
    if height > size and height % size == 0 and width % size == 0:
        shape = (number, size, height // size, size, width // size, channels)
        flat = images.reshape(shape).mean(axis=(2, 4), dtype=np.float32).reshape(number, -1)
    else:
        flat = images.astype(np.float32).reshape(number, -1)
    flat -= flat.mean(axis=1, keepdims=True)
    return flat / np.maximum(flat.std(axis=1, keepdims=True), 1e-6)
