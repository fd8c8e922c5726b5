"""A graph network over frames, each joined to the frames most alike."""

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp

from reid_jax.models.layers import Dropout
from reid_jax.models.temporal.frames import VideoEncoder, masked_mean, zero_padding
from reid_jax.ops.distances import normalize


class GraphEncoder(VideoEncoder):
    """Features (B, T, D) and mask (B, T) -> (B, embedding_dim).

    The graph joins each frame to the k others with the highest cosine of the given features; layers
    add what a frame and the mean of its neighbours say (Hamilton, Ying & Leskovec, NeurIPS 2017,
    "GraphSAGE", mean aggregator). The similarities need (B, T, T) memory.
    """

    neighbours: int = 4
    layers: int = 2

    def video(self, features: jax.Array, mask: jax.Array, train: bool) -> jax.Array:
        neighbours, joined = nearest_frames(features, mask, self.neighbours)
        x = self.projected(features, mask, train)
        for _ in range(self.layers):
            y = nn.LayerNorm()(x)
            around = masked_mean(jax.vmap(lambda frames, rows: frames[rows])(y, neighbours), joined)
            y = nn.gelu(nn.Dense(self.width)(y) + nn.Dense(self.width, use_bias=False)(around))
            x = x + Dropout(self.dropout, not train, self.axis_name)(y)
        return masked_mean(x, mask)


def nearest_frames(features: jax.Array, mask: jax.Array, k: int) -> tuple[jax.Array, jax.Array]:
    """For each frame of (B, T, D) the frames of its video most alike, itself left out.

    Returns:
      Their indices (B, T, K) int32 with K = min(k, T), and (B, T, K) bool: False where a video has
      too few frames. At equal similarity the earlier frame comes first.
    """
    chex.assert_rank([features, mask], [3, 2])
    unit = normalize(zero_padding(features.astype(jnp.float32), mask))
    similarity = jnp.einsum("btd,bsd->bts", unit, unit, precision=jax.lax.Precision.HIGHEST)
    length = mask.shape[1]
    other = mask[:, :, None] & mask[:, None, :] & ~jnp.eye(length, dtype=bool)[None]
    found, rows = jax.lax.top_k(jnp.where(other, similarity, -jnp.inf), min(k, length))
    return rows, found > -jnp.inf
