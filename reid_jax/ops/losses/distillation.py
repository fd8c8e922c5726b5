"""What a small network learns from a large one: how photos of a batch lie beside each other.

Each takes embeddings of the student (B, S) and of the teacher (B, T) of the same photos, of any two
widths, and returns `(sum, count)`; no gradient goes to the teacher.
"""

from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np

from reid_jax.ops.distances import dot_products, euclidean, normalize

Total = tuple[jax.Array, jax.Array]
_NUMBERS = 2**23  # of the angles that are looked at in one go


class _Both(NamedTuple):
    """What the two make of this device's A photos and of all B of the global batch."""

    student: jax.Array  # (A, S) float32
    teacher: jax.Array  # (A, T)
    all_student: jax.Array  # (B, S)
    all_teacher: jax.Array  # (B, T)
    pairs: jax.Array  # (A, B) bool, both are real
    others: jax.Array  # (A, B) bool, both are real and not the same photo


def similarity_preserving_loss(
    student: jax.Array | np.ndarray,
    teacher: jax.Array | np.ndarray,
    *,
    mask: jax.Array | None = None,
    axis_name: str | None = None,
) -> Total:
    """Sum over pairs of (G_S - G_T)^2, G the inner products of all pairs, its rows of unit length.

    Tung and Mori, "Similarity-preserving knowledge distillation" (ICCV 2019), equations 1 to 3:
    Q = A A', G[i] = Q[i] / |Q[i]|, and |G_T - G_S|^2 / b^2; `count` is b^2.

    Args:
      student: (A, S) floating point; this device's rows of the batch.
      teacher: (A, T) of the same photos.
      mask: (A,) bool, False for padding; None means that all rows are real.
      axis_name: the axis over which devices share the batch; see `mining.in_batch.gather_rows`.

    Returns:
      float32 scalars over this device's rows.

    Raises:
      AssertionError: on wrong ranks, or lengths that differ.

    Example:
      >>> z, large = jnp.eye(3), jnp.ones((3, 5))
      >>> total, count = rj.losses.similarity_preserving(z, large)
      >>> f"{total / count:.3f}"
      '0.282'
    """
    both = _seen(student, teacher, mask, axis_name)

    def rows(some: jax.Array, every: jax.Array) -> jax.Array:
        return normalize(jnp.where(both.pairs, dot_products(some, every), 0.0))

    ours, theirs = rows(both.student, both.all_student), rows(both.teacher, both.all_teacher)
    total = jnp.sum(jnp.where(both.pairs, jnp.square(ours - theirs), 0.0))
    return total, jnp.sum(both.pairs, dtype=jnp.float32)


def relational_distance_loss(
    student: jax.Array | np.ndarray,
    teacher: jax.Array | np.ndarray,
    *,
    mask: jax.Array | None = None,
    axis_name: str | None = None,
) -> Total:
    """Sum over pairs of different photos of the Huber loss of their distances, student to teacher.

    Each network's distances count in units of their mean over the batch. Park et al., "Relational
    knowledge distillation" (CVPR 2019), equations 5 to 8.

    Args:
      student, teacher, mask, axis_name: as of `similarity_preserving_loss`.

    Returns:
      (sum, count): float32 scalars over this device's pairs.

    Raises:
      AssertionError: on wrong ranks, or lengths that differ.

    Example:
      >>> z = jnp.array([[0.0], [1.0], [3.0]])
      >>> total, count = rj.losses.relational_distance(z, 10 * z)
      >>> f"{total:.3f} over {count:.0f} pairs"
      '0.000 over 6 pairs'
    """
    both = _seen(student, teacher, mask, axis_name)

    def everywhere(x: jax.Array) -> jax.Array:
        return x if axis_name is None else jax.lax.psum(x, axis_name)

    count = jnp.sum(both.others, dtype=jnp.float32)
    pairs = jnp.maximum(everywhere(count), 1.0)

    def in_means(some: jax.Array, every: jax.Array) -> jax.Array:
        distances = jnp.where(both.others, euclidean(some, every), 0.0)
        mean = everywhere(jnp.sum(distances)) / pairs
        return distances / jnp.where(mean > 0, mean, 1.0)

    ours = in_means(both.student, both.all_student)
    theirs = in_means(both.teacher, both.all_teacher)
    return jnp.sum(jnp.where(both.others, _huber(ours - theirs), 0.0)), count


