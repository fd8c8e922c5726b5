"""Margin softmax over very many identities: in chunks of classes, or against a sample of them.

The plain loss holds (B, C) cosines, several times over when it is differentiated. In chunks nothing
is larger than (B, chunk) beside the centres and their gradient: the log-sum-exp is kept up to date
chunk by chunk, and the backward pass computes the cosines of each chunk again.
"""

from functools import partial
from typing import Any, NamedTuple, cast

import chex
import jax
import jax.numpy as jnp
import numpy as np

from reid_jax.fields import POSITIVE
from reid_jax.ops.distances import normalize
from reid_jax.ops.losses.margins import Kind, center_cosines, margin_cosine
from reid_jax.ops.mining.in_batch import as_labels


class _Head(NamedTuple):
    """What is not differentiated and known when compiling."""

    chunk: int
    kind: Kind
    scale: float
    margin: float | None


class _Rows(NamedTuple):
    """What is not differentiated and is each row's own, (B,), or None."""

    margin: jax.Array | None
    quality: jax.Array | None


def chunked_margin_softmax_loss(
    embeddings: jax.Array,
    centers: jax.Array,
    labels: jax.Array,
    *,
    chunk: int,
    kind: Kind = "arcface",
    scale: float = 64.0,
    margin: float | jax.Array | None = None,
    quality: jax.Array | None = None,
    mask: jax.Array | None = None,
) -> tuple[jax.Array, jax.Array]:
    """`margin_softmax_loss` that never holds more than (B, chunk) logits; times K with K centres.

    The backward pass is one matrix product more than that of the plain loss. A chunk takes every
    n-th class, so that classes divided over a mesh of devices stay divided in each chunk.

    Args:
      embeddings: (B, D) floating point; normalised here.
      centers: (C, D), or (C, K, D) for K sub-centres per class; normalised here, chunk by chunk.
      labels: (B,) integer in [0, C).
      chunk: classes at a time, at most.
      kind, scale, margin, quality: as `margin_logits`; what is given for rows gets no gradient.
      mask: (B,) bool, False for padding.

    Returns:
      (sum, count): float32 scalars. Nothing but padding gives (0, 0).

    Raises:
      AssertionError: on wrong ranks or lengths that differ.
      UserError: on an unknown kind.

    Example:
      >>> z = jnp.array([[0.0, 0.2], [0.0, 1.0], [0.5, 0.1], [0.6, 1.0]])
      >>> labels = jnp.array([0, 0, 1, 1])
      >>> centers = jnp.eye(2)  # (C, D)
      >>> loss, count = rj.losses.chunked_margin_softmax(z, centers, labels, chunk=1, scale=30.0)
      >>> f"{loss / count:.3f} over {count:.0f} photos"
      '31.989 over 4 photos'
    """
    POSITIVE.check("scale", scale)
    labels = as_labels(labels, embeddings)
    chex.assert_rank([embeddings, centers, labels], [2, {2, 3}, 1])
    chex.assert_type(labels, int)
    chex.assert_equal_shape_prefix([embeddings, labels], 1)
    if mask is None:
        mask = jnp.ones(labels.shape, bool)
    chex.assert_equal_shape([mask, labels])
    if centers.ndim == 2:
        centers = centers[:, None, :]
    each = isinstance(margin, jax.Array | np.ndarray)
    head = _Head(chunk, kind, scale, None if each else cast("float | None", margin))
    rows = _Rows(jnp.asarray(margin) if each else None, quality)
    cost = _costs(head, normalize(embeddings), centers.astype(jnp.float32), labels, rows)
    return jnp.sum(jnp.where(mask, cost, 0.0)), jnp.sum(mask.astype(jnp.float32))


def sample_classes(
    key: jax.Array,
    labels: jax.Array,
    num_classes: int,
    number: int,
    *,
    mask: jax.Array | None = None,
    axis_name: str | None = None,
) -> tuple[jax.Array, jax.Array]:
    """Draws the classes that a batch is classified against; those of the batch are always among.

    An et al. (ICCVW 2021), "Partial FC: training 10 million identities on a single machine",
    section 3.2 (PPRN): all positive class centres, and negative ones at random up to `number`,
    without replacement. A pure function of the key: all devices draw the same.

    Args:
      key: PRNG key of the step.
      labels: (B,) integer in [0, num_classes).
      num_classes: classes there are.
      number: classes to draw; at least the batch's rows, over all devices, or some of its classes
        may be left out (but no more than `num_classes`).
      mask: (B,) bool, False for padding, whose labels are not kept.
      axis_name: the axis over which devices share the batch.

    Returns:
      The classes (number,) int32, and the place of each label among them (B,) int32.

    Example:
      >>> labels = jnp.array([7, 3])
      >>> classes, place = rj.losses.sample_classes(jax.random.key(0), labels, 10, number=4)
      >>> classes[place]
      Array([7, 3], dtype=int32)
    """
    chex.assert_rank(labels, 1)
    if mask is None:
        mask = jnp.ones(labels.shape, bool)
    chex.assert_equal_shape([mask, labels])
    every, real = labels, mask
    if axis_name is not None:
        every, real = (jax.lax.all_gather(x, axis_name, tiled=True) for x in (labels, mask))
    # In [1, 2) for those of the batch, in [0, 1) for the rest: the highest are drawn.
    lots = jax.random.uniform(key, (num_classes,), jnp.float32)
    lots += jnp.zeros_like(lots).at[every].max(real.astype(jnp.float32))
    _, classes = jax.lax.top_k(lots, number)
    classes = jnp.sort(classes).astype(jnp.int32)  # memory is read in order
    place = jnp.searchsorted(classes, labels.astype(jnp.int32)).astype(jnp.int32)
    return classes, jnp.minimum(place, number - 1)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _costs(
    head: _Head, units: jax.Array, centers: jax.Array, labels: jax.Array, rows: _Rows
) -> jax.Array:
    """`units` (B, D) of unit length and `centers` (C, K, D) -> cross-entropies (B,)."""
    others, own = _others_and_own(head, units, centers, labels, rows)
    return jax.nn.softplus(others - own)


