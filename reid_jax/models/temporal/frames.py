"""What the modules over frames share: masks, means that leave padding out, the first layer."""

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp

from reid_jax.models.layers import Dropout


def features_of(backbone: nn.Module, images: jax.Array, *, train: bool) -> jax.Array:
    """A backbone's features (B, T, D) of images (B, T, H, W, C), normalised float."""
    chex.assert_rank(images, 5)
    flat = images.reshape(-1, *images.shape[2:])
    features: jax.Array = backbone(flat, train=train)
    return features.reshape(*images.shape[:2], -1)


class FrameProjection(nn.Module):
    """Frame features (B, T, D) -> (B, T, width): LayerNorm, Dense, GELU; 0 where no frame is."""

    width: int
    dropout: float = 0.0
    axis_name: str | None = None

    @nn.compact
    def __call__(self, features: jax.Array, mask: jax.Array, *, train: bool) -> jax.Array:
        chex.assert_rank([features, mask], [3, 2])
        chex.assert_equal_shape_prefix([features, mask], 2)
        # What stands in padding may be anything, also NaN.
        x = zero_padding(features.astype(jnp.float32), mask)
        x = nn.gelu(nn.Dense(self.width)(nn.LayerNorm()(x)))
        x = Dropout(self.dropout, not train, self.axis_name)(x)
        return zero_padding(x, mask)


class VideoEncoder(nn.Module):
    """Features (B, T, D) and mask (B, T) -> (B, embedding_dim): a `video` and a last layer.

    Attributes:
      embedding_dim, width: of the result, and within.
      dropout: rate.
      axis_name: over which devices share a batch.
    """

    embedding_dim: int = 128
    width: int = 256
    dropout: float = 0.0
    axis_name: str | None = None

    @nn.compact
    def __call__(self, features: jax.Array, mask: jax.Array, *, train: bool) -> jax.Array:
        video = self.video(features, mask, train)
        return nn.Dense(self.embedding_dim)(video)

    def video(self, features: jax.Array, mask: jax.Array, train: bool) -> jax.Array:
        """What stands for the video, (B, F)."""
        raise NotImplementedError

    def projected(self, features: jax.Array, mask: jax.Array, train: bool) -> jax.Array:
        """Features through a `FrameProjection` of their own."""
        project = FrameProjection(self.width, self.dropout, self.axis_name)
        return project(features, mask, train=train)


class FrameConvolution(nn.Module):
    """A convolution over time, (B, T, D) -> (B, T, width), that sees padding as the video's end."""

    width: int
    kernel: int = 3
    dilation: int = 1

    @nn.compact
    def __call__(self, x: jax.Array, mask: jax.Array) -> jax.Array:
        convolution = nn.Conv(self.width, (self.kernel,), kernel_dilation=(self.dilation,))
        return zero_padding(convolution(zero_padding(x, mask)), mask)


def zero_padding(x: jax.Array, mask: jax.Array) -> jax.Array:
    """`x` (..., T, D) with zeros where `mask` (..., T) is False."""
    return jnp.where(mask[..., None], x, 0.0)


def masked_mean(x: jax.Array, mask: jax.Array) -> jax.Array:
    """The mean of `x` (..., T, D) over the frames of `mask` (..., T) -> (..., D); 0 without any."""
    number = jnp.sum(mask, axis=-1, keepdims=True).astype(x.dtype)
    return jnp.sum(zero_padding(x, mask), axis=-2) / jnp.maximum(number, 1.0)


def split_windows(x: jax.Array, mask: jax.Array, size: int) -> tuple[jax.Array, jax.Array]:
    """Cuts (B, T, D) and (B, T) into windows (B, W, size, D) and (B, W, size), the last padded."""
    batch, length, depth = x.shape
    windows = -(-length // size)
    extra = windows * size - length
    x = jnp.pad(x, ((0, 0), (0, extra), (0, 0)))
    mask = jnp.pad(mask, ((0, 0), (0, extra)))
    return x.reshape(batch, windows, size, depth), mask.reshape(batch, windows, size)
