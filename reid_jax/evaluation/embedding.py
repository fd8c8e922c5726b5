"""All measures of a set of embeddings in one flat dictionary, and the baseline of raw pixels."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from reid_jax.data.content import has_copy
from reid_jax.errors import UserError
from reid_jax.evaluation.calibration import has_match
from reid_jax.ops.episodes import draw_episodes, one_shot_accuracy
from reid_jax.ops.reranking import k_reciprocal_blocks
from reid_jax.ops.retrieval import evaluate_distances, evaluate_retrieval
from reid_jax.ops.verification import (
    average_precision,
    best_f1,
    bootstrap_mean,
    equal_error_rate,
    pair_scores,
    roc_auc,
    tar_at_far,
)

FALSE_ACCEPT_RATES = (1e-2, 1e-3, 1e-4)
_WAYS, _EPISODES = 20, 4000


def evaluate_embeddings(
    embeddings: np.ndarray,
    labels: np.ndarray,
    query: np.ndarray,
    gallery: np.ndarray,
    *,
    columns: Mapping[str, np.ndarray] | None = None,
    metric: str = "cosine",
    rerank: bool = False,
    seed: int = 0,
) -> dict[str, Any]:
    """Retrieval, verification and (where the photos have alphabets) one-shot recognition.

    The same photo never counts as its own match. Where the photos come from more than one camera,
    the same individual by the same camera does not count either (Market-1501's protocol). Where
    photos have dates, and some queries have matches of their own day, the measures are also given
    without those: photos of one encounter are alike for reasons that say nothing about who it is.
    Where a query has an exact copy in the gallery, under another name, the measures are also given
    with every photo counted once: its copies are then the photo itself.

    Args:
      embeddings: ``(N, D)`` float.
      labels: ``(N,)`` individuals.
      query, gallery: indices into the N photos; they may overlap.
      columns: facts about the photos, ``(N,)`` each; "camera", "date", "digest", "alphabet" and
        "drawer" are used.
      metric: how embeddings are compared: "cosine" or "euclidean".
      rerank: also rank anew by k-reciprocal neighbours (minutes for tens of thousands of photos).
      seed: of the pairs, episodes and bootstrap.

    Returns:
      floats and counts by name: ``rank1, rank5, rank10, precision@k, mAP, mINP, map_at_r,
      r_precision`` (see :func:`evaluate_retrieval`), ``rank1_low, rank1_high, mAP_low, mAP_high``
      (95% bootstrap intervals over individuals), ``rank1_other_day, mAP_other_day,
      num_excluded_other_day`` where the day makes a difference, ``num_queries_with_copy,
      rank1_without_copies, mAP_without_copies, num_excluded_without_copies`` where queries have
      exact copies in the gallery, ``rank1_reranked, mAP_reranked`` with ``rerank``, ``roc_auc,
      average_precision, eer, tar@far=..., best_f1, best_f1_threshold`` of pairs of photos,
      ``one_shot_20way`` where there are alphabets, ``num_photos, num_individuals, num_queries,
      num_gallery, num_excluded, num_pairs``.
    """
    embeddings, labels = np.asarray(embeddings, np.float32), np.asarray(labels)
    query, gallery = np.asarray(query), np.asarray(gallery)
    columns = columns or {}
    asked, shown = embeddings[query], embeddings[gallery]
    rules: dict[str, Any] = retrieval_rules(labels, query, gallery, columns)
    result = evaluate_retrieval(asked, shown, metric=metric, **rules, return_per_query=True)
    per_query = result.pop("per_query")
    for name, key in (("rank1", "cmc@1"), ("mAP", "ap")):
        low, high = bootstrap_mean(per_query[key], labels[query], seed=seed)
        result |= {f"{name}_low": low, f"{name}_high": high}
    if encounters := _encounters(labels, query, gallery, columns):
        other = evaluate_retrieval(asked, shown, metric=metric, **rules, **encounters)
        shared = ("rank1", "mAP", "num_excluded")
        result |= {f"{name}_other_day": other[name] for name in shared}
    if copies := _copies(query, gallery, columns):
        without = rules | copies.pop("rules")
        other = evaluate_retrieval(asked, shown, metric=metric, **without)
        shared = ("rank1", "mAP", "num_excluded")
        result |= copies | {f"{name}_without_copies": other[name] for name in shared}
    if rerank:
        blocks = k_reciprocal_blocks(embeddings, query, gallery, metric=metric)
        again = evaluate_distances(blocks, **rules)
        result |= {f"{name}_reranked": again[name] for name in ("rank1", "mAP")}

    rows = np.union1d(query, gallery)
    scores, same, _ = pair_scores(embeddings[rows], labels[rows], seed=seed, metric=metric)
    if same.any() and not same.all():
        result["roc_auc"] = roc_auc(scores, same)
        result["average_precision"] = average_precision(scores, same)
        result["eer"] = equal_error_rate(scores, same)
        for far in FALSE_ACCEPT_RATES:
            result[f"tar@far={far:g}"] = tar_at_far(scores, same, far)[0]
        result["best_f1"], result["best_f1_threshold"] = best_f1(scores, same)
    result |= _one_shot(embeddings[rows], labels[rows], rows, columns, metric, seed)
    return result | {
        "num_photos": len(rows),
        "num_individuals": len(np.unique(labels[rows])),
        "num_gallery": len(gallery),
        "num_pairs": len(scores),
    }


def retrieval_rules(
    labels: np.ndarray, query: np.ndarray, gallery: np.ndarray, columns: Mapping[str, np.ndarray]
) -> dict[str, Any]:
    """Who is who and what is left out, as arguments of ``evaluate_retrieval`` and ``nearest``."""
    rules: dict[str, np.ndarray] = {"ids": labels, "index": np.arange(len(labels))}
    camera = columns.get("camera")
    if camera is not None and len(np.unique(camera)) > 1:
        rules["cameras"] = np.asarray(camera)
    return {
        f"{side}_{name}": values[rows]
        for name, values in rules.items()
        for side, rows in (("query", query), ("gallery", gallery))
    }


def check_matches(
    labels: np.ndarray, query: np.ndarray, gallery: np.ndarray, columns: Mapping[str, np.ndarray]
) -> None:
    """Refuses photos none of which has a match, by the rules of ``retrieval_rules``.

    Raises:
      UserError: saying what is missing.
    """
    cameras = np.asarray(columns.get("camera", np.zeros(len(labels))))
    names, codes = np.unique(cameras, return_inverse=True)
    several = len(names) > 1
    taken = np.arange(len(labels))
    if several:
        pairs = np.stack([labels, codes.reshape(-1)], axis=1)
        taken = np.unique(pairs, axis=0, return_inverse=True)[1].reshape(-1)
    if not has_match(labels, taken, query, gallery).any():
        by = " by another camera" if several else ""
        raise UserError(
            f"Nothing can be searched for: no photo has another one of its individual{by}; give "
            f"two photos or more of some individuals{by and ', by two cameras'}."
        )


def _encounters(
    labels: np.ndarray, query: np.ndarray, gallery: np.ndarray, columns: Mapping[str, np.ndarray]
) -> dict[str, Any]:
    """The rule that leaves out an individual's photos of the same day, where there are such."""
    if "date" not in columns:
        return {}
    days = np.asarray(columns["date"], "datetime64[D]")
    undated = np.isnat(days)
    day = np.where(undated, -1 - np.arange(len(days)), np.unique(days, return_inverse=True)[1])
    pairs = np.unique(np.stack([labels, day], axis=1), axis=0, return_inverse=True)[1].reshape(-1)
    photos = np.bincount(pairs)
    if not np.intersect1d(pairs[query], pairs[gallery][photos[pairs[gallery]] > 1]).size:
        return {}
    return {"query_groups": pairs[query], "gallery_groups": pairs[gallery]}


def _copies(
    query: np.ndarray, gallery: np.ndarray, columns: Mapping[str, np.ndarray]
) -> dict[str, Any]:
    """How many queries have an exact copy in the gallery, and the rules by which such a copy is the
    same photo; empty where there is none."""
    if "digest" not in columns:
        return {}
    number = int(has_copy(columns["digest"], query, gallery).sum())
    if not number:
        return {}
    content = np.unique(columns["digest"], return_inverse=True)[1].reshape(-1)
    rules = {"query_index": content[query], "gallery_index": content[gallery]}
    return {"num_queries_with_copy": number, "rules": rules}


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