def _others_and_own(
    head: _Head, units: jax.Array, centers: jax.Array, labels: jax.Array, rows: _Rows
) -> tuple[jax.Array, jax.Array]:
    """Log-sum-exp of the logits of all other classes, and the logit of the own, (B,) each."""

    def add(part: jax.Array, classes: jax.Array, state: tuple[jax.Array, jax.Array]) -> Any:
        highest, total = state
        logits = _without_own(head.scale * center_cosines(units, part), classes, labels)
        higher = jnp.maximum(highest, jnp.max(logits, axis=1))
        total *= jnp.exp(highest - higher)
        return higher, total + jnp.sum(jnp.exp(logits - higher[:, None]), axis=1)

    number, size = _division(centers.shape[0], head.chunk)
    folded, rest = _fold(centers, number, size)
    # Lower than any logit, and finite, so that nothing but the own class gives no NaN.
    start = jnp.full(units.shape[:1], -1e30, jnp.float32), jnp.zeros_like(units[:, 0])

    def turn(index: jax.Array, state: Any) -> Any:
        return add(_piece(folded, index), _classes(index, number, size), state)

    state = jax.lax.fori_loop(0, number, turn, start)
    if rest.shape[0]:
        state = add(rest, _rest_classes(centers, rest), state)
    highest, total = state
    own = _own_logits(head, rows, units, centers[labels])
    return highest + jnp.log(jnp.maximum(total, 1e-30)), own


def _costs_forward(
    head: _Head, units: jax.Array, centers: jax.Array, labels: jax.Array, rows: _Rows
) -> tuple[jax.Array, tuple[Any, ...]]:
    others, own = _others_and_own(head, units, centers, labels, rows)
    return jax.nn.softplus(others - own), (units, centers, labels, rows, others, own)


def _costs_backward(
    head: _Head, residuals: tuple[Any, ...], cotangent: jax.Array
) -> tuple[jax.Array, jax.Array, None, None]:
    units, centers, labels, rows, others, own = residuals
    slope = cotangent * jax.nn.sigmoid(others - own)

    def pull(part: jax.Array, classes: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Gradient of the other classes' cost by the units and by this part of the centres."""
        cosines, transpose = jax.vjp(center_cosines, units, part)
        logits = _without_own(head.scale * cosines, classes, labels)
        shares = jnp.exp(logits - others[:, None])
        by_unit, by_center = transpose(head.scale * slope[:, None] * shares)
        return by_unit, by_center

    number, size = _division(centers.shape[0], head.chunk)
    folded, rest = _fold(centers, number, size)

    def turn(index: jax.Array, state: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        by_unit, by_center = state
        more, part = pull(_piece(folded, index), _classes(index, number, size))
        return by_unit + more, jax.lax.dynamic_update_index_in_dim(by_center, part, index, axis=1)

    start = jnp.zeros_like(units), jnp.zeros_like(folded)
    by_unit, by_folded = jax.lax.fori_loop(0, number, turn, start)
    by_center = by_folded.reshape(-1, *centers.shape[1:])
    if rest.shape[0]:
        more, by_rest = pull(rest, _rest_classes(centers, rest))
        by_unit, by_center = by_unit + more, jnp.concatenate([by_center, by_rest])
    _, transpose = jax.vjp(partial(_own_logits, head, rows), units, centers[labels])
    more, by_own = transpose(-slope)
    return by_unit + more, by_center.at[labels].add(by_own), None, None


_costs.defvjp(_costs_forward, _costs_backward)


def _own_logits(head: _Head, rows: _Rows, units: jax.Array, own: jax.Array) -> jax.Array:
    """`units` (B, D) and each one's own centres (B, K, D) -> logits (B,) with the margin."""
    cosines = jnp.einsum(
        "bd,bkd->bk", units, normalize(own), precision=jax.lax.Precision.HIGHEST
    ).max(axis=1)
    margin = head.margin if rows.margin is None else rows.margin
    return head.scale * margin_cosine(cosines, head.kind, margin, rows.quality)


def _without_own(logits: jax.Array, classes: jax.Array, labels: jax.Array) -> jax.Array:
    own = labels[:, None] == classes.astype(labels.dtype)[None, :]
    return jnp.where(own, -jnp.inf, logits)


def _division(num_classes: int, chunk: int) -> tuple[int, int]:
    """How many chunks, and the classes of each; fewer than the former are left over."""
    number = -(-num_classes // max(1, min(chunk, num_classes)))
    return number, num_classes // number


def _fold(centers: jax.Array, number: int, size: int) -> tuple[jax.Array, jax.Array]:
    """Centres (size, number, K, D) and the rest (r, K, D): chunk i is [:, i]."""
    even = number * size
    # Slicing copies, also where it takes everything.
    whole = centers if even == centers.shape[0] else centers[:even]
    return whole.reshape(size, number, *centers.shape[1:]), centers[even:]


def _piece(folded: jax.Array, index: jax.Array) -> jax.Array:
    return jax.lax.dynamic_index_in_dim(folded, index, axis=1, keepdims=False)


def _classes(index: jax.Array, number: int, size: int) -> jax.Array:
    return jnp.arange(size, dtype=jnp.int32) * number + jnp.asarray(index, jnp.int32)


def _rest_classes(centers: jax.Array, rest: jax.Array) -> jax.Array:
    return jnp.arange(centers.shape[0] - rest.shape[0], centers.shape[0], dtype=jnp.int32)
