"""Triplet losses over the batch: all triplets, hardest, or semi-hard; hinge or soft margin.

Each function below the public one sees a block of anchors against all references, row by row, so
that nothing is ever larger than (anchors, references).
"""

from typing import Literal

import jax
import jax.numpy as jnp

from reid_jax.errors import UserError
from reid_jax.ops.distances import euclidean, paired_euclidean
from reid_jax.ops.in_batch import InBatch, in_batch

Mining = Literal["all", "hard", "semi_hard"]


def triplet_loss(
    embeddings: jax.Array,
    labels: jax.Array,
    *,
    margin: float | None = 0.3,
    mining: Mining = "all",
    mean_over: Literal["nonzero", "valid"] = "nonzero",
    mask: jax.Array | None = None,
    axis_name: str | None = None,
) -> tuple[jax.Array, jax.Array]:
    """Sum over mined triplets (a, p, n) of h(d(a, p) - d(a, n)), d the Euclidean distance.

    h(x) = max(0, x + margin), or log(1 + exp(x)) if `margin` is None (soft margin, Hermans, Beyer &
    Leibe 2017, "In defense of the triplet loss", section 2).

    Mining:
      all: every triplet of the batch (Hermans et al., eq. 6). `count` is the number of triplets
        with a loss above 0, which is the mean that Hermans et al. train with (L_BA≠0) and
        that most libraries give; `mean_over="valid"` counts all triplets instead.
      hard: for each anchor its farthest positive and its closest negative (Hermans et al., eq. 5);
        `count` is the number of anchors that have both.
      semi_hard: for each anchor and positive the closest negative that is farther than the positive
        and within the margin, else the closest negative (after Schroff et al. 2015, "FaceNet",
        section 3.2); `count` is the number of anchor-positive pairs that have a negative.

    At equal distances the reference that comes first in the batch is mined. A hinge at exactly 0
    and coincident points have gradient 0.

    Args:
      embeddings: (B, D) floating point.
      labels: (B,) integer.
      margin: hinge margin, or None for the soft margin.
      mining: which triplets.
      mean_over: with `mining="all"`, what `count` counts; otherwise without effect.
      mask: (B,) bool, False for padding.
      axis_name: the axis over which devices share the batch; see `in_batch`.

    Returns:
      (sum, count): float32 scalars over this device's anchors. No triplets give (0, 0).

    Raises:
      AssertionError: on wrong ranks or lengths that differ.
      UserError: on an unknown `mining`, or "semi_hard" without a margin.
    """
    batch = in_batch(embeddings, labels, mask, axis_name)
    if mining == "hard":
        return _hard(batch, margin)
    distances = euclidean(batch.anchors, batch.references)
    if mining == "semi_hard":
        if margin is None:
            raise UserError("mining semi_hard needs a margin: it looks for negatives within it.")
        return _semi_hard(distances, batch.positives, batch.negatives, margin)
    if mining != "all":
        raise UserError(f"mining {mining!r} is unknown: use all, hard or semi_hard.")
    if margin is None:
        total, active = _all_soft(distances, batch.positives, batch.negatives)
    else:
        total, active = _all_hinge(distances, batch.positives, batch.negatives, margin)
    return total, active if mean_over == "nonzero" else _count_valid(batch)


