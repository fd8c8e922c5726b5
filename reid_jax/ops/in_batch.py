"""Who is a positive and who a negative of whom in a batch, also when devices share the batch."""

from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp


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
    embeddings: jax.Array,
    labels: jax.Array,
    mask: jax.Array | None = None,
    axis_name: str | None = None,
) -> InBatch:
    """The anchors, references and masks of an in-batch loss.

    Args:
      embeddings: (A, D) floating point; this device's rows of the batch.
      labels: (A,) integer.
      mask: (A,) bool, False for padding; None means that all rows are real.
      axis_name: inside `pmap` or `shard_map`, the axis over which the batch is split: references
        are then gathered from all devices, in the order of the devices.

    Raises:
      AssertionError: on wrong ranks, lengths that differ, or labels that are not integers.
    """
    chex.assert_rank([embeddings, labels], [2, 1])
    chex.assert_type(labels, int)
    if mask is None:
        mask = jnp.ones(labels.shape, bool)
    chex.assert_rank(mask, 1)
    chex.assert_type(mask, bool)
    chex.assert_equal_shape_prefix([embeddings, labels, mask], 1)

    anchors = embeddings.astype(jnp.float32)
    positions = jnp.arange(labels.shape[0])
    if axis_name is None:
        references, reference_labels, reference_mask = anchors, labels, mask
    else:
        references, reference_labels, reference_mask = (
            jax.lax.all_gather(x, axis_name, tiled=True) for x in (anchors, labels, mask)
        )
        positions = jax.lax.axis_index(axis_name) * labels.shape[0] + positions

    real = mask[:, None] & reference_mask[None, :]
    same = labels[:, None] == reference_labels[None, :]
    itself = positions[:, None] == jnp.arange(reference_labels.shape[0])[None, :]
    return InBatch(
        anchors, labels, references, reference_labels, real & same & ~itself, real & ~same
    )
