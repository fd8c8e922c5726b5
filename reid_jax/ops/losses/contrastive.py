"""Contrastive loss on pairs (Hadsell, Chopra & LeCun, CVPR 2006)."""

from dataclasses import dataclass
from typing import Annotated

import chex
import jax
import jax.numpy as jnp

from reid_jax.fields import POSITIVE, check
from reid_jax.ops.distances import paired_euclidean
from reid_jax.ops.losses.term import InBatch
from reid_jax.ops.mining.in_batch import as_labels


def pair_contrastive_loss(
    embeddings: jax.Array,
    labels: jax.Array,
    *,
    margin: float = 1.0,
    halved: bool = False,
    mask: jax.Array | None = None,
    axis_name: str | None = None,
) -> tuple[jax.Array, jax.Array]:
    """Sum over the pairs (rows 2i and 2i + 1) of d^2 if same, max(0, margin - d)^2 if different.

    Hadsell et al. (2006), eq. 4, where d is the Euclidean distance; the paper's factor 1/2 is there
    with `halved=True`.

    Args:
      embeddings: (B, D) floating point, B even.
      labels: (B,) integer; a pair is "same" where its two labels are equal.
      margin: distance beyond which a different pair costs nothing.
      halved: multiply by 1/2, as in the paper.
      mask: (B,) bool, False for padding; a pair counts if both its rows are real.
      axis_name: accepted because all objectives share a signature; a pair is always on one device,
        so nothing is gathered.

    Returns:
      (sum, count): float32 scalars; count is the number of pairs. No pairs give (0, 0).

    Raises:
      AssertionError: on wrong ranks, lengths that differ, or an odd number of rows.
      UserError: a margin that is not above 0.

    Example:
      >>> z = jnp.array([[0.0, 0.2], [0.0, 1.0], [0.5, 0.1], [0.6, 1.0]])
      >>> labels = jnp.array([0, 0, 1, 1])
      >>> loss, count = rj.losses.contrastive(z, labels, margin=1.0)
      >>> f"{loss / count:.3f} over {count:.0f} pairs"
      '0.730 over 2 pairs'
    """
    del axis_name
    POSITIVE.check("margin", margin)
    labels = as_labels(labels, embeddings)
    chex.assert_rank([embeddings, labels], [2, 1])
    chex.assert_type(labels, int)
    if mask is None:
        mask = jnp.ones(labels.shape, bool)
    chex.assert_rank(mask, 1)
    chex.assert_equal_shape_prefix([embeddings, labels, mask], 1)
    chex.assert_is_divisible(labels.shape[0], 2)

    distance = paired_euclidean(embeddings[0::2], embeddings[1::2])
    same = labels[0::2] == labels[1::2]
    real = mask[0::2] & mask[1::2]
    cost = jnp.square(jnp.where(same, distance, jnp.maximum(margin - distance, 0.0)))
    weight = real.astype(jnp.float32) * (0.5 if halved else 1.0)
    return jnp.sum(weight * cost), jnp.sum(real.astype(jnp.float32))


@dataclass(frozen=True)
class Contrastive(InBatch, loss=pair_contrastive_loss, term="contrastive"):
    """Contrastive loss on pairs (Hadsell et al. 2006); needs the sampler `pairs`."""

    margin: Annotated[float, POSITIVE] = 1.0
    """Distance beyond which a pair of two individuals costs nothing."""
    halved: bool = False
    """Halve the loss, as in the paper's equation; without it, as in most tutorials."""

    def __post_init__(self) -> None:
        check(self, "loss", whose=True)
