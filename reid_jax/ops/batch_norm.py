"""Batch normalisation with what follows it, and a gradient that reads only what it must.

XLA's own gradient of a two-pass normalisation reads and writes twice as much. Reverse mode only.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import chex
import jax
import jax.numpy as jnp
from jax import lax

from reid_jax.compilations import target

Activation = Callable[[jax.Array], jax.Array]
Pair = tuple[jax.Array, jax.Array]


@dataclass(frozen=True)
class BatchNormalisation:
    """How an array is normalised.

    Attributes:
      epsilon: added to the variance.
      dtype: of the result; statistics are float32 (float64 of float64).
      groups: the rows here are so many equal consecutive parts, each with statistics of its own.
      axis_name: a mapped axis over which the statistics are shared, or None.
      divided: XLA divides the rows of a group over devices; sums are then exchanged together.
      act: what follows elementwise, or None; behind a shortcut ReLU.
    """

    epsilon: float
    dtype: Any
    groups: int = 1
    axis_name: str | None = None
    divided: bool = False
    act: Activation | None = None


def widen(x: jax.Array) -> jax.Array:
    """In the precision of statistics and logits: float32, float64 staying what it is."""
    return x if x.dtype == jnp.float64 else x.astype(jnp.float32)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def normalise_batch(
    how: BatchNormalisation,
    x: jax.Array,
    scale: jax.Array,
    bias: jax.Array,
    shift: jax.Array | None,
    shortcut: jax.Array | None,
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """`act((x - mean) / sqrt(var + epsilon) * scale + bias + shortcut)` over all axes but the last.

    Ioffe and Szegedy 2015, algorithm 1. The statistics take one pass, over differences to a value
    near the mean: squares then keep the digits that a mean far from zero would take.

    Args:
      x: (B, ..., C).
      scale, bias: (C,) float32.
      shift: (C,) near the mean and the same on all devices; None takes a value of each group.
      shortcut: like x, added before the activation.

    Returns:
      The result, like x, of `how.dtype`; and without a gradient means and biased variances
      (groups, C).
    """
    return _forward(how, x, scale, bias, shift, shortcut)[0]


def _forward(
    how: BatchNormalisation,
    x: jax.Array,
    scale: jax.Array,
    bias: jax.Array,
    shift: jax.Array | None,
    shortcut: jax.Array | None,
) -> tuple[Any, Any]:
    chex.assert_shape([scale, bias], x.shape[-1:])
    rows = _in_groups(how, x)
    middle = (n // 2 for n in rows.shape[2:-1])
    near = widen(rows[:, 0, *middle]) if shift is None else shift[None]
    from_near = widen(rows) - _spread(near, rows)
    sums, _ = _sums(how, from_near, jnp.square(from_near))
    offset, square = (each / _count(how, rows) for each in sums)
    var = jnp.maximum(square - jnp.square(offset), 0.0)
    inverse = lax.rsqrt(var + how.epsilon)
    factor = inverse * scale[None]
    y = (from_near - _spread(offset, rows)) * _spread(factor, rows) + _last(bias, rows)
    if shortcut is not None:
        y = y + widen(shortcut).reshape(y.shape)
    y = y if how.act is None else how.act(y)
    y = y.reshape(x.shape).astype(how.dtype)
    if shortcut is not None:
        # The next shortcut would be taken from the result before it was rounded: twice the bytes.
        y = lax.optimization_barrier(y)
    kept = y if shortcut is not None else None
    return (y, near + offset, var), (x, bias, near, offset, inverse, factor, kept)


def _backward(how: BatchNormalisation, saved: Any, gradients: Any) -> tuple[Any, ...]:
    # Barriers: what follows from x is computed again, which is cheaper than to write and read it.
    saved, of_result = lax.optimization_barrier((saved, gradients[0]))
    x, bias, near, offset, inverse, factor, y = saved
    rows, of_result = _in_groups(how, x), _in_groups(how, of_result)
    if y is not None and how.act is not None:
        of_result = jnp.where(_in_groups(how, y) > 0, of_result, jnp.zeros((), of_result.dtype))

    def inside(near: jax.Array, factor: jax.Array, of_result: jax.Array) -> Any:
        """The gradient before the activation and x - mean, both wide."""
        centred, gradient = (
            widen(rows) - _spread(near, rows) - _spread(offset, rows),
            widen(of_result),
        )
        if y is None and how.act is not None:
            before = centred * _spread(factor, rows) + _last(bias, rows)
            gradient = _gradient_before(how.act, before, gradient)
        return gradient, centred

    gradient, centred = inside(near, factor, of_result)
    sums, here = _sums(how, gradient, gradient * centred)
    sums, near, factor, kept = lax.optimization_barrier((sums, near, factor, of_result))
    gradient, centred = inside(near, factor, kept)
    count = _count(how, rows)
    constant, slope = sums[0] / count, sums[1] / count * jnp.square(inverse)
    of_x = gradient - _spread(constant, rows) - centred * _spread(slope, rows)
    of_x = (of_x * _spread(factor, rows)).astype(x.dtype).reshape(x.shape)
    of_scale, of_bias = (here[1] * inverse).sum(0), here[0].sum(0)
    of_shortcut = None if y is None else kept.reshape(x.shape)
    return of_x, of_scale, of_bias, None, of_shortcut


normalise_batch.defvjp(_forward, _backward)


def _gradient_before(act: Activation, before: jax.Array, gradient: jax.Array) -> jax.Array:
    if act is jax.nn.relu and target() == "gpu":
        # XLA writes a choice's mask to memory before it sums; this product it computes twice.
        return gradient * jnp.sign(jax.nn.relu(before))
    of_before: jax.Array = jax.vjp(act, before)[1](gradient)[0]
    return of_before


def _in_groups(how: BatchNormalisation, x: jax.Array) -> jax.Array:
    """(B, ..., C) -> (groups, B / groups, ..., C)."""
    return x.reshape(how.groups, -1, *x.shape[1:])


def _spread(statistic: jax.Array, rows: jax.Array) -> jax.Array:
    """(groups, C) -> (groups, 1, ..., C)."""
    return lax.expand_dims(statistic, range(1, rows.ndim - 1))


def _last(vector: jax.Array, rows: jax.Array) -> jax.Array:
    """(C,) -> (1, ..., C)."""
    return lax.expand_dims(vector, range(rows.ndim - 1))


def _sums(how: BatchNormalisation, a: jax.Array, b: jax.Array) -> tuple[Any, Any]:
    """Sums of both, each (groups, C), over all devices; and over this one's rows."""
    both = _sum_both((_in_bands(a), _in_bands(b)), tuple(range(3, a.ndim)))
    if how.divided:
        here = jnp.stack(lax.optimization_barrier(both)).sum((2, 3))
        return tuple(here), tuple(here)
    each = _sum_both(both, (1, 2))
    if how.axis_name is None:
        return each, each
    return tuple(lax.psum(jnp.stack(each), how.axis_name)), each


def _count(how: BatchNormalisation, rows: jax.Array) -> float:
    """Values of a channel, of a thousand devices more than an int32 holds."""
    devices = lax.axis_size(how.axis_name) if how.axis_name else 1
    return float(devices * rows.size // rows.shape[-1] // how.groups)


def _sum_both(pair: Pair, axes: tuple[int, ...]) -> Pair:
    zero = jnp.zeros((), pair[0].dtype)
    sums: Pair = lax.reduce(pair, (zero, zero), lambda x, y: (x[0] + y[0], x[1] + y[1]), axes)
    return sums


def _in_bands(rows: jax.Array) -> jax.Array:
    """(groups, B, H, ..., C) -> (groups, B, bands, H / bands, ..., C).

    A band has as many positions as there are channels, at least, where it can: each is summed on
    its own first, and there is work enough for a GPU whatever the shape.
    """
    if rows.ndim == 3:
        return rows[:, :, None]
    height, positions = rows.shape[2], math.prod(rows.shape[2:-1])
    bands = max(
        n
        for n in range(1, height + 1)
        if n == 1 or (height % n == 0 and positions // n >= rows.shape[-1])
    )
    return rows.reshape(*rows.shape[:2], bands, height // bands, *rows.shape[3:])
