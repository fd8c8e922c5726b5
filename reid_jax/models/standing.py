"""How long embeddings are beside those of recent batches, which AdaFace takes for their quality."""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp

from reid_jax.ops.losses.quality import embedding_lengths, length_statistics, standing


class Standing(nn.Module):
    """`x` (B, D) -> (|x| - mean) / deviation, float32 (B,), without a gradient.

    Mean and standard deviation are moving averages over the steps, of the batch of all devices
    (Kim, Jain & Liu, CVPR 2022, "AdaFace", section 3.3). They start from the first batch, where the
    authors' code starts from 20 and 100: a step's share is taken of the shares so far.

    Attributes:
      rate: how much of the averages a step replaces.
      axis_name: the axis over which devices share the batch.
    """

    rate: float = 0.01
    axis_name: str | None = None

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        averages = [
            self.variable("batch_stats", name, jnp.zeros, (), jnp.float32)
            for name in ("mean", "deviation", "weight")
        ]
        lengths = embedding_lengths(x)
        if train and not self.is_initializing():
            found = (*length_statistics(lengths, axis_name=self.axis_name), jnp.float32(1.0))
            for average, now in zip(averages, found, strict=True):
                average.value += self.rate * (now - average.value)
        mean, deviation, weight = (average.value for average in averages)
        weight = jnp.maximum(weight, 1e-6)
        return standing(lengths, mean / weight, deviation / weight)
