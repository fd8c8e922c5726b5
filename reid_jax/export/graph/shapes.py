"""Primitives that move numbers and compute none."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from reid_jax.export.graph.builder import Builder
from reid_jax.export.graph.elementwise import axes_in, common_order
from reid_jax.export.graph.table import Call, makes
from reid_jax.export.graph.values import (
    Constant,
    RefusedError,
    Tensor,
    Value,
    is_one,
    is_static,
    moved,
    same,
)


@makes("broadcast_in_dim")
def _broadcast(builder: Builder, call: Call) -> Value:
    (x, *_) = call.inputs
    shape = tuple(call.params["shape"])
    places = tuple(call.params["broadcast_dimensions"])
    held: list[Any] = [1] * len(shape)
    for axis, place in enumerate(places):
        held[place] = x.held[axis]
    if isinstance(x, Constant):
        return Constant(np.asarray(x.array).reshape([int(size) for size in held]), shape)
    # What is new has size 1, wherever it stands; in front costs nothing.
    new = [axis for axis in range(len(shape)) if axis not in places]
    order = (*new, *(places[axis] for axis in x.order))
    if not new:
        return Tensor(x.name, shape, x.dtype, tuple(held), order)
    axes = builder.constant(np.arange(len(new), dtype=np.int64))
    name = builder.node("Unsqueeze", [x.name, axes])
    return Tensor(name, shape, x.dtype, tuple(held), order)


@makes("reshape", "squeeze", "expand_dims")
def _reshape(builder: Builder, call: Call) -> Value:
    return reshaped(builder, call)


def reshaped(builder: Builder, call: Call) -> Value:
    """The numbers of the first input in another shape; where they lie so already, nothing moves."""
    (x, *_) = call.inputs
    shape = tuple(call.out.shape)
    if isinstance(x, Constant) and x.uniform:
        return Constant(np.asarray(x.array).reshape((1,) * len(shape)), shape)
    if isinstance(x, Tensor):
        old = [axis for axis, size in enumerate(x.shape) if not is_one(size)]
        new = [axis for axis, size in enumerate(shape) if not is_one(size)]
        if same(tuple(x.shape[a] for a in old), tuple(shape[a] for a in new)):
            return _with_units(builder, x, call, dict(zip(old, new, strict=True)))
        if same(x.held, x.shape) and (order := _order_after(x, shape)) is not None:
            target = builder.dimensions.target(moved(shape, order))
            return builder.tensor("Reshape", [x.name, target], call.out, order=order)
    target = builder.dimensions.target(shape)
    return builder.tensor("Reshape", [builder.plain(x), target], call.out)


def _order_after(x: Tensor, shape: tuple[Any, ...]) -> tuple[int, ...] | None:
    """The order of the result where what is put together lies together; else None."""
    order: list[int] = []
    groups = _groups(x.shape, shape)
    whole = {old: (group, new) for group, new in groups for old in group} if groups else {}
    place = 0
    while groups and place < len(x.order):
        group, new = whole[x.order[place]]
        if x.order[place : place + len(group)] != group:
            return None
        order += new
        place += len(group)
    return tuple(order) if len(order) == len(shape) and groups else None


def _groups(
    old: tuple[Any, ...], new: tuple[Any, ...]
) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Which axes become which, group by group; empty where a symbolic size is cut or joined."""
    groups, i, j = [], 0, 0
    while i < len(old) and j < len(new):
        start, begin = i, j
        if same((old[i],), (new[j],)):
            i, j = i + 1, j + 1
        else:
            if not is_static((old[i], new[j])):
                return []
            left, right = old[i], new[j]
            i, j = i + 1, j + 1
            while left != right:
                smaller = old[i : i + 1] if left < right else new[j : j + 1]
                if not smaller or not is_static(smaller):
                    return []
                if left < right:
                    left, i = left * old[i], i + 1
                else:
                    right, j = right * new[j], j + 1
        groups.append((tuple(range(start, i)), tuple(range(begin, j))))
    if i < len(old) or j < len(new):
        return []
    return groups


def _with_units(builder: Builder, x: Tensor, call: Call, place: dict[int, int]) -> Tensor:
    """Only axes of size 1 come and go: the others keep the order in which they lie."""
    shape = tuple(call.out.shape)
    held: list[Any] = [1] * len(shape)
    for old, new in place.items():
        held[new] = x.held[old]
    large = [place[axis] for axis in x.order if axis in place]
    units = [axis for axis in range(len(shape)) if axis not in large]
    order = _filled_in(large, units)
    target = builder.dimensions.target(moved(held, order))
    name = builder.node("Reshape", [x.name, target])
    return Tensor(name, shape, x.dtype, tuple(held), order)


def _filled_in(large: list[int], units: list[int]) -> tuple[int, ...]:
    """The program's own order where the large axes have it; else units behind the others."""
    if large == sorted(large):
        return tuple(sorted([*large, *units]))
    return (*large, *units)


@makes("transpose")
def _transpose(builder: Builder, call: Call) -> Value:
    (x,) = call.inputs
    permutation = tuple(call.params["permutation"])
    shape = tuple(call.out.shape)
    if isinstance(x, Constant):
        return Constant(np.transpose(np.asarray(x.array), permutation), shape)
    order = tuple(permutation.index(axis) for axis in x.order)
    return Tensor(x.name, shape, x.dtype, moved(x.held, permutation), order)


@makes("concatenate")
def _concatenate(builder: Builder, call: Call) -> Value:
    order = common_order(call.inputs)
    names = [builder.full(value, order) for value in call.inputs]
    axis = order.index(call.params["dimension"])
    return builder.tensor("Concat", names, call.out, order=order, axis=axis)


