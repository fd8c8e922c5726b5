"""Gated convolutions whose every layer speaks to the output (van den Oord et al. 2016, WaveNet)."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from reid_jax.models.layers import Dropout
from reid_jax.models.temporal.frames import FrameConvolution, VideoEncoder, masked_mean


class SkipEncoder(VideoEncoder):
    """Features (B, T, D) and mask (B, T) -> (B, embedding_dim).

    Gated, dilated layers (van den Oord et al., arXiv:1609.03499, eq. 2) with a residual path and a
    skip path (figure 4); the video is the mean over frames of the sum of all skips.
    """

    blocks: int = 3

    def video(self, features: jax.Array, mask: jax.Array, train: bool) -> jax.Array:
        x = self.projected(features, mask, train)
        skips = x
        for block in range(self.blocks):
            both = FrameConvolution(2 * self.width, dilation=2**block)(nn.LayerNorm()(x), mask)
            filtered, gate = jnp.split(both, 2, axis=-1)
            y = nn.tanh(filtered) * nn.sigmoid(gate)
            y = Dropout(self.dropout, not train, self.axis_name)(y)
            x = x + nn.Dense(self.width)(y)
            skips = skips + nn.Dense(self.width)(y)
        return masked_mean(nn.gelu(skips), mask)
