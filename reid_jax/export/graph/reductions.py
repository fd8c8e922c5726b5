"""Primitives that make one number of many, or running ones."""

from __future__ import annotations

import math

import numpy as np

from reid_jax.export.graph.builder import Builder
from reid_jax.export.graph.elementwise import axes_in, elementwise, remaining, without
from reid_jax.export.graph.table import Call, makes
from reid_jax.export.graph.values import Constant, Tensor, Value, is_static, same

_REDUCTIONS = {
    "reduce_sum": "ReduceSum",
    "reduce_max": "ReduceMax",
    "reduce_min": "ReduceMin",
    "reduce_prod": "ReduceProd",
    "reduce_and": "ReduceMin",
    "reduce_or": "ReduceMax",
}


@makes(*_REDUCTIONS)
def _reduce(builder: Builder, call: Call) -> Value:
    (x,) = call.inputs
    axes = tuple(call.params["axes"])
    if isinstance(x, Constant) and x.uniform and call.name != "reduce_prod":
        return _of_one_value(builder, call, x, axes)
    tensor = x if isinstance(x, Tensor) else builder.materialised(x)
    repeated = [a for a in axes if not same((tensor.held[a],), (tensor.shape[a],))]
    if repeated and call.name in ("reduce_sum", "reduce_prod"):
        tensor = builder.held_everywhere(tensor)
    order, held = remaining(tensor, axes), without(tensor.held, axes)
    where = builder.constant(np.array(sorted(axes_in(tensor, axes)), np.int64))
    operation = _REDUCTIONS[call.name]
    if np.dtype(call.out.dtype) == np.bool_:
        number = builder.node("Cast", [tensor.name], to="int32")
        found = builder.node(operation, [number, where], keepdims=0)
        return builder.tensor("Cast", [found], call.out, held=held, order=order, to="bool")
    found = builder.node(operation, [tensor.name, where], keepdims=0)
    if operation == "ReduceSum" and is_static(tuple(tensor.shape[axis] for axis in axes)):
        builder.note_count(found, math.prod(int(tensor.shape[axis]) for axis in axes))
    return Tensor(found, tuple(call.out.shape), call.out.dtype, held, order)


def _of_one_value(builder: Builder, call: Call, x: Constant, axes: tuple[int, ...]) -> Value:
    """Of a value that is everywhere: itself, or so many times it."""
    shape = tuple(call.out.shape)
    value = np.asarray(x.array).reshape((1,) * len(shape)).astype(call.out.dtype)
    if call.name != "reduce_sum":
        return Constant(value, shape)
    sizes = [x.shape[axis] for axis in axes]
    number = math.prod(size for size in sizes if is_static((size,)))
    total = Constant(np.asarray(value * number, call.out.dtype), shape)
    for size in sizes:
        if not is_static((size,)):
            name = builder.node(
                "Cast", [builder.dimensions.size(size)], to=np.dtype(call.out.dtype).name
            )
            target = builder.constant(np.ones(len(shape), np.int64))
            name = builder.node("Reshape", [name, target])
            ones = (1,) * len(shape)
            times = Tensor(name, shape, call.out.dtype, ones, tuple(range(len(shape))))
            return elementwise(builder, "Mul", Call("mul", [total, times], {}, call.outs))
    return total


@makes("argmax", "argmin")
def _argument(builder: Builder, call: Call) -> Value:
    (axis,) = call.params["axes"]
    name = builder.plain(call.inputs[0])
    operation = {"argmax": "ArgMax", "argmin": "ArgMin"}[call.name]
    found = builder.node(operation, [name], axis=axis, keepdims=0)
    return builder.tensor("Cast", [found], call.out, to=np.dtype(call.out.dtype).name)


@makes("cumsum")
def _running(builder: Builder, call: Call) -> Value:
    x = builder.materialised(call.inputs[0])
    axis = builder.constant(np.asarray(call.params["axis"], np.int64))
    reverse = int(bool(call.params.get("reverse")))
    return builder.tensor("CumSum", [x.name, axis], call.out, reverse=reverse)


@makes("top_k")
def _top(builder: Builder, call: Call) -> list[Value]:
    name = builder.plain(call.inputs[0])
    number = builder.dimensions.size(call.params["k"])
    axis = call.params.get("axis", len(call.inputs[0].shape) - 1)
    values, rows = builder.several("TopK", [name, number], 2, axis=axis, largest=1, sorted=1)
    found: list[Value] = []
    for each, out in zip((values, rows), call.outs, strict=True):
        shape = tuple(out.shape)
        if each is rows:
            each = builder.node("Cast", [each], to=np.dtype(out.dtype).name)
        found.append(Tensor(each, shape, out.dtype, shape, tuple(range(len(shape)))))
    return found
