"""What a small scorer of frames learns from a large one, beside its scores.

Both take a mask (B, T) bool, true where a frame exists, and return `(sum, count)`; no gradient goes
to the teacher.
"""

import chex
import jax
import jax.numpy as jnp

Total = tuple[jax.Array, jax.Array]
_TINY = 1e-9


def frame_features_loss(student: jax.Array, teacher: jax.Array, mask: jax.Array) -> Total:
    """Sum over frames of the mean squared difference of the features.

    Romero et al., "FitNets: hints for thin deep nets" (ICLR 2015), equation 3, without the half and
    with a mean in the place of the sum over features.

    Args:
      student: (B, T, F) float, after the regressor to the teacher's width.
      teacher: (B, T, F) float.

    Returns:
      float32 scalars; `count` is the number of frames.

    Raises:
      AssertionError: on shapes that differ.

    Example:
      >>> total, count = rj.losses.frame_features(
      ...     jnp.zeros((1, 2, 3)), jnp.ones((1, 2, 3)), jnp.array([[True, False]])
      ... )
      >>> f"{total:.1f} over {count:.0f} frame"
      '1.0 over 1 frame'
    """
    chex.assert_rank([student, teacher, mask], [3, 3, 2])
    chex.assert_equal_shape([student, teacher])
    _check(mask, student)
    apart = student.astype(jnp.float32) - jax.lax.stop_gradient(teacher).astype(jnp.float32)
    squared = jnp.mean(jnp.square(apart), axis=-1)
    return jnp.sum(jnp.where(mask, squared, 0.0)), jnp.sum(mask, dtype=jnp.float32)


def attention_map_loss(student: jax.Array, teacher: jax.Array, mask: jax.Array) -> Total:
    """Sum over frames of KL(teacher || student) of what a frame attends to.

    Wang et al., "MiniLM" (NeurIPS 2020), section 3.1, with the heads averaged before, of which the
    two may have other numbers. What goes to frames that are not here is divided over those that
    are.

    Args:
      student, teacher: (B, T, T) float, 0 or more; a row is what a frame attends to.

    Returns:
      float32 scalars; `count` is the number of frames that attend to anything in the teacher.

    Raises:
      AssertionError: on shapes that differ.

    Example:
      >>> even = jnp.full((1, 2, 2), 0.5)
      >>> total, count = rj.losses.attention_map(even, even, jnp.ones((1, 2), bool))
      >>> f"{total:.1f} over {count:.0f} frames"
      '0.0 over 2 frames'
    """
    chex.assert_rank([student, teacher, mask], [3, 3, 2])
    chex.assert_equal_shape([student, teacher])
    chex.assert_equal_shape_suffix([student, mask], 1)
    _check(mask, student)
    both = mask[:, :, None] & mask[:, None, :]

    def shares(maps: jax.Array) -> tuple[jax.Array, jax.Array]:
        maps = jnp.where(both, maps.astype(jnp.float32), 0.0)
        total = jnp.sum(maps, axis=-1, keepdims=True)
        return maps / jnp.where(total > 0, total, 1.0), total[..., 0] > 0

    ours, _ = shares(student)
    theirs, attends = shares(jax.lax.stop_gradient(teacher))
    logs = jnp.log(jnp.maximum(theirs, _TINY)) - jnp.log(jnp.maximum(ours, _TINY))
    return jnp.sum(jnp.where(both, theirs * logs, 0.0)), jnp.sum(attends, dtype=jnp.float32)


def _check(mask: jax.Array, rows: jax.Array) -> None:
    chex.assert_type(mask, jnp.bool_)
    chex.assert_equal_shape_prefix([rows, mask], 2)
