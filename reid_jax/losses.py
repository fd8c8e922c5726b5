"""Losses of a batch of embeddings, for anyone's training loop.

All are pure functions that can be jitted, differentiated and shared over devices (`axis_name`).
They return a sum and a count: the mean is `loss / jnp.maximum(count, 1)`.
"""

from reid_jax.ops.losses.batch import angular_loss as angular
from reid_jax.ops.losses.batch import circle_loss as circle
from reid_jax.ops.losses.batch import multi_similarity_loss as multi_similarity
from reid_jax.ops.losses.batch import n_pair_loss as n_pair
from reid_jax.ops.losses.batch import supervised_contrastive_loss as supervised_contrastive
from reid_jax.ops.losses.contrastive import pair_contrastive_loss as contrastive
from reid_jax.ops.losses.distillation import cosine_loss as cosine
from reid_jax.ops.losses.distillation import relational_angle_loss as relational_angle
from reid_jax.ops.losses.distillation import relational_distance_loss as relational_distance
from reid_jax.ops.losses.distillation import similarity_preserving_loss as similarity_preserving
from reid_jax.ops.losses.frame_distillation import attention_map_loss as attention_map
from reid_jax.ops.losses.frame_distillation import frame_features_loss as frame_features
from reid_jax.ops.losses.large_softmax import chunked_margin_softmax_loss as chunked_margin_softmax
from reid_jax.ops.losses.large_softmax import sample_classes
from reid_jax.ops.losses.margin_softmax import margin_softmax_loss as margin_softmax
from reid_jax.ops.losses.margins import margin_logits
from reid_jax.ops.losses.proxy_anchor import proxy_anchor_loss as proxy_anchor
from reid_jax.ops.losses.quality import feature_quality
from reid_jax.ops.losses.triplet import triplet_loss as triplet

__all__ = [
    "angular",
    "attention_map",
    "chunked_margin_softmax",
    "circle",
    "contrastive",
    "cosine",
    "feature_quality",
    "frame_features",
    "margin_logits",
    "margin_softmax",
    "multi_similarity",
    "n_pair",
    "proxy_anchor",
    "relational_angle",
    "relational_distance",
    "sample_classes",
    "similarity_preserving",
    "supervised_contrastive",
    "triplet",
]
