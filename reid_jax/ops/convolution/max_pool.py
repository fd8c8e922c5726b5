"""Maxima over square windows, with gradients that are fast on a CPU.

XLA's own windowed maximum has a gradient that is ten times slower there.
"""

from __future__ import annotations

from functools import partial, reduce

import chex
import jax
import jax.numpy as jnp
from jax import lax

_LARGEST_TILE = 16  # whose positions a byte can count


def max_pool(x: jax.Array, window: int, stride: int, padding: int = 0) -> jax.Array:
    """Maximum over square windows of (B, H, W, C); padding counts as minus infinity.

    What is left beside the last whole window is dropped. Where values tie, the first of a window
    takes the gradient if windows do not overlap, otherwise they share it. Reverse-mode
    differentiation only.
    """
    chex.assert_rank(x, 4)
    if window == stride <= _LARGEST_TILE and padding == 0:
        return _tile_maximum(x, window)
    for axis in (1, 2):
        pads = [(0, 0, 0)] * 4
        pads[axis] = (padding, padding, 0)
        x = lax.pad(x, jnp.asarray(-jnp.inf, x.dtype), pads)
        count = max((x.shape[axis] - window) // stride + 1, 0)
        x = reduce(jnp.maximum, [_every(x, i, count, stride, axis) for i in range(window)])
    return x


def _every(x: jax.Array, start: int, count: int, stride: int, axis: int) -> jax.Array:
    """`count` slices of an axis, from `start` on."""
    start, stop = (start, start + (count - 1) * stride + 1) if count else (0, 0)
    return lax.slice_in_dim(x, start, stop, stride, axis)


@partial(jax.custom_vjp, nondiff_argnums=(1,))
def _tile_maximum(x: jax.Array, size: int) -> jax.Array:
    return reduce(jnp.maximum, _positions(x, size))


def _positions(x: jax.Array, size: int) -> list[jax.Array]:
    """For each position in a tile the values there: size^2 arrays (B, H // size, W // size, C)."""
    rows, columns = x.shape[1] // size, x.shape[2] // size
    return [
        _every(_every(x, i, rows, size, 1), j, columns, size, 2)
        for i in range(size)
        for j in range(size)
    ]


def _forward(x: jax.Array, size: int) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    positions = _positions(x, size)
    largest, index = positions[0], jnp.zeros(positions[0].shape, jnp.int32)
    # Compared with each other, not with the result: XLA may compute that one apart, with another
    # rounding. The barrier keeps the gradient from doing all of it again.
    for i, values in enumerate(positions[1:], start=1):
        index = jnp.where(values > largest, i, index)
        largest = jnp.maximum(largest, values)
    shape_of_x = jnp.zeros((0, *x.shape[1:3]))
    return largest, (lax.optimization_barrier(index.astype(jnp.uint8)), shape_of_x)


def _backward(
    size: int, residuals: tuple[jax.Array, jax.Array], gradient: jax.Array
) -> tuple[jax.Array]:
    index, shape_of_x = residuals
    batch, rows, columns, channels = gradient.shape
    tiles = (batch, rows, 1, columns, 1, channels)
    positions = jnp.arange(size * size, dtype=jnp.uint8).reshape(1, 1, size, 1, size, 1)
    chosen = index.reshape(tiles) == positions
    spread = jnp.where(chosen, gradient.reshape(tiles), jnp.zeros((), gradient.dtype))
    spread = spread.reshape(batch, rows * size, columns * size, channels)
    rest = [(0, n - m, 0) for n, m in zip(shape_of_x.shape[1:], spread.shape[1:3], strict=True)]
    return (lax.pad(spread, jnp.zeros((), spread.dtype), [(0, 0, 0), *rest, (0, 0, 0)]),)


_tile_maximum.defvjp(_forward, _backward)
