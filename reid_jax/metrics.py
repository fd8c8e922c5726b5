"""How good embeddings or scores are: exact, and in blocks where there are many."""

from reid_jax.individuals.open_set import evaluate_open_set
from reid_jax.ops.grouping.agreement import agreement
from reid_jax.ops.grouping.linkage import average_linkage, groups_at
from reid_jax.ops.ranking.neighbours import neighbour_agreement
from reid_jax.ops.ranking.reranking import k_reciprocal_distances
from reid_jax.ops.ranking.retrieval import nearest
from reid_jax.ops.significance import mean_interval
from reid_jax.ops.verification import (
    average_precision,
    best_f1,
    confusion_matrix,
    equal_error_rate,
    roc_auc,
    roc_curve,
    tar_at_far,
)
from reid_jax.ops.whitening import whitened, within_class_whitening

__all__ = [
    "agreement",
    "average_linkage",
    "average_precision",
    "best_f1",
    "confusion_matrix",
    "equal_error_rate",
    "evaluate_open_set",
    "groups_at",
    "k_reciprocal_distances",
    "mean_interval",
    "nearest",
    "neighbour_agreement",
    "roc_auc",
    "roc_curve",
    "tar_at_far",
    "whitened",
    "within_class_whitening",
]
