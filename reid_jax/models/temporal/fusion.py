"""Several streams of features of the same frames, fused by a gate."""

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp

from reid_jax.models.temporal.frames import FrameProjection, masked_mean, zero_padding


class FusionEncoder(nn.Module):
    """Features (B, T, D) and mask (B, T) -> (B, embedding_dim).

    Each stream is projected by itself; at each frame a softmax over the streams says how much each
    counts (Arevalo et al. 2017, "Gated multimodal units", with a softmax for many streams).

    Attributes:
      streams: widths of the streams that D is cut into, such as (1280, 2048) for the features of
        two networks side by side; they must add up to D. Empty: three streams are made of D itself,
        the features, their change since the frame before, and their difference from the mean.
    """

    embedding_dim: int = 128
    width: int = 256
    dropout: float = 0.0
    axis_name: str | None = None
    streams: tuple[int, ...] = ()

    @nn.compact
    def __call__(self, features: jax.Array, mask: jax.Array, *, train: bool) -> jax.Array:
        projected = [
            FrameProjection(self.width, self.dropout, self.axis_name)(stream, mask, train=train)
            for stream in self._split(features, mask)
        ]
        stacked = jnp.stack(projected, axis=-2)
        gate = nn.Dense(len(projected))(jnp.concatenate(projected, axis=-1))
        fused = jnp.einsum("bts,btsd->btd", jax.nn.softmax(gate), stacked)
        return nn.Dense(self.embedding_dim)(masked_mean(fused, mask))

    def _split(self, features: jax.Array, mask: jax.Array) -> list[jax.Array]:
        if self.streams:
            chex.assert_axis_dimension(features, 2, sum(self.streams))
            ends = [sum(self.streams[: i + 1]) for i in range(len(self.streams) - 1)]
            return jnp.split(features, ends, axis=2)
        x = zero_padding(features.astype(jnp.float32), mask)
        before = jnp.concatenate([x[:, :1], x[:, :-1]], axis=1)
        return [x, x - before, x - masked_mean(x, mask)[:, None]]
