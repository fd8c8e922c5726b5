"""Attention over frames with learned queries (Lee et al., ICML 2019, "Set Transformer", PMA)."""

import chex
import flax.linen as nn
import jax

from reid_jax.models.temporal.attention import attend
from reid_jax.models.temporal.frames import VideoEncoder, masked_mean


class AttentionPooling(nn.Module):
    """Frames (B, T, D) and mask (B, T) -> (B, D): what one learned query a head attends to.

    Heads of D / heads numbers. The mean over frames is added, so that training starts from it.
    Nothing to attend to gives the bias.
    """

    heads: int = 4

    @nn.compact
    def __call__(self, x: jax.Array, mask: jax.Array) -> jax.Array:
        chex.assert_rank([x, mask], [3, 2])
        width = x.shape[-1]
        chex.assert_is_divisible(width, self.heads)
        per_head = (*x.shape[:2], self.heads, width // self.heads)
        keys = nn.Dense(width, name="keys")(x).reshape(per_head)
        values = nn.Dense(width, name="values")(x).reshape(per_head)
        query = self.param("query", nn.initializers.normal(1.0), per_head[2:])
        attended = attend(query[None, None], keys, values, mask[:, None, :])
        attended = attended.reshape(x.shape[0], width)
        return masked_mean(x, mask) + nn.Dense(width, name="output")(attended)


class AttentionEncoder(VideoEncoder):
    """Features (B, T, D) and mask (B, T) -> (B, embedding_dim) by multi-head attention pooling."""

    heads: int = 4

    def video(self, features: jax.Array, mask: jax.Array, train: bool) -> jax.Array:
        x = self.projected(features, mask, train)
        return AttentionPooling(self.heads)(x, mask)
