"""Convolutions and windows over pictures and over time, channels first as ONNX has them."""

from __future__ import annotations

from typing import Any

import numpy as np

from reid_jax.export.graph.builder import Builder
from reid_jax.export.graph.table import Call, makes
from reid_jax.export.graph.values import RefusedError, Value, is_one


@makes("conv_general_dilated")
def _convolve(builder: Builder, call: Call) -> Value:
    x, kernel = call.inputs
    params: dict[str, Any] = call.params
    numbers = params["dimension_numbers"]
    if any(d != 1 for d in params["lhs_dilation"] or ()) or params["batch_group_count"] != 1:
        raise RefusedError("a convolution of a picture with gaps")
    low, high = zip(*params["padding"], strict=True)
    spatial = [kernel.shape[axis] for axis in numbers.rhs_spec[2:]]
    return builder.tensor(
        "Conv",
        [builder.full(x, tuple(numbers.lhs_spec)), builder.full(kernel, tuple(numbers.rhs_spec))],
        call.out,
        order=tuple(numbers.out_spec),
        strides=[int(s) for s in params["window_strides"]],
        pads=[int(pad) for pad in (*low, *high)],
        dilations=[int(d) for d in params["rhs_dilation"]],
        group=int(params["feature_group_count"]),
        kernel_shape=[int(size) for size in spatial],
    )


@makes("reduce_window_max")
def _largest(builder: Builder, call: Call) -> Value:
    (x,) = call.inputs
    order, attributes = _windows(call)
    return builder.tensor("MaxPool", [builder.full(x, order)], call.out, order=order, **attributes)


@makes("reduce_window_sum")
def _sum(builder: Builder, call: Call) -> Value:
    (x,) = call.inputs
    order, attributes = _windows(call)
    mean = builder.node("AveragePool", [builder.full(x, order)], count_include_pad=1, **attributes)
    size = builder.constant(np.asarray(np.prod(attributes["kernel_shape"]), call.out.dtype))
    return builder.tensor("Mul", [mean, size], call.out, order=order)


def _windows(call: Call) -> tuple[tuple[int, ...], dict[str, Any]]:
    """The order with what is not under the window in front, and the window.

    Raises:
      RefusedError: it covers more than the places of a picture, or has gaps.
    """
    params = call.params
    dilated = [*(params["base_dilation"] or ()), *(params["window_dilation"] or ())]
    sides = params["window_dimensions"]
    covered = [axis for axis, side in enumerate(sides) if side != 1]
    rank = len(sides)
    if rank == 4 and len(covered) == 1:
        covered = [1, 2] if covered[0] in (1, 2) else [2, 3]
    beside = [axis for axis in range(rank) if axis not in covered]
    if any(d != 1 for d in dilated) or len(beside) != 2:
        raise RefusedError("a window over channels or photos")
    pads, steps = params["padding"], params["window_strides"]
    if any(not is_one(steps[axis]) or any(pads[axis]) for axis in beside):
        raise RefusedError("a window that steps over channels or photos")
    attributes = {
        "kernel_shape": [int(sides[axis]) for axis in covered],
        "strides": [int(steps[axis]) for axis in covered],
        "pads": [int(pads[axis][end]) for end in (0, 1) for axis in covered],
    }
    return (*beside, *covered), attributes
