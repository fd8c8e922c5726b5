"""Convolutions at several frame rates, side by side."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from reid_jax.models.temporal.frames import (
    FrameConvolution,
    VideoEncoder,
    masked_mean,
    split_windows,
)


class MultiScaleEncoder(VideoEncoder):
    """Features (B, T, D) and mask (B, T) -> (B, embedding_dim).

    For each stride, means of so many neighbouring frames go through a convolution of their own, so
    that one sees quick changes and another slow ones (as the pathways of SlowFast, Feichtenhofer et
    al., ICCV 2019); their means over time are concatenated.
    """

    strides: tuple[int, ...] = (1, 2, 4)

    def video(self, features: jax.Array, mask: jax.Array, train: bool) -> jax.Array:
        x = self.projected(features, mask, train)
        scales = []
        for stride in self.strides:
            windows, real = split_windows(x, mask, stride)
            slower, there = masked_mean(windows, real), real.any(axis=-1)
            convolution = FrameConvolution(self.width, name=f"stride{stride}")
            slower = slower + nn.gelu(convolution(nn.LayerNorm()(slower), there))
            scales.append(masked_mean(slower, there))
        return jnp.concatenate(scales, axis=-1)
