"""From embeddings to measures, tables, pictures and a report."""

from reid_jax.ops.retrieval import evaluate_retrieval, nearest

__all__ = ["evaluate_retrieval", "nearest"]
