"""From embeddings to measures, tables, pictures and a report."""

from reid_jax.evaluation.open_set import evaluate_open_set
from reid_jax.ops.retrieval import evaluate_retrieval, nearest

__all__ = ["evaluate_open_set", "evaluate_retrieval", "nearest"]
