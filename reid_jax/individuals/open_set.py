"""Known and unknown individuals together: does the system find the one and reject the other?"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from reid_jax.errors import UserError
from reid_jax.individuals import rejection as ops
from reid_jax.ops.ranking.matching import has_match
from reid_jax.ops.ranking.retrieval import nearest


def evaluate_open_set(
    query_embeddings: Any,
    gallery_embeddings: Any,
    query_ids: Any,
    gallery_ids: Any,
    metric: str = "cosine",
    *,
    threshold: float | None = None,
    false_alarm_rates: Sequence[float] = (0.01, 0.05, 0.1, 0.2),
    query_index: Any = None,
    gallery_index: Any = None,
    return_per_query: bool = False,
) -> dict[str, Any]:
    """How well known individuals are identified while unknown ones are turned away.

    A query is *known* when the gallery has its identity by another photo: an individual of a single
    photo that is searched in all others is unknown. Its score is the similarity to the
    nearest gallery photo (ties: the lower gallery index), its answer the identity of that photo.

    Args:
      query_embeddings, gallery_embeddings: ``(Q, D)`` and ``(G, D)``; queries of known and unknown
        individuals together.
      query_ids, gallery_ids: ``(Q,)`` and ``(G,)`` identities, integers or strings. Unknown queries
        keep their own names, so that BAUS can weigh the individuals alike.
      metric: "cosine" or "euclidean" (the score is minus the distance).
      threshold: answers with a score below it are "unknown". Calibrate it on other individuals, see
        :func:`reid_jax.individuals.rejection.calibrate_threshold`. Without it, what needs one is
        left out: a threshold chosen on the measured queries would flatter.
      false_alarm_rates: of the detection and identification rates.
      query_index, gallery_index: which photo it is; the same photo is no neighbour of itself.
      return_per_query: also return what happened to each query.

    Returns:
      ``auroc`` (known against unknown), ``oscr``, ``dir@far=...`` per rate, ``closed_rank1`` (of
      the known, without rejection), ``num_known``, ``num_unknown`` (queries),
      ``num_known_individuals``, ``num_unknown_individuals``; with a threshold also ``baks``,
      ``baus``, ``geometric_mean``, ``threshold``. With ``return_per_query`` also ``per_query``:
      ``score``, ``nearest`` (gallery index), ``correct``, ``known``, each ``(Q,)``.

    Raises:
      UserError: no known or no unknown queries, or shapes that do not fit.

    Example:
      >>> gallery = np.array([[1.0, 0.0], [0.0, 1.0]])
      >>> asked = np.array([[0.9, 0.1], [0.7, 0.7]])
      >>> found = rj.metrics.evaluate_open_set(asked, gallery, ["ann", "eve"], ["ann", "bob"])
      >>> found["auroc"], found["num_unknown"]
      (1.0, 1)
    """
    query_ids, gallery_ids = np.asarray(query_ids), np.asarray(gallery_ids)
    if (query_ids.dtype.kind in "US") != (gallery_ids.dtype.kind in "US"):
        raise UserError("The ids are text for one of query and gallery and numbers for the other.")
    if len(query_ids) != len(query_embeddings) or len(gallery_ids) != len(gallery_embeddings):
        raise UserError(
            f"There are {len(query_embeddings)} query and {len(gallery_embeddings)} gallery "
            f"embeddings, but {len(query_ids)} and {len(gallery_ids)} ids: each photo needs one."
        )
    scores, index = nearest(
        query_embeddings,
        gallery_embeddings,
        1,
        metric,
        query_index=query_index,
        gallery_index=gallery_index,
    )
    score, answer = scores[:, 0].astype(np.float64), index[:, 0]
    known = _has_another(query_ids, gallery_ids, query_index, gallery_index)
    correct = known & (answer >= 0) & (gallery_ids[answer] == query_ids)

    true = np.unique(query_ids, return_inverse=True)[1]
    _, _, area = ops.oscr(score[known], correct[known], score[~known])
    result: dict[str, Any] = {
        "auroc": ops.known_unknown_auroc(score[known], score[~known]),
        "oscr": area,
        "closed_rank1": float(correct[known].mean()),
    }
    for rate in false_alarm_rates:
        result[f"dir@far={rate:g}"] = ops.detection_identification_rate(
            score[known], correct[known], score[~known], rate
        )[0]
    if threshold is not None:
        # A wrong individual only needs to differ from the right one and from "unknown".
        given = np.where(correct, true, true.max() + 1)
        given = np.where(score >= threshold, given, ops.UNKNOWN)
        result["baks"] = ops.baks(true, given, known)
        result["baus"] = ops.baus(true, given, known)
        result["geometric_mean"] = float(np.sqrt(result["baks"] * result["baus"]))
        result["threshold"] = float(threshold)
    result |= {
        "num_known": int(known.sum()),
        "num_unknown": int((~known).sum()),
        "num_known_individuals": len(np.unique(query_ids[known])),
        "num_unknown_individuals": len(np.unique(query_ids[~known])),
    }
    if return_per_query:
        result["per_query"] = {
            "score": score,
            "nearest": answer,
            "correct": correct,
            "known": known,
        }
    return result


def _has_another(
    query_ids: np.ndarray, gallery_ids: np.ndarray, query_index: Any, gallery_index: Any
) -> np.ndarray:
    """``(Q,)`` bool: whether the gallery has the identity by a photo that is not the query."""
    if query_index is None:
        return np.isin(query_ids, gallery_ids)
    ids = np.unique(np.concatenate([query_ids, gallery_ids]), return_inverse=True)[1].reshape(-1)
    index = np.concatenate([np.asarray(query_index), np.asarray(gallery_index)])
    photos = np.stack([ids, np.unique(index, return_inverse=True)[1].reshape(-1)])
    photo = np.unique(photos, axis=1, return_inverse=True)[1].reshape(-1)
    queries, gallery = np.split(np.arange(len(ids)), [len(query_ids)])
    return has_match(ids, photo, queries, gallery)
