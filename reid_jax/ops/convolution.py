"""Convolution that is fast on a CPU too: a drop-in for `lax.conv_general_dilated`.

XLA's CPU backend runs 1x1 convolutions slower than the matrix product that they are, depthwise ones
30 times slower than the sum of shifted products, and takes a hundred times the forward time for the
kernel's gradient of a grouped one; a single input channel leaves its vectors empty. Those are
written out here where the platform is a CPU. The choice is made when a program is lowered
(`lax.platform_dependent`), so other platforms, and other dense kernels everywhere, get
`lax.conv_general_dilated`; `cpu_compiler_options` makes the latter faster on a CPU. Reverse-mode
differentiation only.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

Pair = tuple[int, int]
_NHWC = ("NHWC", "HWIO", "NHWC")
_SPEC = lax.conv_dimension_numbers((1,) * 4, (1,) * 4, _NHWC)
_plain = False

# Up to this many channels a block-diagonal dense kernel beats the grouped convolution.
_BLOCK_DIAGONAL = 256

# With one channel and few positions a product with what each kernel position meets, side by side,
# beats XLA's dense convolution 1.5 times and its kernel gradient 2 times; with three channels, or
# 5 x 5 positions, it takes up to twice as long.
_FEW_CHANNELS, _FEW_POSITIONS = 1, 9


@functools.cache
def cpu_compiler_options() -> dict[str, str]:
    """Options for `jax.jit(compiler_options=...)` that leave dense convolutions to Eigen.

    By default XLA gives them to YNNPACK, which takes 1.7 times as long at 64 channels. Empty where
    this version of XLA has no such choice.
    """
    options = {
        "xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT,"
        "LIBRARY_FUSION_TYPE_REDUCE"
    }
    try:
        with jax.default_device(jax.devices("cpu")[0]):
            jax.jit(lambda: 0).lower().compile(compiler_options={**options})
    except jax.errors.JaxRuntimeError:
        return {}
    return options


@contextlib.contextmanager
def plain_lowering() -> Iterator[None]:
    """While tracing in this context every convolution is XLA's, so that its costs are counted."""
    global _plain
    before, _plain = _plain, True
    try:
        yield
    finally:
        _plain = before


@dataclasses.dataclass(frozen=True)
class _Geometry:
    strides: Pair
    pads: tuple[Pair, Pair]
    dilation: Pair
    groups: int
    precision: Any


def conv_general_dilated(
    lhs: jax.Array,
    rhs: jax.Array,
    window_strides: Sequence[int],
    padding: str | Sequence[tuple[int, int]],
    lhs_dilation: Sequence[int] | None = None,
    rhs_dilation: Sequence[int] | None = None,
    dimension_numbers: Any = None,
    feature_group_count: int = 1,
    batch_group_count: int = 1,
    precision: Any = None,
    preferred_element_type: Any = None,
) -> jax.Array:
    """`lax.conv_general_dilated`, with another lowering on CPUs where that is faster.

    Takes and returns what `lax.conv_general_dilated` does. Only 2-D convolutions with layout
    NHWC / HWIO, without input dilation, that are 1x1, depthwise, grouped or of one channel and
    at most 3x3 are lowered differently.
    """
    rhs_dilation = tuple(rhs_dilation or (1,) * (lhs.ndim - 2))
    ours = (
        not _plain
        and lhs.ndim == 4
        and all(d == 1 for d in lhs_dilation or ())
        and batch_group_count == 1
        and preferred_element_type is None
        and lax.conv_dimension_numbers(lhs.shape, rhs.shape, dimension_numbers) == _SPEC
        and (feature_group_count > 1 or _is_product(rhs.shape))
        and 0 not in lhs.shape
    )
    if not ours:
        return lax.conv_general_dilated(
            lhs,
            rhs,
            window_strides,
            padding,
            lhs_dilation,
            rhs_dilation,
            dimension_numbers,
            feature_group_count,
            batch_group_count,
            precision,
            preferred_element_type,
        )
    if isinstance(padding, str):
        reach = [(k - 1) * d + 1 for k, d in zip(rhs.shape[:2], rhs_dilation, strict=True)]
        padding = lax.padtype_to_pads(lhs.shape[1:3], reach, window_strides, padding)
    geometry = _Geometry(
        tuple(window_strides),  # type: ignore[arg-type]
        tuple((int(low), int(high)) for low, high in padding),  # type: ignore[arg-type]
        rhs_dilation,  # type: ignore[arg-type]
        feature_group_count,
        precision,
    )
    return _convolve(lhs, rhs, geometry)


