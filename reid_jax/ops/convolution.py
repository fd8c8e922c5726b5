"""Convolution that is fast on a CPU too: a drop-in for `lax.conv_general_dilated`.

XLA's CPU backend runs 1x1 convolutions slower than the matrix product that they are, and depthwise
and grouped ones slower still, above all in the backward pass. Those are lowered here to shifted
slices and matrix products when the platform is a CPU; everything else, and every other platform,
gets `lax.conv_general_dilated`. The choice is made when the program is lowered
(`lax.platform_dependent`), so that an exported program carries both.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
from jax import lax

_NHWC = lax.ConvDimensionNumbers((0, 3, 1, 2), (3, 2, 0, 1), (0, 3, 1, 2))
Pads = tuple[tuple[int, int], tuple[int, int]]


def conv_general_dilated(
    lhs: jax.Array,
    rhs: jax.Array,
    window_strides: Sequence[int],
    padding: str | Sequence[tuple[int, int]],
    lhs_dilation: Sequence[int] | None = None,
    rhs_dilation: Sequence[int] | None = None,
    dimension_numbers: Any = None,
    feature_group_count: int = 1,
    **rest: Any,
) -> jax.Array:
    """`lax.conv_general_dilated`, with another lowering on CPUs where that is faster.

    Takes and returns what `lax.conv_general_dilated` does. Only 2-D convolutions with layout
    NHWC / HWIO and without input dilation are lowered differently.
    """
    return lax.conv_general_dilated(
        lhs,
        rhs,
        window_strides,
        padding,
        lhs_dilation=lhs_dilation,
        rhs_dilation=rhs_dilation,
        dimension_numbers=dimension_numbers,
        feature_group_count=feature_group_count,
        **rest,
    )
