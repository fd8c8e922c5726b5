"""How alike two videos are: by one vector each, or frame by frame (Chamfer).

The cosine of two vectors is `distances.cosine_similarity`; here are the measures that it does not
cover. Identical videos score exactly 1 by all of them.
"""

import chex
import jax
import jax.numpy as jnp

from reid_jax.ops.distances import normalize, paired_euclidean

# Cosines of a block of pairs that are held at a time.
_CELLS = 2**22
# A cosine closer to 1 than this is 1 up to rounding.
_ROUNDING = 2e-6


def paired_euclidean_similarity(a: jax.Array, b: jax.Array) -> jax.Array:
    """`a` and `b` (..., D) -> (...) float32, 1 / (1 + d) in (0, 1], d Euclidean, row by row.

    Raises AssertionError if the shapes differ.
    """
    return 1.0 / (1.0 + paired_euclidean(a, b))


def chamfer_similarity(
    a: jax.Array, a_mask: jax.Array, b: jax.Array, b_mask: jax.Array
) -> jax.Array:
    """Symmetric Chamfer similarity of every video of `a` to every video of `b`.

    The mean over the frames of one video of the highest cosine to a frame of the other, averaged
    over both directions (Kordopatis-Zilos et al., ICCV 2019, "ViSiL", eq. 4, made symmetric). Order
    does not matter to it, nor speed.

    Memory is that of a block of pairs, never (N, M, T, S).

    Args:
      a: (N, T, D) floating point; a frame of zeros is like another such frame and no other.
      a_mask: (N, T) bool, True where a frame exists.
      b: (M, S, D).
      b_mask: (M, S).

    Returns:
      (N, M) float32 in [-1, 1]; 0 where a video has no frames.

    Raises:
      AssertionError: on wrong ranks or shapes that do not fit.
    """
    _check(a, a_mask, b, b_mask)
    block = max(1, _CELLS // (a.shape[1] * b.shape[1]))
    a, b = normalize(a), normalize(b)

    def row(query: tuple[jax.Array, jax.Array]) -> jax.Array:
        return jax.lax.map(
            lambda video: _chamfer(*query, *video), (b, b_mask), batch_size=min(block, b.shape[0])
        )

    return jax.lax.map(row, (a, a_mask))


def paired_chamfer_similarity(
    a: jax.Array, a_mask: jax.Array, b: jax.Array, b_mask: jax.Array
) -> jax.Array:
    """`chamfer_similarity` of each video of `a` (N, T, D) to the same row of `b` (N, S, D): (N,).

    Raises AssertionError on wrong ranks or shapes that do not fit.
    """
    _check(a, a_mask, b, b_mask)
    chex.assert_equal_shape_prefix([a, b], 1)
    block = max(1, _CELLS // (a.shape[1] * b.shape[1]))
    return jax.lax.map(
        lambda pair: _chamfer(normalize(pair[0]), pair[1], normalize(pair[2]), pair[3]),
        (a, a_mask, b, b_mask),
        batch_size=min(block, a.shape[0]),
    )


def _check(a: jax.Array, a_mask: jax.Array, b: jax.Array, b_mask: jax.Array) -> None:
    chex.assert_rank([a, b, a_mask, b_mask], [3, 3, 2, 2])
    chex.assert_equal_shape_prefix([a, a_mask], 2)
    chex.assert_equal_shape_prefix([b, b_mask], 2)
    chex.assert_equal_shape_suffix([a, b], 1)


def _chamfer(a: jax.Array, a_mask: jax.Array, b: jax.Array, b_mask: jax.Array) -> jax.Array:
    """Of two videos: unit frames (T, D) and (S, D), masks (T,) and (S,) -> a scalar."""
    cosines = jnp.einsum("td,sd->ts", a, b, precision=jax.lax.Precision.HIGHEST)
    no_direction = ~a.any(axis=1)[:, None] & ~b.any(axis=1)[None, :]
    cosines = jnp.where(no_direction | (cosines > 1.0 - _ROUNDING), 1.0, cosines)
    both = a_mask[:, None] & b_mask[None, :]
    cosines = jnp.where(both, cosines, -jnp.inf)
    return 0.5 * (
        _mean_of_best(cosines.max(axis=1), both.any(axis=1))
        + _mean_of_best(cosines.max(axis=0), both.any(axis=0))
    )


def _mean_of_best(best: jax.Array, there: jax.Array) -> jax.Array:
    number = jnp.maximum(jnp.sum(there).astype(jnp.float32), 1.0)
    return jnp.sum(jnp.where(there, best, 0.0)) / number