def _is_product(kernel_shape: Sequence[int]) -> bool:
    positions, channels = kernel_shape[0] * kernel_shape[1], kernel_shape[2]
    return positions == 1 or (channels <= _FEW_CHANNELS and positions <= _FEW_POSITIONS)


@partial(jax.jit, static_argnums=2)
@partial(jax.custom_vjp, nondiff_argnums=(2,))
def _convolve(x: jax.Array, kernel: jax.Array, geometry: _Geometry) -> jax.Array:
    return lax.platform_dependent(
        x,
        kernel,
        cpu=partial(_cpu_convolve, geometry=geometry),
        default=partial(_lax_convolve, geometry=geometry),
    )


def _forward(
    x: jax.Array, kernel: jax.Array, geometry: _Geometry
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return _convolve(x, kernel, geometry), (x, kernel)


def _backward(
    geometry: _Geometry, residuals: tuple[jax.Array, jax.Array], gradient: jax.Array
) -> tuple[jax.Array, jax.Array]:
    def default(x: jax.Array, kernel: jax.Array, g: jax.Array) -> tuple[jax.Array, jax.Array]:
        return jax.vjp(partial(_lax_convolve, geometry=geometry), x, kernel)[1](g)

    return lax.platform_dependent(
        *residuals, gradient, cpu=partial(_cpu_gradients, geometry=geometry), default=default
    )


_convolve.__wrapped__.defvjp(_forward, _backward)  # type: ignore[attr-defined]


def _lax_convolve(x: jax.Array, kernel: jax.Array, geometry: _Geometry) -> jax.Array:
    return lax.conv_general_dilated(
        x,
        kernel,
        geometry.strides,
        geometry.pads,
        rhs_dilation=geometry.dilation,
        dimension_numbers=_NHWC,
        feature_group_count=geometry.groups,
        precision=geometry.precision,
    )


def _cpu_convolve(x: jax.Array, kernel: jax.Array, geometry: _Geometry) -> jax.Array:
    # A CPU has no bfloat16 arithmetic to lose: sums are made in float32 and rounded once.
    wide = _wide(x.dtype)
    y = _float_convolve(x.astype(wide), kernel.astype(wide), geometry)
    return y.astype(x.dtype)


def _wide(dtype: Any) -> Any:
    return jnp.float64 if dtype == jnp.float64 else jnp.float32


def _float_convolve(x: jax.Array, kernel: jax.Array, geometry: _Geometry) -> jax.Array:
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
        return _lax_convolve(
            x, _block_diagonal(kernel, geometry.groups), dataclasses.replace(geometry, groups=1)
        )
    return _lax_convolve(x, kernel, geometry)


def _cpu_gradients(
    x: jax.Array, kernel: jax.Array, gradient: jax.Array, geometry: _Geometry
) -> tuple[jax.Array, jax.Array]:
    wide = _wide(x.dtype)
    wide_x, wide_kernel, gradient = (a.astype(wide) for a in (x, kernel, gradient))
    transposed = jax.linear_transpose(lambda x: _float_convolve(x, wide_kernel, geometry), wide_x)
    (input_gradient,) = transposed(gradient)
    kernel_gradient = _kernel_gradient(wide_x, wide_kernel, gradient, geometry)
    return input_gradient.astype(x.dtype), kernel_gradient.astype(kernel.dtype)


def _kernel_gradient(
    x: jax.Array, kernel: jax.Array, gradient: jax.Array, geometry: _Geometry
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
        blocks = lambda kernel: _lax_convolve(  # noqa: E731
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


def _taps(x: jax.Array, kernel_shape: Sequence[int], geometry: _Geometry) -> list[jax.Array]:
    """For each kernel position the input that it meets: (B, h, w, C), row by row."""
    # lax.pad crops where a padding is negative, which lax.conv allows too
    pads = [(0, 0, 0), *((low, high, 0) for low, high in geometry.pads), (0, 0, 0)]
    x = lax.pad(x, jnp.zeros((), x.dtype), pads)
    sizes = zip(x.shape[1:3], kernel_shape[:2], geometry.dilation, geometry.strides, strict=True)
    out = [max((n - (k - 1) * d - 1) // s + 1, 0) for n, k, d, s in sizes]
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
