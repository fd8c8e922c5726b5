"""Convolution that is fast on a CPU too: a drop-in for `lax.conv_general_dilated`.

Where the platform is a CPU, oneDNN computes it (`onednn`), or, where that is missing, XLA does, in
another form where its own kernels are slow (`cpu_convolution`). The choice of the form is made when
a program is lowered (`lax.platform_dependent`), so other platforms get `lax.conv_general_dilated`;
so do the other dense kernels on a CPU without oneDNN, and `cpu_compiler_options` makes those
faster. Reverse-mode differentiation only.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from reid_jax.compilations import target
from reid_jax.ops.convolution import cpu as cpu_convolution
from reid_jax.ops.convolution import onednn
from reid_jax.ops.convolution.cpu import NHWC, Geometry, lax_convolve

_SPEC = lax.conv_dimension_numbers((1,) * 4, (1,) * 4, NHWC)
_plain = False


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
    NHWC / HWIO, without input dilation, are lowered differently.
    """
    rhs_dilation = tuple(rhs_dilation or (1,) * (lhs.ndim - 2))
    ours = (
        not _plain
        and lhs.ndim == 4
        and all(d == 1 for d in lhs_dilation or ())
        and batch_group_count == 1
        and jnp.issubdtype(lhs.dtype, jnp.floating)
        and preferred_element_type is None
        and lax.conv_dimension_numbers(lhs.shape, rhs.shape, dimension_numbers) == _SPEC
        and 0 not in lhs.shape
    )
    if ours:
        if isinstance(padding, str):
            reach = [(k - 1) * d + 1 for k, d in zip(rhs.shape[:2], rhs_dilation, strict=True)]
            padding = lax.padtype_to_pads(lhs.shape[1:3], reach, window_strides, padding)
        geometry = Geometry(
            tuple(window_strides),  # type: ignore[arg-type]
            tuple((int(low), int(high)) for low, high in padding),  # type: ignore[arg-type]
            rhs_dilation,  # type: ignore[arg-type]
            feature_group_count,
            precision,
        )
        by_onednn = (
            lhs.dtype != jnp.float64
            and uses_onednn()
            and onednn.is_fast(lhs.shape, rhs.shape, geometry)
        )
        if by_onednn or cpu_convolution.gains(rhs.shape, feature_group_count):
            return _convolve(lhs, rhs, geometry, by_onednn)
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


_ENOUGH_CHANNELS = 8  # of an input, for the gradients of bfloat16


def uses_onednn() -> bool:
    """Whether convolutions are oneDNN's in this process: on one CPU device, where it is there."""
    # XLA cannot divide a call that it does not know over several devices: each would do all of it.
    alone = target() == "cpu" and jax.device_count() == 1
    return alone and onednn.missing() is None


def has_narrow_convolutions() -> bool:
    """Whether this process's CPU convolves in bfloat16, by instructions of its own."""
    geometry = Geometry((1, 1), ((1, 1), (1, 1)), (1, 1), 1, None)
    shapes = (64, 32, 32, 64), (3, 3, 64, 64)
    return uses_onednn() and onednn.is_fast(*shapes, geometry, narrow=True)


@partial(jax.jit, static_argnums=(2, 3))
@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _convolve(x: jax.Array, kernel: jax.Array, geometry: Geometry, by_onednn: bool) -> jax.Array:
    def on_cpu(x: jax.Array, kernel: jax.Array) -> jax.Array:
        # Sums are made in float32 and rounded once, by oneDNN from bfloat16 where the CPU can.
        wide = _wide(x, kernel, geometry, by_onednn)
        convolve = onednn.convolve if by_onednn else cpu_convolution.convolve
        return convolve(x.astype(wide), kernel.astype(wide), geometry).astype(x.dtype)

    default = partial(lax_convolve, geometry=geometry)
    return lax.platform_dependent(x, kernel, cpu=on_cpu, default=default)


def _forward(
    x: jax.Array, kernel: jax.Array, geometry: Geometry, by_onednn: bool
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return _convolve(x, kernel, geometry, by_onednn), (x, kernel)


def _backward(
    geometry: Geometry,
    by_onednn: bool,
    residuals: tuple[jax.Array, jax.Array],
    gradient: jax.Array,
) -> tuple[jax.Array, jax.Array]:
    def on_cpu(x: jax.Array, kernel: jax.Array, g: jax.Array) -> tuple[jax.Array, jax.Array]:
        # Of few channels, as depthwise, oneDNN's gradients of bfloat16 take up to fifty times those
        # of float32.
        wide = _wide(x, kernel, geometry, by_onednn and kernel.shape[2] >= _ENOUGH_CHANNELS)
        gradients = onednn.gradients if by_onednn else cpu_convolution.gradients
        of_x, of_kernel = gradients(x.astype(wide), kernel.astype(wide), g.astype(wide), geometry)
        return of_x.astype(x.dtype), of_kernel.astype(kernel.dtype)

    def default(x: jax.Array, kernel: jax.Array, g: jax.Array) -> tuple[jax.Array, jax.Array]:
        return jax.vjp(partial(lax_convolve, geometry=geometry), x, kernel)[1](g)

    return lax.platform_dependent(*residuals, gradient, cpu=on_cpu, default=default)


_convolve.__wrapped__.defvjp(_forward, _backward)  # type: ignore[attr-defined]


def _wide(x: jax.Array, kernel: jax.Array, geometry: Geometry, by_onednn: bool) -> Any:
    """The type that a CPU convolves in."""
    if x.dtype == jnp.float64:
        return jnp.float64
    narrow = by_onednn and x.dtype == kernel.dtype == jnp.bfloat16
    if narrow and onednn.is_fast(x.shape, kernel.shape, geometry, narrow=True):
        return jnp.bfloat16
    return jnp.float32
