"""Triplet losses over the batch: all triplets, hardest, or semi-hard; hinge or soft margin.

Each function below the public one sees a block of anchors against all references, row by row;
`blockwise_mining` cuts a batch into blocks, so that memory grows with the batch, not its square.
"""

from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from reid_jax.errors import UserError
from reid_jax.fields import NOT_NEGATIVE, check
from reid_jax.ops.distances import paired_euclidean
from reid_jax.ops.losses.term import InBatch
from reid_jax.ops.mining.blockwise import (
    Block,
    Mined,
    Offence,
    first_lowest,
    mine_each_positive,
    mine_hardest,
    num_triplets,
    sum_over_blocks,
)
from reid_jax.ops.mining.in_batch import Rows, gather_rows

Mining = Literal["all", "hard", "semi_hard"]

# With more positives an anchor than this, sorting (B log B) beats looking at each (B x positives).
_MANY_POSITIVES = 128


def triplet_loss(
    embeddings: jax.Array | np.ndarray,
    labels: jax.Array | np.ndarray,
    *,
    margin: float | None = 0.3,
    mining: Mining = "all",
    mean_over: Literal["nonzero", "valid"] = "nonzero",
    positives: int | None = None,
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
      positives: as many as any anchor has at most, where that is known: K - 1 in batches of P
        individuals x K photos. Mining "all" and "semi_hard" then look at so many of each, without
        asking the batch, on which a GPU's host would wait. Without effect on "hard".
      mask: (B,) bool, False for padding.
      axis_name: the axis over which devices share the batch; see `in_batch`.

    Returns:
      (sum, count): float32 scalars over this device's anchors. No triplets give (0, 0).

    Raises:
      AssertionError: on wrong ranks or lengths that differ.
      UserError: on an unknown `mining`, a margin below 0, or "semi_hard" without a margin.

    Example:
      >>> z = jnp.array([[0.0, 0.2], [0.0, 1.0], [0.5, 0.1], [0.6, 1.0]])
      >>> labels = jnp.array([0, 0, 1, 1])
      >>> loss, count = rj.losses.triplet(z, labels, mining="hard", margin=0.3)
      >>> f"{loss / count:.3f} over {count:.0f} anchors"
      '0.598 over 4 anchors'
      >>> gradient = jax.grad(lambda z: rj.losses.triplet(z, labels, margin=0.3)[0])(z)
      >>> gradient.shape
      (4, 2)
    """
    NOT_NEGATIVE.check("margin", margin)
    rows = gather_rows(embeddings, labels, mask, axis_name)
    if mining == "hard":
        return _hard(rows, margin)
    if mining == "semi_hard":
        if margin is None:
            raise UserError("mining semi_hard needs a margin: it looks for negatives within it.")
        return sum_over_blocks(partial(_semi_hard, margin=margin, bound=positives), rows)
    if mining != "all":
        raise UserError(f"mining {mining!r} is unknown: use all, hard or semi_hard.")
    if margin is None:  # no triplet has loss 0
        return sum_over_blocks(partial(_all_soft, bound=positives), rows)
    total, active = sum_over_blocks(partial(_all_hinge, margin=margin, bound=positives), rows)
    return total, active if mean_over == "nonzero" else num_triplets(rows)


@dataclass(frozen=True)
class Triplet(InBatch, loss=triplet_loss, term="triplet"):
    """Triplet loss, mined in the global batch (Schroff et al. 2015, Hermans et al. 2017)."""

    margin: Annotated[float, NOT_NEGATIVE] = 0.3
    """By how much another individual must be farther than the same one (unused if soft)."""
    mining: Mining = "hard"
    """Which triplets: all of them, the hardest of each anchor, or FaceNet's semi-hard ones."""
    soft: bool = False
    """Soft margin log(1 + exp(x)) instead of the hinge."""

    def __post_init__(self) -> None:
        check(self, "loss", whose=True)
        if self.soft and self.mining == "semi_hard":
            raise UserError("loss.soft has no margin for loss.mining semi_hard; use all or hard.")

    def arguments(self) -> dict[str, Any]:
        return {"margin": None if self.soft else self.margin, "mining": self.mining}

    def for_batches(self, positives: int) -> "Triplet":
        return _BoundedTriplet(**vars(self), positives=positives)


@dataclass(frozen=True)
class _BoundedTriplet(Triplet, loss=triplet_loss, term="triplet"):
    positives: int | None = None

    def arguments(self) -> dict[str, Any]:
        return {**super().arguments(), "positives": self.positives}


def semi_hard_negatives(
    distances: jax.Array, negatives: jax.Array, margin: float
) -> tuple[jax.Array, jax.Array]:
    """For each anchor a and each reference p, taken as its positive, the semi-hard negative.

    `distances`, `negatives` (A, B) -> index of the negative (A, B) int32, and whether the anchor
    has any negative (A, 1) bool.

    Example:
      >>> z = jnp.array([[0.0, 0.2], [0.0, 1.0], [0.5, 0.1], [0.6, 1.0]])
      >>> labels = jnp.array([0, 0, 1, 1])
      >>> batch = rj.mining.in_batch(z, labels)
      >>> distances = rj.mining.euclidean(z, z)
      >>> negative, valid = rj.mining.semi_hard_negatives(distances, batch.negatives, margin=0.3)
      >>> negative[0, 1], valid.all()  # of anchor 0 and its positive 1
      (Array(3, dtype=int32), Array(True, dtype=bool))
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


def _hard(rows: Rows, margin: float | None) -> tuple[jax.Array, jax.Array]:
    # Without this a mesh gathers the anchors' gradient, to add the references' to it in a scatter.
    rows = rows._replace(references=jax.lax.optimization_barrier(rows.references))
    # Mining needs no gradient; the three rows of each triplet carry it, without an (A, B) array.
    positive, negative, valid = mine_hardest(rows)
    difference = paired_euclidean(rows.anchors, rows.references[positive]) - paired_euclidean(
        rows.anchors, rows.references[negative]
    )
    cost = jax.nn.softplus(difference) if margin is None else jnp.maximum(difference + margin, 0.0)
    weight = valid.astype(jnp.float32)
    return jnp.sum(weight * cost), jnp.sum(weight)


def _all_soft(block: Block, bound: int | None) -> Mined:
    num_negatives = jnp.sum(block.negatives, axis=1, dtype=jnp.int32).astype(jnp.float32)

    def body(positive: jax.Array) -> Offence:
        difference = positive - block.to_negatives
        slope = jax.nn.sigmoid(difference)
        cost = jnp.sum(jax.nn.softplus(difference), axis=1)
        pull = jnp.sum(slope, axis=1)
        number = jnp.where(positive[:, 0] > -jnp.inf, num_negatives, 0.0)
        return Offence(cost, number, pull, lambda gradient: gradient - slope)

    return mine_each_positive(block, body, bound)


def _all_hinge(block: Block, margin: float, bound: int | None) -> Mined:
    """Sum of the hinge over all triplets, and the number of those above 0."""
    return _by_number(_all_hinge_by_positive, _all_hinge_by_sorting, block, margin, bound)


def _by_number(few: Any, many: Any, block: Block, margin: float, bound: int | None) -> Mined:
    """What mines where anchors have few positives, or many; chosen now where a bound is known."""
    few, many = partial(few, margin=margin, bound=bound), partial(many, margin=margin)
    if bound is None:
        mined: Mined = jax.lax.cond(block.most_positives > _MANY_POSITIVES, many, few, block)
        return mined
    return many(block) if bound > _MANY_POSITIVES else few(block)


def _all_hinge_by_positive(block: Block, margin: float, bound: int | None) -> Mined:
    def body(positive: jax.Array) -> Offence:
        offends = (positive + margin > block.to_negatives).astype(jnp.float32)
        number = jnp.sum(offends, axis=1)
        return Offence(jnp.zeros_like(number), number, number, lambda gradient: gradient - offends)

    mined = mine_each_positive(block, body, bound)
    # Counts alone make the gradient, and the gradient the sum: summing costs beside counts makes
    # XLA fuse the two on a CPU, and that is ten times slower.
    apart = jnp.sum(jnp.sum(mined.gradient * block.distances, axis=1))
    return mined._replace(total=apart + margin * mined.number)


def _all_hinge_by_sorting(block: Block, margin: float) -> Mined:
    """In O(A B log B).

    A hinge above 0 is d(a, p) + margin - d(a, n), so the sum needs only, for each positive, how
    many negatives are closer than d(a, p) + margin and, for each negative, how many positives it
    offends. These counts are piecewise constant: they are the exact gradient too.
    """
    distances, positives, negatives = block.distances, block.positives, block.negatives
    reach = distances + margin
    closer = _row_searchsorted(
        jnp.sort(jnp.where(negatives, distances, jnp.inf), axis=1), reach, "left"
    )
    not_offended = _row_searchsorted(
        jnp.sort(jnp.where(positives, reach, -jnp.inf), axis=1), distances, "right"
    )
    offended = distances.shape[1] - not_offended
    pull = jnp.where(positives, closer, 0).astype(jnp.float32)
    push = jnp.where(negatives, offended, 0).astype(jnp.float32)
    return Mined(jnp.sum(pull * reach - push * distances), jnp.sum(pull), pull - push)


def _semi_hard(block: Block, margin: float, bound: int | None) -> Mined:
    return _by_number(_semi_hard_by_positive, _semi_hard_by_sorting, block, margin, bound)


def _semi_hard_by_positive(block: Block, margin: float, bound: int | None) -> Mined:
    others = jnp.arange(block.distances.shape[1], dtype=jnp.int32)[None, :]
    among = block.to_negatives
    closest, to_closest = first_lowest(among), jnp.min(among, axis=1)
    has_negative = block.negatives.any(axis=1)

    def body(positive: jax.Array) -> Offence:
        farther = jnp.where(among > positive, among, jnp.inf)
        to_farther = jnp.min(farther, axis=1)
        within = to_farther < positive[:, 0] + margin
        chosen = jnp.where(within, first_lowest(farther), closest)
        weight = (has_negative & (positive[:, 0] > -jnp.inf)).astype(jnp.float32)
        cost = positive[:, 0] - jnp.where(within, to_farther, to_closest) + margin
        offends = (weight > 0.0) & (cost > 0.0)
        slope = offends.astype(jnp.float32)
        return Offence(
            jnp.where(offends, cost, 0.0),
            weight,
            slope,
            lambda gradient: gradient - jnp.where(others == chosen[:, None], slope[:, None], 0.0),
        )

    return mine_each_positive(block, body, bound)


def _semi_hard_by_sorting(block: Block, margin: float) -> Mined:
    distances = block.distances
    negative, has_negative = semi_hard_negatives(distances, block.negatives, margin)
    cost = distances - jnp.take_along_axis(distances, negative, axis=1) + margin
    weight = (block.positives & has_negative).astype(jnp.float32)
    slope = weight * (cost > 0.0).astype(jnp.float32)
    rows = jnp.arange(distances.shape[0])[:, None]
    gradient = slope.at[rows, negative].add(-slope)
    return Mined(jnp.sum(slope * cost), jnp.sum(weight), gradient)


def _row_searchsorted(ascending: jax.Array, queries: jax.Array, side: str) -> jax.Array:
    return jax.vmap(lambda row, query: jnp.searchsorted(row, query, side=side))(ascending, queries)
