"""Primitives that look numbers up by their places."""

from __future__ import annotations

from typing import Any

import numpy as np

from reid_jax.export.graph.builder import Builder
from reid_jax.export.graph.shapes import Part, reshaped, sliced
from reid_jax.export.graph.table import Call, makes
from reid_jax.export.graph.values import Constant, RefusedError, Value, same


@makes("gather")
def _gather(builder: Builder, call: Call) -> Value:
    operand, places = call.inputs
    numbers = call.params["dimension_numbers"]
    sizes = call.params["slice_sizes"]
    batching = tuple(numbers.operand_batching_dims)
    indexed, gone = tuple(numbers.start_index_map), tuple(numbers.collapsed_slice_dims)
    whole = all(
        same((sizes[axis],), (operand.shape[axis],))
        for axis in range(len(sizes))
        if axis not in gone and axis not in batching
    )
    if len(indexed) == 1 and indexed == gone and whole and not batching:
        return _along(builder, call, indexed[0], numbers.offset_dims)
    if set(indexed) == set(gone) and whole:
        return _at_points(builder, call, indexed, batching, numbers)
    if isinstance(places, Constant) and not batching and np.ndim(places.array) == 1:
        return _part(builder, call, indexed, sizes)
    raise RefusedError("a look-up of parts at places that are computed")


def _along(builder: Builder, call: Call, axis: int, offset: Any) -> Value:
    """Rows of one axis."""
    operand, places = call.inputs
    index = _index(builder, places, operand.shape[axis])
    found = builder.node("Gather", [builder.plain(operand), index], axis=axis)
    # ONNX puts the places where the axis was, JAX where `offset_dims` leave room.
    rank = len(call.out.shape)
    inside = [a for a in range(rank) if a not in offset]
    order = (*offset[:axis], *inside, *offset[axis:])
    return builder.tensor("Identity", [found], call.out, order=tuple(order))


def _index(builder: Builder, places: Value, size: Any) -> str:
    """Indices (...,) within an axis, from places (..., 1)."""
    if isinstance(places, Constant):
        full = np.broadcast_to(places.array, tuple(int(n) for n in places.shape))[..., 0]
        return builder.constant(np.clip(full.astype(np.int64), 0, int(size) - 1))
    axes = builder.constant(np.array([len(places.shape) - 1], np.int64))
    return builder.node("Squeeze", [builder.plain(places), axes])


def _at_points(
    builder: Builder, call: Call, indexed: tuple[int, ...], batching: Any, numbers: Any
) -> Value:
    """What is at points of several axes, or of one in each row of a batch."""
    operand, places = call.inputs
    count = len(batching)
    first = (*batching, *indexed)
    rest = tuple(axis for axis in range(len(operand.shape)) if axis not in first)
    if tuple(numbers.start_indices_batching_dims) != tuple(range(count)):
        raise RefusedError("a look-up in batches of another order")
    data = builder.full(operand, (*first, *rest))
    index = builder.node("Cast", [builder.plain(places)], to="int64")
    found = builder.node("GatherND", [data, index], batch_dims=count)
    rank = len(call.out.shape)
    inside = [axis for axis in range(rank) if axis not in numbers.offset_dims]
    order = (*inside, *numbers.offset_dims)
    return builder.tensor("Identity", [found], call.out, order=order)


def _part(builder: Builder, call: Call, indexed: Any, sizes: Any) -> Value:
    """One part, at a place that is known."""
    operand, places = call.inputs
    starts = [0] * len(sizes)
    for axis, place in zip(indexed, np.asarray(places.array), strict=True):  # type: ignore[union-attr]
        starts[axis] = int(place)
    limits = [start + size for start, size in zip(starts, sizes, strict=True)]
    strides = (1,) * len(starts)
    part = sliced(builder, operand, Part(tuple(sizes), call.out.dtype), starts, limits, strides)
    return reshaped(builder, Call("reshape", [part], {}, call.outs))


@makes("dynamic_slice")
def _dynamic_slice(builder: Builder, call: Call) -> Value:
    operand, *places = call.inputs
    sizes = call.params["slice_sizes"]
    if all(isinstance(place, Constant) for place in places):
        starts = [int(np.asarray(place.array).reshape(())) for place in places]  # type: ignore[union-attr]
        static = [
            min(max(start, 0), int(n) - int(size))
            if isinstance(n, int) and isinstance(size, int)
            else start
            for start, size, n in zip(starts, sizes, operand.shape, strict=True)
        ]
        limits = [start + size for start, size in zip(static, sizes, strict=True)]
        return sliced(builder, operand, call.out, static, limits, (1,) * len(static))
    name = builder.plain(operand)
    moving = [a for a in range(len(sizes)) if not same((sizes[a],), (operand.shape[a],))]
    zero = builder.constant(np.zeros(1, np.int64))
    starts_, ends = [], []
    for axis in moving:
        last = builder.node(
            "Sub",
            [builder.dimensions.size(operand.shape[axis]), builder.dimensions.size(sizes[axis])],
        )
        place = builder.node("Cast", [builder.plain(places[axis])], to="int64")
        place = builder.node("Reshape", [place, builder.constant(np.ones(1, np.int64))])
        place = builder.node("Max", [builder.node("Min", [place, last]), zero])
        starts_.append(place)
        ends.append(builder.node("Add", [place, builder.dimensions.size(sizes[axis])]))
    vectors = [builder.node("Concat", each, axis=0) for each in (starts_, ends)]
    axes = builder.constant(np.array(moving, np.int64))
    return builder.tensor("Slice", [name, *vectors, axes], call.out)
