"""How good a photo is, by the length of its embedding, as AdaFace guesses it."""

import chex
import jax
import jax.numpy as jnp

from reid_jax.fields import POSITIVE
from reid_jax.ops.batch_norm import widen

_EPSILON = 1e-3  # of the authors' code, beside the standard deviation


def feature_quality(
    embeddings: jax.Array,
    *,
    mean: jax.Array | float | None = None,
    deviation: jax.Array | float | None = None,
    concentration: float = 0.333,
    mask: jax.Array | None = None,
    axis_name: str | None = None,
) -> jax.Array:
    """How far an embedding's length is from the mean one, from -1 to 1, without a gradient.

    Kim, Jain & Liu (CVPR 2022), "AdaFace", section 3.3: (|z| - mean) / (deviation / h), clipped.

    Args:
      embeddings: (B, D) floating point, before they are scaled to length 1.
      mean, deviation: of the lengths; the paper takes moving averages over steps. Where they are
        not given, those of this batch.
      concentration: h of the paper.
      mask: (B,) bool, False for padding.
      axis_name: the axis over which devices share the batch.

    Returns:
      (B,) float32.

    Raises:
      AssertionError: on wrong ranks or lengths that differ.
      UserError: a concentration that is not above 0.

    Example:
      >>> z = jnp.array([[0.0, 0.2], [0.0, 1.0], [0.5, 0.1], [0.6, 1.0]])
      >>> quality = rj.losses.feature_quality(z)
      >>> [f"{each:.2f}" for each in quality]
      ['-0.39', '0.21', '-0.16', '0.33']
      >>> labels, centers = jnp.array([0, 0, 1, 1]), jnp.eye(2)
      >>> loss, count = rj.losses.margin_softmax(
      ...     z, centers, labels, kind="adaface", margin=0.4, quality=quality
      ... )
      >>> f"{loss / count:.3f} over {count:.0f} photos"
      '65.806 over 4 photos'
    """
    POSITIVE.check("concentration", concentration)
    length = embedding_lengths(embeddings)
    if mean is None or deviation is None:
        found = length_statistics(length, mask=mask, axis_name=axis_name)
        mean = found[0] if mean is None else mean
        deviation = found[1] if deviation is None else deviation
    return jnp.clip(concentration * standing(length, mean, deviation), -1.0, 1.0)


def embedding_lengths(embeddings: jax.Array) -> jax.Array:
    """`embeddings` (B, D) -> Euclidean lengths (B,) float32, without a gradient."""
    chex.assert_rank(embeddings, 2)
    return jnp.linalg.norm(widen(jax.lax.stop_gradient(embeddings)), axis=1)


def standing(
    lengths: jax.Array, mean: jax.Array | float, deviation: jax.Array | float
) -> jax.Array:
    """Lengths (B,) as multiples of the standard deviation from the mean, float32 (B,)."""
    return (lengths - mean) / (deviation + _EPSILON)


def length_statistics(
    lengths: jax.Array, *, mask: jax.Array | None = None, axis_name: str | None = None
) -> tuple[jax.Array, jax.Array]:
    """Mean and standard deviation, each float32 (), of lengths (B,) over all devices.

    The variance is the unbiased one, as in the authors' code; of a single length it is 0.
    """
    if mask is None:
        mask = jnp.ones(lengths.shape, bool)
    chex.assert_equal_shape([lengths, mask])

    def everywhere(x: jax.Array) -> jax.Array:
        total = jnp.sum(jnp.where(mask, x, 0.0))
        return total if axis_name is None else jax.lax.psum(total, axis_name)

    number = everywhere(jnp.ones_like(lengths))
    mean = everywhere(lengths) / jnp.maximum(number, 1.0)
    squares = everywhere(jnp.square(lengths - mean))
    return mean, jnp.sqrt(squares / jnp.maximum(number - 1.0, 1.0))
