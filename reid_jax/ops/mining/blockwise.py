"""Tuples mined from all pairs of a batch without an array of all pairs: a block of anchors at once.

A block of b anchors meets all B references in arrays (b, B) of bounded size, so memory grows with
B x D. A small batch is one block. The gradient is found in the same pass as the loss: a block's
distances are computed once and never kept.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from reid_jax.compilations import target
from reid_jax.ops.distances import dot_products, euclidean, squared_euclidean
from reid_jax.ops.mining.in_batch import Rows, pair_masks

# Entries of a block's (b, B) arrays: 4 MiB of float32 each where caches are small, 256 MiB where
# the matrix product must fill an accelerator.
_ENTRIES = {"cpu": 2**20}
_ENTRIES_ELSEWHERE = 2**26
_AT_ONCE = 4  # positives that one pass over the distances serves
_SPAN = 64  # entries of a row that `first_lowest` takes together


class Block(NamedTuple):
    """b anchors against all B references; masks as in `InBatch`, positives also by rank."""

    distances: jax.Array  # (b, B) float32
    positives: jax.Array  # (b, B) bool
    negatives: jax.Array  # (b, B) bool
    to_negatives: jax.Array  # (b, B) float32, the distances, infinite to all but negatives
    ranks: jax.Array  # (b, B) int32, of each positive among those of the anchor, -1 of others
    most_positives: jax.Array  # () int32, of any anchor of the batch


class Mined(NamedTuple):
    """What a block adds to a loss: sum and count, and the gradient of the sum by distance."""

    total: jax.Array  # () float32
    number: jax.Array  # () float32, the count
    gradient: jax.Array  # (b, B) float32


class Offence(NamedTuple):
    """What one positive of each anchor adds to a loss; `pull` by the positive's distance."""

    cost: jax.Array  # (b,) float32
    number: jax.Array  # (b,) float32, what it counts
    pull: jax.Array  # (b,) float32
    push: Callable[[jax.Array], jax.Array]  # adds the part by the negatives' distances (b, B)


BlockLoss = Callable[[Block], Mined]


