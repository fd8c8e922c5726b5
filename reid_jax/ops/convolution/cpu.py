"""Convolutions written so that XLA's own CPU backend computes them fast.

It runs 1x1 convolutions slower than the matrix product that they are, depthwise ones 30 times
slower than the sum of shifted products, and takes a hundred times the forward time for the kernel's
gradient of a grouped one; a single input channel leaves its vectors empty.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

Pair = tuple[int, int]
Shape = tuple[int, ...]
NHWC = ("NHWC", "HWIO", "NHWC")

# Up to this many channels a block-diagonal dense kernel beats the grouped convolution.
_BLOCK_DIAGONAL = 256

# With one channel and few positions a product with what each kernel position meets, side by side,
# beats XLA's dense convolution 1.5 times and its kernel gradient 2 times; with three channels, or
# 5 x 5 positions, it takes up to twice as long.
_FEW_CHANNELS, _FEW_POSITIONS = 1, 9


@dataclasses.dataclass(frozen=True)
class Geometry:
    """How a kernel moves over (B, H, W, C); `pads` may be negative, which crops."""

    strides: Pair
    pads: tuple[Pair, Pair]
    dilation: Pair
    groups: int
    precision: Any


def output_shape(image: Shape, kernel: Shape, geometry: Geometry) -> Shape:
    """(B, h, w, F) of an image (B, H, W, C) under a kernel (h, w, C / groups, F)."""
    padded = [n + sum(pads) for n, pads in zip(image[1:3], geometry.pads, strict=True)]
    sizes = zip(padded, kernel[:2], geometry.dilation, geometry.strides, strict=True)
    return (image[0], *(max((n - (k - 1) * d - 1) // s + 1, 0) for n, k, d, s in sizes), kernel[3])


def gains(kernel_shape: Sequence[int], groups: int) -> bool:
    """Whether `convolve` is faster than `lax.conv_general_dilated` for such a kernel."""
    positions, channels = kernel_shape[0] * kernel_shape[1], kernel_shape[2]
    few = channels <= _FEW_CHANNELS and positions <= _FEW_POSITIONS
    return groups > 1 or positions == 1 or few


def lax_convolve(x: jax.Array, kernel: jax.Array, geometry: Geometry) -> jax.Array:
    """The same as XLA's own operation, of any type."""
    return lax.conv_general_dilated(
        x,
        kernel,
        geometry.strides,
        geometry.pads,
        rhs_dilation=geometry.dilation,
        dimension_numbers=NHWC,
        feature_group_count=geometry.groups,
        precision=geometry.precision,
    )


def convolve(x: jax.Array, kernel: jax.Array, geometry: Geometry) -> jax.Array:
    """The convolution of (B, H, W, C) by (h, w, C / groups, F), float32 or float64."""
    channels, (height, width, per_group, features) = x.shape[-1], kernel.shape
    if geometry.groups == 1:
        patches = jnp.concatenate(_taps(x, kernel.shape, geometry), axis=-1)
        return jnp.dot(patches, kernel.reshape(-1, features), precision=geometry.precision)
    if per_group == 1 and features == channels:
        taps = _taps(x, kernel.shape, geometry)
        weights = kernel.reshape(height * width, 1, 1, 1, channels)
        return sum(
            (tap * weight for tap, weight in zip(taps[1:], weights[1:], strict=True)),
            taps[0] * weights[0],
        )
    if channels <= _BLOCK_DIAGONAL:
        return lax_convolve(
            x, _block_diagonal(kernel, geometry.groups), dataclasses.replace(geometry, groups=1)
        )
    return lax_convolve(x, kernel, geometry)


def gradients(
    x: jax.Array, kernel: jax.Array, gradient: jax.Array, geometry: Geometry
) -> tuple[jax.Array, jax.Array]:
    """Gradients with respect to `x` and `kernel`, given that of the result."""
    (of_input,) = jax.linear_transpose(lambda x: convolve(x, kernel, geometry), x)(gradient)
    return of_input, _kernel_gradient(x, kernel, gradient, geometry)


def _kernel_gradient(
    x: jax.Array, kernel: jax.Array, gradient: jax.Array, geometry: Geometry
) -> jax.Array:
    channels, (height, width, per_group, features) = x.shape[-1], kernel.shape
    rows = gradient.reshape(-1, features)
    dot = partial(jnp.einsum, precision=geometry.precision)
    if geometry.groups == 1:
        patches = jnp.concatenate(_taps(x, kernel.shape, geometry), axis=-1)
        return dot("nc,nf->cf", patches.reshape(-1, height * width * channels), rows).reshape(
            kernel.shape
        )
    if per_group == 1 and features == channels:
        ones = jnp.ones(rows.shape[0], rows.dtype)
        # Summing the rows by a product with ones is what the CPU does fastest.
        taps = [
            dot("n,nc->c", ones, tap.reshape(-1, channels) * rows)
            for tap in _taps(x, kernel.shape, geometry)
        ]
        return jnp.stack(taps).reshape(kernel.shape)
    if channels <= _BLOCK_DIAGONAL:
        plain = dataclasses.replace(geometry, groups=1)
        blocks = lambda kernel: lax_convolve(  # noqa: E731
            x, _block_diagonal(kernel, geometry.groups), plain
        )
        (kernel_gradient,) = jax.linear_transpose(blocks, kernel)(gradient)
        return kernel_gradient
    grouped_rows = rows.reshape(-1, geometry.groups, features // geometry.groups)
    taps = [
        dot("ngc,ngf->cgf", tap.reshape(-1, geometry.groups, per_group), grouped_rows)
        for tap in _taps(x, kernel.shape, geometry)
    ]
    return jnp.stack(taps).reshape(kernel.shape)


def _block_diagonal(kernel: jax.Array, groups: int) -> jax.Array:
    """A grouped kernel (h, w, C / groups, F) as a dense one (h, w, C, F) with zeros between."""
    height, width, per_group, features = kernel.shape
    blocks = kernel.reshape(height, width, 1, per_group, groups, features // groups)
    same = jnp.eye(groups, dtype=kernel.dtype).reshape(1, 1, groups, 1, groups, 1)
    return (blocks * same).reshape(height, width, groups * per_group, features)


def _taps(x: jax.Array, kernel_shape: Sequence[int], geometry: Geometry) -> list[jax.Array]:
    """For each kernel position the input that it meets: (B, h, w, C), row by row."""
    out = output_shape(x.shape, tuple(kernel_shape), geometry)[1:3]
    # lax.pad crops where a padding is negative, which lax.conv allows too
    pads = [(0, 0, 0), *((low, high, 0) for low, high in geometry.pads), (0, 0, 0)]
    x = lax.pad(x, jnp.zeros((), x.dtype), pads)
    taps = []
    for i in range(kernel_shape[0]):
        for j in range(kernel_shape[1]):
            start = (i * geometry.dilation[0], j * geometry.dilation[1])
            stop = [
                b + (n - 1) * s + 1 for b, n, s in zip(start, out, geometry.strides, strict=True)
            ]
            taps.append(
                lax.slice(
                    x,
                    (0, *start, 0),
                    (x.shape[0], *stop, x.shape[3]),
                    (1, *geometry.strides, 1),
                )
            )
    return taps