@makes("stack")
def _stack(builder: Builder, call: Call) -> Value:
    axis = call.params.get("axis", call.params.get("dimension", 0))
    axes = builder.constant(np.array([axis], np.int64))
    names = [builder.node("Unsqueeze", [builder.plain(value), axes]) for value in call.inputs]
    return builder.tensor("Concat", names, call.out, axis=axis)


@makes("slice")
def _slice(builder: Builder, call: Call) -> Value:
    (x,) = call.inputs
    starts, limits = call.params["start_indices"], call.params["limit_indices"]
    strides = call.params["strides"] or (1,) * len(starts)
    return sliced(builder, x, call.out, starts, limits, strides)


class Part(NamedTuple):
    """Shape and dtype of what is no variable of the program."""

    shape: tuple[Any, ...]
    dtype: Any


def sliced(
    builder: Builder, x: Value, out: Any, starts: Any, limits: Any, strides: Any
) -> Tensor | Constant:
    """A part of each axis; what is broadcast along an axis is so in the part."""
    shape = tuple(out.shape)
    if isinstance(x, Constant):
        x = builder.materialised(x)
    cut = [
        axis
        for axis in range(len(shape))
        if not is_one(x.held[axis])
        and not (same((x.shape[axis],), (shape[axis],)) and is_one(strides[axis]))
    ]
    held = tuple(
        1 if is_one(x.held[axis]) and not is_one(x.shape[axis]) else shape[axis]
        for axis in range(len(shape))
    )
    if not cut:
        return Tensor(x.name, shape, x.dtype, held, x.order)
    ends = [builder.dimensions.limit(limits[axis], x.shape[axis]) for axis in cut]
    vectors = [
        builder.dimensions.vector(tuple(starts[axis] for axis in cut)),
        builder.dimensions.vector(tuple(ends)),
        builder.constant(np.array(axes_in(x, cut), np.int64)),
        builder.constant(np.array([strides[axis] for axis in cut], np.int64)),
    ]
    return builder.tensor("Slice", [x.name, *vectors], out, held=held, order=x.order)


@makes("split")
def _split(builder: Builder, call: Call) -> list[Value]:
    (x,) = call.inputs
    axis, start, parts = call.params["axis"], 0, list[Value]()
    for size, out in zip(call.params["sizes"], call.outs, strict=True):
        starts = [start if a == axis else 0 for a in range(len(x.shape))]
        limits = [start + size if a == axis else n for a, n in enumerate(x.shape)]
        parts.append(sliced(builder, x, out, starts, limits, (1,) * len(starts)))
        start += size
    return parts


@makes("rev")
def _reverse(builder: Builder, call: Call) -> Value:
    x = builder.materialised(call.inputs[0])
    axes = list(call.params["dimensions"])
    numbers = [[-1] * len(axes), [np.iinfo(np.int64).min] * len(axes), axes, [-1] * len(axes)]
    vectors = [builder.constant(np.array(each, np.int64)) for each in numbers]
    return builder.tensor("Slice", [x.name, *vectors], call.out)


@makes("pad")
def _pad(builder: Builder, call: Call) -> Value:
    x, value = call.inputs
    low, high, inside = zip(*call.params["padding_config"], strict=True)
    if any(not is_one(each + 1) for each in inside):
        raise RefusedError("a pad between numbers")
    if isinstance(x, Constant) and isinstance(value, Constant) and x.uniform:
        both = np.asarray(x.array).reshape(()) == np.asarray(value.array).reshape(())
        if both:
            return Constant(np.asarray(x.array), tuple(call.out.shape))
    tensor = builder.held_everywhere(x if isinstance(x, Tensor) else builder.materialised(x))
    order = tensor.order
    pads = builder.dimensions.vector((*moved(low, order), *moved(high, order)))
    boolean = np.dtype(call.out.dtype) == np.bool_
    name, fill = tensor.name, builder.plain(value)
    if boolean:  # engines pad numbers alone
        name, fill = (builder.node("Cast", [each], to="int32") for each in (name, fill))
    if not boolean:
        return builder.tensor("Pad", [name, pads, fill], call.out, order=order)
    padded = builder.node("Pad", [name, pads, fill])
    return builder.tensor("Cast", [padded], call.out, order=order, to="bool")


@makes("iota")
def _iota(builder: Builder, call: Call) -> Value:
    shape, axis = tuple(call.out.shape), call.params["dimension"]
    held = tuple(size if place == axis else 1 for place, size in enumerate(shape))
    if is_static((shape[axis],)):
        numbers = np.arange(shape[axis]).astype(call.out.dtype).reshape(held)
        return Constant(numbers, shape)
    scalar = builder.node(
        "Squeeze",
        [builder.dimensions.size(shape[axis]), builder.constant(np.zeros(1, np.int64))],
    )
    ends = [builder.constant(np.asarray(n, np.int64)) for n in (0, 1)]
    name = builder.node("Range", [ends[0], scalar, ends[1]])
    name = builder.node("Cast", [name], to=np.dtype(call.out.dtype).name)
    name = builder.node("Reshape", [name, builder.dimensions.target(held)])
    return Tensor(name, shape, call.out.dtype, held, tuple(range(len(shape))))


@makes("dim_as_value")
def _dim(builder: Builder, call: Call) -> Value:
    size = builder.dimensions.size(call.params["dim"])
    name = builder.node("Squeeze", [size, builder.constant(np.zeros(1, np.int64))])
    return builder.tensor("Cast", [name], call.out, to=np.dtype(call.out.dtype).name)