def hardest(
    distances: jax.Array, positives: jax.Array, negatives: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Farthest positive and closest negative of each anchor.

    `distances`, `positives`, `negatives` (A, B) -> indices of positives (A,) and negatives (A,)
    among the references, int32, and whether the anchor has both (A,) bool; the first at ties.

    Example:
      >>> z = jnp.array([[0.0, 0.2], [0.0, 1.0], [0.5, 0.1], [0.6, 1.0]])
      >>> labels = jnp.array([0, 0, 1, 1])
      >>> batch = rj.mining.in_batch(z, labels)
      >>> distances = rj.mining.euclidean(z, z)
      >>> positive, negative, valid = rj.mining.hardest(distances, batch.positives, batch.negatives)
      >>> positive, negative
      (Array([1, 0, 3, 2], dtype=int32), Array([2, 3, 0, 1], dtype=int32))
    """
    positive = first_lowest(jnp.where(positives, -distances, jnp.inf))
    negative = first_lowest(jnp.where(negatives, distances, jnp.inf))
    return positive, negative, positives.any(axis=1) & negatives.any(axis=1)


def mine_hardest(rows: Rows) -> tuple[jax.Array, jax.Array, jax.Array]:
    """`hardest` for all anchors of the batch; (A,) each, without a gradient."""
    rows = jax.lax.stop_gradient(rows)

    def mine(block: Rows) -> tuple[jax.Array, jax.Array, jax.Array]:
        return hardest(squared_euclidean(block.anchors, block.references), *pair_masks(block))

    number = _num_blocks(rows)
    if number == 1:
        return mine(rows)
    mined = jax.lax.map(lambda anchors: mine(_with_anchors(rows, anchors)), _divide(rows, number))
    return jax.tree.map(lambda x: _join(x, rows.anchors.shape[0]), mined)


def num_triplets(rows: Rows) -> jax.Array:
    """How many triplets (a, p, n) there are, float32."""
    positives, negatives = (
        jnp.sum(mask, axis=1, dtype=jnp.int32).astype(jnp.float32) for mask in pair_masks(rows)
    )
    return jnp.sum(positives * negatives)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def sum_over_blocks(block_loss: BlockLoss, rows: Rows) -> tuple[jax.Array, jax.Array]:
    """Sum and count of a loss of the Euclidean distances of all pairs, float32 scalars.

    `block_loss` is not differentiated: it states its gradient. Memory: (B, D) and a few (b, B).
    """
    share, _ = _sum_with_gradient(block_loss, rows, wanted=False)
    return share


def _forward(
    block_loss: BlockLoss, rows: Rows
) -> tuple[tuple[jax.Array, jax.Array], tuple[jax.Array, jax.Array]]:
    return _sum_with_gradient(block_loss, rows, wanted=True)


def _backward(
    block_loss: BlockLoss,
    gradients: tuple[jax.Array, jax.Array],
    cotangents: tuple[jax.Array, jax.Array],
) -> tuple[Any]:
    del block_loss
    anchors, references = (cotangents[0] * gradient for gradient in gradients)
    return (Rows(anchors, None, None, None, references, None, None),)  # type: ignore[arg-type]


sum_over_blocks.defvjp(_forward, _backward)


def _sum_with_gradient(
    block_loss: BlockLoss, rows: Rows, *, wanted: bool
) -> tuple[tuple[jax.Array, jax.Array], tuple[jax.Array, jax.Array]]:
    """The share, and the gradients of its sum by anchors (A, D) and references (B, D)."""
    ranks = _ranks(rows)
    num_anchors, dimension = rows.anchors.shape

    def step(carry: Any, anchors: tuple[jax.Array, ...]) -> tuple[Any, jax.Array]:
        total, count, by_reference = carry
        part = _with_anchors(rows, anchors)
        block = _block(part, ranks)
        mined = block_loss(block)
        by_anchor = jnp.zeros((0, dimension), jnp.float32)
        if wanted:
            by_anchor, more = _through_distances(mined.gradient, block.distances, part)
            by_reference += more
        return (total + mined.total, count + mined.number, by_reference), by_anchor

    nothing = jnp.zeros((), jnp.float32)
    start = (nothing, nothing, jnp.zeros_like(rows.references) if wanted else nothing)
    number = _num_blocks(rows)
    if number == 1:
        (total, count, by_reference), by_anchor = step(start, _anchor_part(rows))
    else:
        (total, count, by_reference), parts = jax.lax.scan(step, start, _divide(rows, number))
        by_anchor = _join(parts, num_anchors)
    return (total, count), (by_anchor, by_reference)


def _through_distances(
    gradient: jax.Array, distances: jax.Array, rows: Rows
) -> tuple[jax.Array, jax.Array]:
    """Gradient by distance (b, B) -> by anchor (b, D) and by reference (B, D); 0 at distance 0."""
    apart = distances > 0.0
    slope = jnp.where(apart, gradient / jnp.where(apart, distances, 1.0), 0.0)
    by_anchor = jnp.sum(slope, axis=1)[:, None] * rows.anchors - dot_products(
        slope, rows.references.T
    )
    by_reference = jnp.sum(slope, axis=0)[:, None] * rows.references - dot_products(
        slope.T, rows.anchors.T
    )
    return by_anchor, by_reference


def _block(rows: Rows, ranks: jax.Array) -> Block:
    distances = euclidean(rows.anchors, rows.references)
    positives, negatives = pair_masks(rows)
    others = jnp.arange(ranks.shape[0], dtype=jnp.int32)[None, :]
    # Without the anchor itself those behind it move up by one.
    rank = ranks[None, :] - (others > rows.positions[:, None]).astype(jnp.int32)
    return Block(
        distances,
        positives,
        negatives,
        jnp.where(negatives, distances, jnp.inf),
        jnp.where(positives, rank, -1),
        jnp.max(jnp.where(rows.reference_mask, ranks, 0), initial=0),
    )


def _ranks(rows: Rows) -> jax.Array:
    """How many real references of its label stand before each, (B,) int32."""
    index = jnp.arange(rows.reference_labels.shape[0], dtype=jnp.int32)
    padding, labels, by_label = jax.lax.sort(
        (~rows.reference_mask, rows.reference_labels, index), num_keys=2
    )
    begins = (labels != jnp.roll(labels, 1)) | (padding != jnp.roll(padding, 1)) | (index == 0)
    ranks = index - jax.lax.cummax(jnp.where(begins, index, 0))
    # A second sort, not a scatter, which a GPU's compiler would share out over a mesh.
    return jax.lax.sort((by_label, ranks), num_keys=1)[1]


def mine_each_positive(
    block: Block, body: Callable[[jax.Array], Offence], positives: int | None
) -> Mined:
    """A loss that is a sum over anchors and positives, some positives at a time.

    As many passes over (b, B) as an anchor has positives, divided by four: cheap in a batch of P
    individuals x K photos. Everything is a sum or maximum over rows of (b, B): indices into rows
    would make a GPU's compiler bring all rows to all devices of a mesh.

    Args:
      body: distance of a positive (b, 1), minus infinity where there is none -> its offence.
      positives: at most so many of an anchor are looked at; None for all, in a loop that asks the
        batch how often it turns.
    """
    at_once = _AT_ONCE if positives is None else min(_AT_ONCE, positives)

    def turn(number: jax.Array, mined: Mined) -> Mined:
        pulled = mined.gradient
        for one in range(at_once):
            this = block.ranks == number * at_once + one
            offence = body(
                jnp.max(jnp.where(this, block.distances, -jnp.inf), axis=1, keepdims=True)
            )
            pulled = offence.push(pulled) + jnp.where(this, offence.pull[:, None], 0.0)
            mined = Mined(
                mined.total + jnp.sum(offence.cost), mined.number + jnp.sum(offence.number), pulled
            )
        return mined

    nothing = jnp.zeros((), jnp.float32)
    mined = Mined(nothing, nothing, jnp.zeros_like(block.distances))
    if not at_once:
        return mined
    # What a loop carries is slow on a CPU; most batches need no second turn.
    mined = turn(jnp.zeros((), jnp.int32), mined)
    turns = -(-(block.most_positives if positives is None else positives) // at_once)
    if positives is not None and turns == 1:
        return mined
    return jax.lax.fori_loop(1, turns, turn, mined)


def first_lowest(x: jax.Array) -> jax.Array:
    """`x` (A, B) -> (A,) int32, as argmin does.

    An argmin of all entries does not vectorise on a CPU; their minima do, a span at a time, and
    only the span with the lowest is looked at more closely.
    """
    if target() != "cpu":
        return jnp.argmin(x, axis=1).astype(jnp.int32)
    spans = jnp.pad(x, ((0, 0), (0, -x.shape[1] % _SPAN)), constant_values=jnp.inf)
    spans = spans.reshape(x.shape[0], -1, _SPAN)
    span = jnp.argmin(jnp.min(spans, axis=2), axis=1).astype(jnp.int32)
    within = jnp.take_along_axis(spans, span[:, None, None], axis=1)[:, 0]
    return span * _SPAN + jnp.argmin(within, axis=1).astype(jnp.int32)


def _num_blocks(rows: Rows) -> int:
    entries = _ENTRIES.get(target(), _ENTRIES_ELSEWHERE)
    num_anchors, num_references = rows.anchors.shape[0], rows.references.shape[0]
    return min(num_anchors, -(-num_anchors * num_references // entries))


def _anchor_part(rows: Rows) -> tuple[jax.Array, ...]:
    return rows.anchors, rows.anchor_labels, rows.anchor_mask, rows.positions


def _with_anchors(rows: Rows, anchors: tuple[jax.Array, ...]) -> Rows:
    return Rows(*anchors, *rows[len(anchors) :])


def _divide(rows: Rows, number: int) -> tuple[jax.Array, ...]:
    """What belongs to the anchors, as (blocks, b, ...), the last of them padded.

    A block takes every `number`-th anchor: where a mesh shares the batch, each device then has its
    share of every block.
    """

    def divide(x: jax.Array) -> jax.Array:
        short = -x.shape[0] % number
        padded = jnp.pad(x, ((0, short), *((0, 0),) * (x.ndim - 1)))
        return jnp.swapaxes(padded.reshape(-1, number, *x.shape[1:]), 0, 1)

    return jax.tree.map(divide, _anchor_part(rows))


def _join(x: jax.Array, num_anchors: int) -> jax.Array:
    return jnp.swapaxes(x, 0, 1).reshape(-1, *x.shape[2:])[:num_anchors]
