"""From a feature map to one vector: average and generalised-mean pooling."""

from __future__ import annotations

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from reid_jax.errors import UserError
from reid_jax.models.layers import widen


def average_pool(x: jax.Array) -> jax.Array:
    """Mean over the positions: (B, H, W, C) -> (B, C) float32.

    Raises:
      UserError: for a map without positions, which an image too small for its network leaves.
    """
    chex.assert_rank(x, 4)
    _require_positions(x)
    return widen(x).mean((1, 2))


def halved(x: jax.Array) -> jax.Array:
    """Means of squares of 2 x 2 positions: (B, H, W, C) -> (B, H // 2, W // 2, C)."""
    chex.assert_rank(x, 4)
    batch, height, width, features = x.shape
    x = x[:, : height // 2 * 2, : width // 2 * 2]
    return x.reshape(batch, height // 2, 2, width // 2, 2, features).mean((2, 4))


def _require_positions(x: jax.Array) -> None:
    if 0 in x.shape[1:3]:
        raise UserError(
            "the images are too small for this network: nothing is left of its last map"
        )


def adaptive_average_pool(x: jax.Array, size: int) -> jax.Array:
    """Means over `size` x `size` bins: (B, H, W, C) -> (B, size, size, C), as PyTorch cuts them.

    Bin i of n positions spans [floor(i n / size), ceil((i + 1) n / size)).
    """
    chex.assert_rank(x, 4)
    _require_positions(x)
    rows, columns = (_bin_means(n, size, x.dtype) for n in x.shape[1:3])
    return jnp.einsum("ih,jw,bhwc->bijc", rows, columns, x, precision="highest")


def _bin_means(positions: int, bins: int, dtype: np.dtype) -> jax.Array:
    weights = np.zeros((bins, positions))
    for i in range(bins):
        start, stop = i * positions // bins, -((i + 1) * positions // -bins)
        weights[i, start:stop] = 1.0 / (stop - start)
    return jnp.asarray(weights, dtype)


def gem_pool(x: jax.Array, p: jax.Array, eps: float = 1e-6) -> jax.Array:
    """Generalised mean over the positions: (B, H, W, C) -> (B, C) float32.

    (mean of max(x, eps)^p)^(1/p), Radenovic, Tolias and Chum 2018, eq. 3; p = 1 is the average of
    the clamped map, p -> infinity its maximum. `p` is a float32 scalar.
    """
    chex.assert_rank([x, p], [4, 0])
    x = jnp.maximum(widen(x), eps)
    # Dividing by the largest value keeps x^p from overflowing or vanishing when p has grown.
    largest = jax.lax.stop_gradient(x.max((1, 2), keepdims=True))
    mean = jnp.exp(p * jnp.log(x / largest)).mean((1, 2))
    return largest[:, 0, 0, :] * jnp.exp(jnp.log(mean) / p)


class GeM(nn.Module):
    """`gem_pool` with a learnable exponent, one for all channels, that starts at `p`."""

    p: float = 3.0
    eps: float = 1e-6

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        p = self.param("p", nn.initializers.constant(self.p), (), jnp.float32)
        return gem_pool(x, p, self.eps)
