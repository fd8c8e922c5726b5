"""A network beside its baselines on the same photos: how good it is, and what is wrong with it."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from reid_jax.data.photos import Dataset, QueryGallery
from reid_jax.data.photos.content import COLUMN, content_digests
from reid_jax.errors import UserError
from reid_jax.individuals.diagnosis import diagnose
from reid_jax.individuals.evidence.features import Evidence
from reid_jax.individuals.evidence.judge import Known, evaluate_evidence
from reid_jax.individuals.measures import (
    Details,
    evaluate_in_detail,
    luck,
    some_queries,
)
from reid_jax.individuals.model import TrainedModel, embed_beside_baselines
from reid_jax.reporting.symptom import Symptom
from reid_jax.training.hosts.shares import Shares


@dataclass(frozen=True)
class Judgement:
    """Attributes:
    dataset: the photos that were looked at.
    query, gallery: rows of it.
    embeddings: ``(N, D)`` of these photos.
    metrics, details: of the network, see ``evaluate_in_detail``.
    baselines: metrics of others, by name.
    symptoms: what is wrong, the worst first.
    """

    dataset: Dataset
    query: np.ndarray
    gallery: np.ndarray
    embeddings: np.ndarray
    metrics: dict[str, Any]
    details: Details
    baselines: dict[str, dict[str, Any]]
    symptoms: list[Symptom]


def judge(
    model: TrainedModel,
    dataset: Dataset,
    test: QueryGallery,
    *,
    split: str | None,
    learnt: np.ndarray | None,
    trained: Dataset | None = None,
    rerank: bool = False,
    evidence: Evidence = "none",
    shares: Shares | None = None,
) -> Judgement:
    """Embeds what is searched for and searched in, and evaluates it; for the arguments see
    :func:`reid_jax.individuals.run.report`."""
    rows = np.union1d(test.query, test.gallery)
    query, gallery = np.searchsorted(rows, test.query), np.searchsorted(rows, test.gallery)
    photos = dataset.subset(rows)
    digests = content_digests(photos)
    candidates = embed_beside_baselines(model, photos, shares, finished=False)
    plain = candidates["this network"]
    ours = candidates["this network"] = model.finished(plain)
    options: Any = {
        "columns": {**photos.columns, COLUMN: digests},
        "metric": model.task.metric,
        "trained": None if learnt is None else np.isin(digests, learnt),
        "rerank": rerank,
    }
    metrics, details, baselines = evaluate_candidates(
        candidates, photos.labels, query, gallery, seed=model.config.train.seed, **options
    )
    if split is not None:
        metrics["split"] = split
    symptoms = diagnose(
        *(model, plain, photos, QueryGallery(query, gallery), metrics, baselines),
        split=split,
        trained=trained,
    )
    if evidence != "none":
        baselines |= evaluate_evidence(
            *(ours, photos, QueryGallery(query, gallery)),
            evidence=evidence,
            metric=model.task.metric,
            known=_known(model),
            seed=model.config.train.seed,
        )
    return Judgement(photos, query, gallery, ours, metrics, details, baselines, symptoms)


def _known(model: TrainedModel) -> Known | None:
    """The run's photos beside those of its test: of the validation, or else of the training."""
    try:
        dataset, splits = model.load_data()
    except (UserError, OSError):  # they are gone: scores are fused by ranks
        return None
    rows = splits.train if splits.validation is None else np.union1d(*splits.validation)
    if not len(rows):
        return None
    return Known(dataset.subset(rows), np.isin(rows, splits.train), model.embed)


def evaluate_candidates(
    candidates: dict[str, np.ndarray],
    labels: np.ndarray,
    query: np.ndarray,
    gallery: np.ndarray,
    *,
    seed: int,
    **options: Any,
) -> tuple[dict[str, Any], Details, dict[str, dict[str, Any]]]:
    """Metrics and details of "this network", and metrics of the other embeddings by name.

    The embeddings are taken out of the dictionary one by one, as those of raw pixels are large. The
    others are judged by a part of the queries where ranking all takes long, see `some_queries`, and
    have beside their own the p-values of `luck`. `options` are those of `evaluate_embeddings`.
    """
    ours = candidates.pop("this network")
    metrics, details = evaluate_in_detail(ours, labels, query, gallery, **options)
    baselines, order = {}, np.argsort(query)
    for name in list(candidates):
        embeddings = candidates.pop(name)
        asked = some_queries(query, len(gallery), embeddings.shape[1], seed)
        values, theirs = evaluate_in_detail(embeddings, labels, asked, gallery, **options)
        places = order[np.searchsorted(query, asked, sorter=order)]
        same = {key: each[places] for key, each in details.per_query.items()}
        baselines[name] = values | luck(same, theirs.per_query, labels[asked])
        del embeddings
    return metrics, details, baselines