def relational_angle_loss(
    student: jax.Array | np.ndarray,
    teacher: jax.Array | np.ndarray,
    *,
    mask: jax.Array | None = None,
    axis_name: str | None = None,
) -> Total:
    """Sum over three different photos of the Huber loss of the cosine of the angle that they make.

    Park et al. (CVPR 2019), equations 8 to 10. Takes O(B^2) memory, whatever the number of triples.
    A photo at the place of the vertex makes no angle: its cosines are 0.

    Args:
      student, teacher, mask, axis_name: as of `similarity_preserving_loss`.

    Returns:
      (sum, count): float32 scalars over triples whose vertex is one of this device's rows.

    Raises:
      AssertionError: on wrong ranks, or lengths that differ.

    Example:
      >>> z = jnp.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
      >>> total, count = rj.losses.relational_angle(z, 10 * z + 1)
      >>> f"{total:.3f} over {count:.0f} triples"
      '0.000 over 6 triples'
    """
    both = _seen(student, teacher, mask, axis_name)
    number, width = both.all_student.shape
    different = ~jnp.eye(number, dtype=bool)

    def cosines(vertex: jax.Array, every: jax.Array) -> jax.Array:
        directions = normalize(every - vertex[None])
        return dot_products(directions, directions)

    def at(vertex: tuple[jax.Array, jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        ours, theirs, others = vertex
        triples = others[:, None] & others[None, :] & different
        apart = cosines(ours, both.all_student) - cosines(theirs, both.all_teacher)
        counted = jnp.sum(triples, dtype=jnp.float32)
        return jnp.sum(jnp.where(triples, _huber(apart), 0.0)), counted

    vertices = both.student, both.teacher, both.others
    widest = max(width, both.all_teacher.shape[1])
    block = max(_NUMBERS // (number * (number + widest)), 1)
    if len(both.student) <= block:
        totals, counts = jax.vmap(at)(vertices)
    else:
        totals, counts = jax.lax.map(jax.checkpoint(at), vertices, batch_size=block)
    return jnp.sum(totals), jnp.sum(counts)


def cosine_loss(
    student: jax.Array | np.ndarray,
    teacher: jax.Array | np.ndarray,
    *,
    mask: jax.Array | None = None,
) -> Total:
    """Sum over photos of 1 - cos of the student's embedding (A, T), projected, and the teacher's.

    Args:
      student, teacher: (A, T) floating point.
      mask: (A,) bool, False for padding; None means that all rows are real.

    Returns:
      (sum, count): float32 scalars; an embedding without a direction has cosine 0.

    Raises:
      AssertionError: on wrong ranks, or shapes that differ.

    Example:
      >>> total, count = rj.losses.cosine(jnp.eye(2), 3 * jnp.eye(2))
      >>> f"{total:.1f} over {count:.0f} photos"
      '0.0 over 2 photos'
    """
    chex.assert_equal_shape([student, teacher])
    both = _seen(student, teacher, mask, None)
    real = jnp.diagonal(both.pairs)
    cosines = jnp.sum(normalize(both.student) * normalize(both.teacher), axis=1)
    return jnp.sum(jnp.where(real, 1.0 - cosines, 0.0)), jnp.sum(real, dtype=jnp.float32)


def _huber(apart: jax.Array) -> jax.Array:
    far = jnp.abs(apart)
    return jnp.where(far <= 1.0, 0.5 * jnp.square(apart), far - 0.5)


def _seen(
    student: jax.Array | np.ndarray,
    teacher: jax.Array | np.ndarray,
    mask: jax.Array | None,
    axis_name: str | None,
) -> _Both:
    chex.assert_rank([student, teacher], 2)
    chex.assert_equal_shape_prefix([student, teacher], 1)
    mask = jnp.ones(student.shape[0], bool) if mask is None else mask
    chex.assert_rank(mask, 1)
    chex.assert_type(mask, bool)
    chex.assert_equal_shape_prefix([student, mask], 1)
    ours = jnp.asarray(student, jnp.float32)
    theirs = jax.lax.stop_gradient(jnp.asarray(teacher, jnp.float32))
    positions = jnp.arange(len(ours))
    every = ours, theirs, mask
    if axis_name is not None:
        positions += jax.lax.axis_index(axis_name) * len(ours)
        every = tuple(jax.lax.all_gather(x, axis_name, tiled=True) for x in every)
    all_ours, all_theirs, all_mask = every
    pairs = mask[:, None] & all_mask[None, :]
    others = pairs & (positions[:, None] != jnp.arange(len(all_ours))[None, :])
    return _Both(ours, theirs, all_ours, all_theirs, pairs, others)