def hardest(
    distances: jax.Array, positives: jax.Array, negatives: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Farthest positive and closest negative of each anchor.

    `distances`, `positives`, `negatives` (A, B) -> indices of positives (A,) and negatives (A,)
    among the references, int32, and whether the anchor has both (A,) bool; the first at ties.
    """
    positive = jnp.argmax(jnp.where(positives, distances, -jnp.inf), axis=1)
    negative = jnp.argmin(jnp.where(negatives, distances, jnp.inf), axis=1)
    return positive, negative, positives.any(axis=1) & negatives.any(axis=1)


def semi_hard_negatives(
    distances: jax.Array, negatives: jax.Array, margin: float
) -> tuple[jax.Array, jax.Array]:
    """For each anchor a and each reference p, taken as its positive, the semi-hard negative.

    `distances`, `negatives` (A, B) -> index of the negative (A, B) int32, and whether the anchor
    has any negative (A, 1) bool.
    """
    by_distance = jnp.where(negatives, distances, jnp.inf)
    order = jnp.argsort(by_distance, axis=1, stable=True)
    ascending = jnp.take_along_axis(by_distance, order, axis=1)
    farther = _row_searchsorted(ascending, distances, "right")
    # Always in range: the anchor is no negative of itself, so the last column is infinite.
    next_farther = jnp.take_along_axis(ascending, farther, axis=1)
    semi_hard = (next_farther > distances) & (next_farther < distances + margin)
    rank = jnp.where(semi_hard, farther, 0)
    return jnp.take_along_axis(order, rank, axis=1), negatives.any(axis=1, keepdims=True)


def _hard(batch: InBatch, margin: float | None) -> tuple[jax.Array, jax.Array]:
    # Mining needs no gradient; the three rows of each triplet carry it, without an (A, B) array.
    distances = jax.lax.stop_gradient(euclidean(batch.anchors, batch.references))
    positive, negative, valid = hardest(distances, batch.positives, batch.negatives)
    difference = paired_euclidean(batch.anchors, batch.references[positive]) - paired_euclidean(
        batch.anchors, batch.references[negative]
    )
    cost = jax.nn.softplus(difference) if margin is None else jnp.maximum(difference + margin, 0.0)
    weight = valid.astype(jnp.float32)
    return jnp.sum(weight * cost), jnp.sum(weight)


def _semi_hard(
    distances: jax.Array, positives: jax.Array, negatives: jax.Array, margin: float
) -> tuple[jax.Array, jax.Array]:
    negative, has_negative = semi_hard_negatives(
        jax.lax.stop_gradient(distances), negatives, margin
    )
    cost = jnp.maximum(distances - jnp.take_along_axis(distances, negative, axis=1) + margin, 0.0)
    weight = (positives & has_negative).astype(jnp.float32)
    return jnp.sum(weight * cost), jnp.sum(weight)


def _all_hinge(
    distances: jax.Array, positives: jax.Array, negatives: jax.Array, margin: float
) -> tuple[jax.Array, jax.Array]:
    """Sum of the hinge over all triplets and the number of those above 0, in O(A B log B).

    A hinge above 0 is d(a, p) + margin - d(a, n), so the sum needs only, for each positive, how
    many negatives are closer than d(a, p) + margin and, for each negative, how many positives it
    offends. These counts are piecewise constant: as constants they give the exact gradient too.
    """
    reach = distances + margin
    fixed, fixed_reach = jax.lax.stop_gradient((distances, reach))
    closer = _row_searchsorted(
        jnp.sort(jnp.where(negatives, fixed, jnp.inf), axis=1), fixed_reach, "left"
    )
    not_offended = _row_searchsorted(
        jnp.sort(jnp.where(positives, fixed_reach, -jnp.inf), axis=1), fixed, "right"
    )
    offended = distances.shape[1] - not_offended
    pull = jnp.where(positives, closer, 0).astype(jnp.float32)
    push = jnp.where(negatives, offended, 0).astype(jnp.float32)
    return jnp.sum(pull * reach - push * distances), jnp.sum(pull)


@jax.custom_vjp
def _all_soft(
    distances: jax.Array, positives: jax.Array, negatives: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Sum of softplus(d(a, p) - d(a, n)) over all triplets, and their number."""
    total, count, _ = _all_soft_with_gradient(distances, positives, negatives)
    return total, count


def _all_soft_with_gradient(
    distances: jax.Array, positives: jax.Array, negatives: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    # The r-th positive of all anchors at once, for r up to the largest number of positives: K - 1
    # passes over (A, B) in a P x K batch. The gradient is summed in the same passes, because a loop
    # of unknown length has no reverse mode.
    by_rank = jnp.argsort(~positives, axis=1, stable=True)
    num_positives = jnp.sum(positives, axis=1)
    rows = jnp.arange(distances.shape[0])

    def body(rank, state):
        total, gradient = state
        positive = jax.lax.dynamic_index_in_dim(by_rank, rank, axis=1, keepdims=False)
        difference = distances[rows, positive][:, None] - distances
        weight = (negatives & (rank < num_positives)[:, None]).astype(jnp.float32)
        slope = weight * jax.nn.sigmoid(difference)
        gradient = (gradient - slope).at[rows, positive].add(jnp.sum(slope, axis=1))
        return total + jnp.sum(weight * jax.nn.softplus(difference), axis=1), gradient

    start = (jnp.zeros_like(distances[:, 0]), jnp.zeros_like(distances))
    total, gradient = jax.lax.fori_loop(0, jnp.max(num_positives), body, start)
    return jnp.sum(total), _num_triplets(positives, negatives), gradient


def _all_soft_forward(distances, positives, negatives):
    total, count, gradient = _all_soft_with_gradient(distances, positives, negatives)
    return (total, count), gradient


def _all_soft_backward(gradient, cotangents):
    return gradient * cotangents[0], None, None


_all_soft.defvjp(_all_soft_forward, _all_soft_backward)


def _num_triplets(positives: jax.Array, negatives: jax.Array) -> jax.Array:
    num_positives = jnp.sum(positives, axis=1).astype(jnp.float32)
    return jnp.sum(num_positives * jnp.sum(negatives, axis=1).astype(jnp.float32))


def _count_valid(batch: InBatch) -> jax.Array:
    return _num_triplets(batch.positives, batch.negatives)


def _row_searchsorted(ascending: jax.Array, queries: jax.Array, side: str) -> jax.Array:
    return jax.vmap(lambda row, query: jnp.searchsorted(row, query, side=side))(ascending, queries)
