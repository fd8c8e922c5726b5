"""Normalisation, Euclidean distances and cosine similarities between two sets of vectors.

Everything is float32, and matrix products use full precision: a TPU's or GPU's default (bfloat16,
TF32) moves a distance between near neighbours by more than the gap between them.
"""

import chex
import jax
import jax.numpy as jnp

# A squared distance below this fraction of |a|^2 + |b|^2 is rounding error of the expansion
# |a|^2 + |b|^2 - 2 a.b, not a distance.
_ROUNDING = 2e-6
_SMALLEST_SQUARED_NORM = 1e-24


def dot_products(a: jax.Array, b: jax.Array) -> jax.Array:
    """`a` (A, D) and `b` (B, D) -> (A, B) inner products, float32 at full precision."""
    chex.assert_rank([a, b], 2)
    chex.assert_equal_shape_suffix([a, b], 1)
    return jnp.einsum(
        "ad,bd->ab",
        a.astype(jnp.float32),
        b.astype(jnp.float32),
        precision=jax.lax.Precision.HIGHEST,
    )


def normalize(vectors: jax.Array) -> jax.Array:
    """`vectors` (..., D) -> (..., D) float32 of unit length.

    A vector shorter than 1e-12 has no direction: it becomes 0, with gradient 0.
    """
    vectors = vectors.astype(jnp.float32)
    squared = jnp.sum(jnp.square(vectors), axis=-1, keepdims=True)
    has_direction = squared > _SMALLEST_SQUARED_NORM
    inverse = jax.lax.rsqrt(jnp.where(has_direction, squared, 1.0))
    return vectors * jnp.where(has_direction, inverse, 0.0)


def squared_euclidean(a: jax.Array, b: jax.Array) -> jax.Array:
    """`a` (A, D) and `b` (B, D) -> (A, B) squared Euclidean distances, float32, >= 0.

    Computed as |a|^2 + |b|^2 - 2 a.b; what is below the rounding error of that sum is exactly 0
    with gradient 0, so that duplicates are at distance 0.

    Raises AssertionError if `a` or `b` is not a matrix, or their widths differ.
    """
    chex.assert_rank([a, b], 2)
    chex.assert_equal_shape_suffix([a, b], 1)
    a, b = a.astype(jnp.float32), b.astype(jnp.float32)
    norms = jnp.sum(jnp.square(a), axis=1)[:, None] + jnp.sum(jnp.square(b), axis=1)[None, :]
    squared = norms - 2.0 * dot_products(a, b)
    return jnp.where(squared > _ROUNDING * norms, squared, 0.0)


def safe_sqrt(squared: jax.Array) -> jax.Array:
    """Square root whose gradient at 0 is 0 instead of infinite (input >= 0)."""
    positive = squared > 0.0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, squared, 1.0)), 0.0)


def euclidean(a: jax.Array, b: jax.Array) -> jax.Array:
    """`a` (A, D) and `b` (B, D) -> (A, B) Euclidean distances, float32; gradient 0 at distance 0.

    Raises AssertionError if `a` or `b` is not a matrix, or their widths differ.

    Example:
      >>> rj.mining.euclidean(jnp.array([[0.0, 0.0]]), jnp.array([[3.0, 4.0], [0.0, 0.0]]))
      Array([[5., 0.]], dtype=float32)
    """
    return safe_sqrt(squared_euclidean(a, b))


def paired_euclidean(a: jax.Array, b: jax.Array) -> jax.Array:
    """`a` and `b` (..., D) -> (...) distance of each row of `a` to the same row of `b`.

    Differences are taken before squaring, so nothing cancels; the gradient at distance 0 is 0.
    """
    chex.assert_equal_shape([a, b])
    difference = a.astype(jnp.float32) - b.astype(jnp.float32)
    return safe_sqrt(jnp.sum(jnp.square(difference), axis=-1))


def cosine_similarity(a: jax.Array, b: jax.Array) -> jax.Array:
    """`a` (A, D) and `b` (B, D) -> (A, B) cosines, float32, in [-1, 1] up to rounding.

    Raises AssertionError if `a` or `b` is not a matrix, or their widths differ.

    Example:
      >>> rj.mining.cosine_similarity(jnp.array([[1.0, 0.0]]), jnp.array([[2.0, 0.0], [0.0, 1.0]]))
      Array([[1., 0.]], dtype=float32)
    """
    return dot_products(normalize(a), normalize(b))
