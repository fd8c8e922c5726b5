"""Which tuples of a batch count: for losses of one's own."""

from reid_jax.ops.distances import cosine_similarity, euclidean
from reid_jax.ops.losses.triplet import semi_hard_negatives
from reid_jax.ops.mining.blockwise import hardest
from reid_jax.ops.mining.in_batch import in_batch

__all__ = ["cosine_similarity", "euclidean", "hardest", "in_batch", "semi_hard_negatives"]
