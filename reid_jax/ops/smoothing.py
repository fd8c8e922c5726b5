"""Smoothing along time that does not look beyond what exists."""

import math

import chex
import jax
import jax.numpy as jnp
import numpy as np


def smooth_over_time(values: jax.Array, mask: jax.Array, *, sigma: float) -> jax.Array:
    """Gaussian average of each value and its neighbours that exist: (B, T), mask (B, T) -> (B, T).

    Weights exp(-d^2 / (2 sigma^2)) for distances d up to 3 sigma, normalised over the frames that
    the mask holds for (Nadaraya 1964); O(T x sigma). Masked frames come out as 0.

    Args:
      sigma: in frames, above 0.
    """
    chex.assert_rank(values, 2)
    chex.assert_equal_shape([values, mask])
    radius = math.ceil(3 * sigma)
    distance = np.arange(-radius, radius + 1)
    weights = np.exp(-0.5 * (distance / sigma) ** 2)
    present = mask.astype(values.dtype)
    held = jnp.where(mask, values, 0.0)
    total, norm = jnp.zeros_like(values), jnp.zeros_like(values)
    for offset, weight in enumerate(weights):
        total += float(weight) * _shifted(held, offset, radius)
        norm += float(weight) * _shifted(present, offset, radius)
    return jnp.where(mask, total / jnp.maximum(norm, 1e-12), 0.0)


def _shifted(values: jax.Array, offset: int, radius: int) -> jax.Array:
    padded = jnp.pad(values, ((0, 0), (radius, radius)))
    return jax.lax.dynamic_slice_in_dim(padded, offset, values.shape[1], axis=1)
