"""Who is a positive and who a negative of whom in a batch, also when devices share the batch."""

from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np

from reid_jax.errors import UserError


class Rows(NamedTuple):
    """This device's A anchors and all B references of the global batch."""

    anchors: jax.Array  # (A, D) float32
    anchor_labels: jax.Array  # (A,) int
    anchor_mask: jax.Array  # (A,) bool, False for padding
    positions: jax.Array  # (A,) int32, of the anchors among the references
    references: jax.Array  # (B, D) float32
    reference_labels: jax.Array  # (B,) int
    reference_mask: jax.Array  # (B,) bool


class InBatch(NamedTuple):
    """This device's A anchors against all B references of the global batch.

    `positives[a, b]`: same individual, not the anchor itself. `negatives[a, b]`: another
    individual. Padding is neither anchor, positive nor negative.
    """

    anchors: jax.Array  # (A, D) float32
    anchor_labels: jax.Array  # (A,) int
    references: jax.Array  # (B, D) float32
    reference_labels: jax.Array  # (B,) int
    positives: jax.Array  # (A, B) bool
    negatives: jax.Array  # (A, B) bool


def in_batch(
    embeddings: jax.Array | np.ndarray,
    labels: jax.Array | np.ndarray,
    mask: jax.Array | None = None,
    axis_name: str | None = None,
) -> InBatch:
    """The anchors, references and masks of an in-batch loss; arguments as of `gather_rows`.

    Example:
      >>> batch = rj.mining.in_batch(jnp.zeros((3, 2)), jnp.array([5, 5, 8]))
      >>> batch.positives.sum(), batch.negatives.sum()
      (Array(2, dtype=int32), Array(4, dtype=int32))
    """
    rows = gather_rows(embeddings, labels, mask, axis_name)
    return InBatch(
        rows.anchors,
        rows.anchor_labels,
        rows.references,
        rows.reference_labels,
        *pair_masks(rows),
    )


def gather_rows(
    embeddings: jax.Array | np.ndarray,
    labels: jax.Array | np.ndarray,
    mask: jax.Array | None = None,
    axis_name: str | None = None,
) -> Rows:
    """The anchors and references of an in-batch loss.

    Args:
      embeddings: (A, D) floating point; this device's rows of the batch.
      labels: (A,) integer; a list will do.
      mask: (A,) bool, False for padding; None means that all rows are real.
      axis_name: inside `pmap` or `shard_map`, the axis over which the batch is split: references
        are then gathered from all devices, in the order of the devices.

    Raises:
      AssertionError: on wrong ranks, lengths that differ, or labels that are not integers.
      UserError: labels are words.
    """
    labels = as_labels(labels, embeddings)
    chex.assert_rank([embeddings, labels], [2, 1])
    chex.assert_type(labels, int)
    if mask is None:
        mask = jnp.ones(labels.shape, bool)
    chex.assert_rank(mask, 1)
    chex.assert_type(mask, bool)
    chex.assert_equal_shape_prefix([embeddings, labels, mask], 1)

    anchors, labels = jnp.asarray(embeddings, jnp.float32), jnp.asarray(labels)
    positions = jnp.arange(labels.shape[0], dtype=jnp.int32)
    references: tuple[jax.Array, ...] = (anchors, labels, mask)
    if axis_name is not None:
        references = tuple(jax.lax.all_gather(x, axis_name, tiled=True) for x in references)
        positions += jax.lax.axis_index(axis_name) * labels.shape[0]
    return Rows(anchors, labels, mask, positions, *references)


def as_labels(labels: jax.Array | np.ndarray, embeddings: jax.Array | np.ndarray) -> jax.Array:
    """Labels as an array of JAX, also those of a list.

    Raises:
      AssertionError: embeddings are more or fewer.
      UserError: they are words, which no device computes with.
    """
    found = labels if isinstance(labels, jax.Array) else np.asarray(labels)
    if found.dtype.kind in "USO":
        raise UserError(
            "The labels are words; a loss takes integers: "
            "np.unique(labels, return_inverse=True)[1] gives them."
        )
    rows, named = (len(each) if np.ndim(each) else 0 for each in (embeddings, found))
    assert rows == named, f"{rows} embeddings, but {named} labels: each embedding needs one."
    return jnp.asarray(found)


def pair_masks(rows: Rows) -> tuple[jax.Array, jax.Array]:
    """(A, B) bool each: who is a positive and who a negative of an anchor; see `InBatch`."""
    real = rows.anchor_mask[:, None] & rows.reference_mask[None, :]
    same = rows.anchor_labels[:, None] == rows.reference_labels[None, :]
    others = jnp.arange(rows.reference_labels.shape[0], dtype=jnp.int32)
    itself = rows.positions[:, None] == others[None, :]
    return real & same & ~itself, real & ~same
