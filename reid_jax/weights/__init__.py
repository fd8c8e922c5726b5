"""Published weights: reading and writing them, and the input they expect."""

from reid_jax.weights.convert import into_embedding_net, load_pretrained, save_pretrained
from reid_jax.weights.inputs import input_info, is_published, with_origin

__all__ = [
    "input_info",
    "into_embedding_net",
    "is_published",
    "load_pretrained",
    "save_pretrained",
    "with_origin",
]
