"""Maxima over square windows: the same values and gradients everywhere, by what is fast there.

A TPU has XLA's windowed maximum. Its gradient is ten times slower on a CPU, and on a GPU a scatter;
there the forward pass keeps in a byte which position of a window was largest, and the gradient
reads that.
"""

from __future__ import annotations

import itertools
from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax


def max_pool(
    x: jax.Array, window: int, stride: int, padding: int = 0, *, relu: bool = False
) -> jax.Array:
    """Maximum over square windows of (B, H, W, C); padding counts as minus infinity.

    What is left beside the last whole window is dropped. Where values tie, the first of a window,
    row by row, takes the gradient. With `relu` it is the maximum of that and zero, which is what
    ReLU before it would give, without another look at the map. Reverse-mode differentiation only.
    """
    chex.assert_rank(x, 4)
    return _max_pool(x, window, stride, padding, relu)


@partial(jax.custom_vjp, nondiff_argnums=(1, 2, 3, 4))
def _max_pool(x: jax.Array, window: int, stride: int, padding: int, relu: bool) -> jax.Array:
    return _forward(x, window, stride, padding, relu)[0]


def _forward(
    x: jax.Array, window: int, stride: int, padding: int, relu: bool
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    kind = np.uint8 if window < 16 else np.uint16  # room for two that are none

    def by_windows(x: jax.Array) -> tuple[jax.Array, jax.Array]:
        largest = _windows(x, window, stride, padding, relu)
        return largest, jnp.zeros(largest.shape, kind)

    def by_positions(x: jax.Array) -> tuple[jax.Array, jax.Array]:
        positions = _positions(x, window, stride, padding)
        largest, index = positions[0], jnp.zeros(positions[0].shape, jnp.int32)
        if relu:
            index = jnp.where(largest > 0, index, np.iinfo(kind).max)
            largest = jnp.maximum(largest, 0)
        # Compared with each other, not with the result: XLA may compute that one apart, with
        # another rounding. The barrier keeps the gradient from doing all of it again.
        for i, values in enumerate(positions[1:], start=1):
            index = jnp.where(values > largest, i, index)
            largest = jnp.maximum(largest, values)
        return largest, lax.optimization_barrier(index.astype(kind))

    largest, index = lax.platform_dependent(x, tpu=by_windows, default=by_positions)
    return largest, (x, index)


def _windows(x: jax.Array, window: int, stride: int, padding: int, relu: bool) -> jax.Array:
    sides, steps, beside = (1, window, window, 1), (1, stride, stride, 1), (padding, padding)
    lowest = np.asarray(-np.inf, x.dtype)
    pads = ((0, 0), beside, beside, (0, 0))
    largest = lax.reduce_window(x, lowest, lax.max, sides, steps, pads)
    return jax.nn.relu(largest) if relu else largest


def _positions(x: jax.Array, window: int, stride: int, padding: int) -> list[jax.Array]:
    """For each position in a window the values there: window^2 arrays (B, h, w, C)."""
    beside = (padding, padding, 0)
    x = lax.pad(x, jnp.asarray(-jnp.inf, x.dtype), [(0, 0, 0), beside, beside, (0, 0, 0)])
    count = [max((size - window) // stride + 1, 0) for size in x.shape[1:3]]

    def every(x: jax.Array, start: int, axis: int) -> jax.Array:
        n = count[axis - 1]
        start, stop = (start, start + (n - 1) * stride + 1) if n else (0, 0)
        return lax.slice_in_dim(x, start, stop, stride, axis)

    return [every(every(x, i, 1), j, 2) for i in range(window) for j in range(window)]


def _backward(
    window: int,
    stride: int,
    padding: int,
    relu: bool,
    residuals: tuple[jax.Array, jax.Array],
    gradient: jax.Array,
) -> tuple[jax.Array]:
    def by_windows(x: jax.Array, index: jax.Array, gradient: jax.Array) -> jax.Array:
        pool = partial(_windows, window=window, stride=stride, padding=padding, relu=relu)
        return jax.vjp(pool, x)[1](gradient)[0]

    def by_positions(x: jax.Array, index: jax.Array, gradient: jax.Array) -> jax.Array:
        return _spread(index, gradient, x.shape, window, stride, padding)

    return (lax.platform_dependent(*residuals, gradient, tpu=by_windows, default=by_positions),)


def _spread(
    index: jax.Array,
    gradient: jax.Array,
    shape: tuple[int, ...],
    window: int,
    stride: int,
    padding: int,
) -> jax.Array:
    """Each pixel's gradient: of the windows over it those whose largest value it was.

    Row stride * q + a of the padded map is row a + stride * d of window q - d, for each d that
    leaves it within the window; and so are columns.
    """
    reach = -(window // -stride)
    batch, rows, columns, channels = gradient.shape
    rows, columns = rows + reach - 1, columns + reach - 1
    place = np.arange(stride)
    total = jnp.zeros((), gradient.dtype)
    for down, along in itertools.product(range(reach), repeat=2):
        row, column = place[:, None] + stride * down, place[None, :] + stride * along
        within = (row < window) & (column < window)
        position = np.where(within, row * window + column, np.iinfo(index.dtype).max - 1)
        beside = [(0, 0, 0), *((d, reach - 1 - d, 0) for d in (down, along)), (0, 0, 0)]
        chosen, share = (
            lax.pad(each, jnp.zeros((), each.dtype), beside).reshape(
                batch, rows, 1, columns, 1, channels
            )
            for each in (index, gradient)
        )
        chosen = chosen == position.astype(index.dtype).reshape(1, 1, stride, 1, stride, 1)
        total = total + jnp.where(chosen, share, jnp.zeros((), share.dtype))
    total = total.reshape(batch, rows * stride, columns * stride, channels)
    rest = [
        (-padding, n + padding - m, 0) for n, m in zip(shape[1:3], total.shape[1:3], strict=True)
    ]
    return lax.pad(total, jnp.zeros((), total.dtype), [(0, 0, 0), *rest, (0, 0, 0)])


_max_pool.defvjp(_forward, _backward)
