"""Several streams of features of the same frames, fused by a gate."""

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp

from reid_jax.models.temporal.frames import VideoEncoder, masked_mean, zero_padding


class FusionEncoder(VideoEncoder):
    """Features (B, T, D) and mask (B, T) -> (B, embedding_dim).

    Three streams: the features, their change since the frame before, and their difference from the
    clip's mean; of features of several files, side by side in D, three of each. Each stream is
    projected by itself; at each frame a softmax over the streams says how much each counts
    (Arevalo et al. 2017, "Gated multimodal units", with a softmax for many streams).

    Attributes:
      files: how many equal parts D has.
    """

    files: int = 1

    def video(self, features: jax.Array, mask: jax.Array, train: bool) -> jax.Array:
        chex.assert_is_divisible(features.shape[-1], self.files)
        parts = jnp.split(features, self.files, axis=-1)
        streams = [stream for part in parts for stream in _streams(part, mask)]
        projected = [self.projected(stream, mask, train) for stream in streams]
        stacked = jnp.stack(projected, axis=-2)
        gate = nn.Dense(len(projected))(jnp.concatenate(projected, axis=-1))
        fused = jnp.einsum("bts,btsd->btd", jax.nn.softmax(gate), stacked)
        return masked_mean(fused, mask)


def _streams(features: jax.Array, mask: jax.Array) -> list[jax.Array]:
    x = zero_padding(features.astype(jnp.float32), mask)
    before = jnp.concatenate([x[:, :1], x[:, :-1]], axis=1)
    return [x, x - before, x - masked_mean(x, mask)[:, None]]
