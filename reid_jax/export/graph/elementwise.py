"""Primitives that take numbers one by one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from reid_jax.export.graph.builder import Builder
from reid_jax.export.graph.table import Call, makes
from reid_jax.export.graph.values import Constant, Tensor, Value, is_one

_UNARY = {
    "neg": "Neg",
    "exp": "Exp",
    "log": "Log",
    "tanh": "Tanh",
    "logistic": "Sigmoid",
    "sqrt": "Sqrt",
    "erf": "Erf",
    "abs": "Abs",
    "sign": "Sign",
    "floor": "Floor",
    "ceil": "Ceil",
    "sin": "Sin",
    "cos": "Cos",
    "tan": "Tan",
    "not": "Not",
}
_BINARY = {
    "add": "Add",
    "add_any": "Add",
    "sub": "Sub",
    "mul": "Mul",
    "div": "Div",
    "pow": "Pow",
    "eq": "Equal",
    "lt": "Less",
    "le": "LessOrEqual",
    "gt": "Greater",
    "ge": "GreaterOrEqual",
    "and": "And",
    "or": "Or",
    "xor": "Xor",
}
_NUMPY: dict[str, Callable[..., Any]] = {
    "neg": np.negative,
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "abs": np.abs,
    "floor": np.floor,
    "not": np.logical_not,
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "and": np.logical_and,
    "or": np.logical_or,
    "max": np.maximum,
    "min": np.minimum,
    "square": np.square,
    "rsqrt": lambda x: np.asarray(1 / np.sqrt(x), x.dtype),
    "stop_gradient": lambda x: x,
    "copy": lambda x: x,
    "copy_p": lambda x: x,
}
"""What is folded here and not by JAX, which compiles for each shape."""


def folded(call: Call) -> Constant | None:
    """The result of constants, where NumPy can tell it."""
    if not all(isinstance(value, Constant) for value in call.inputs):
        return None
    arrays = [value.array for value in call.inputs]  # type: ignore[union-attr]
    if not all(isinstance(array, np.ndarray) for array in arrays):
        return None
    if call.name == "broadcast_in_dim":
        return _broadcast_constant(call, arrays[0])
    if call.name == "convert_element_type":
        return Constant(arrays[0].astype(call.out.dtype), tuple(call.out.shape))
    whole = all(array.dtype.kind in "fb" for array in arrays)
    plain = {"div": np.divide, "add": np.add, "sub": np.subtract, "mul": np.multiply}
    if call.name == "select_n" and arrays[0].dtype == bool and len(arrays) == 3:
        found = np.where(arrays[0], _ranked(arrays[2], arrays), _ranked(arrays[1], arrays))
    elif call.name in _NUMPY and (whole or call.name not in ("and", "or", "not")):
        found = _NUMPY[call.name](*(_ranked(array, arrays) for array in arrays))
    elif call.name in plain and whole:
        found = plain[call.name](*(_ranked(array, arrays) for array in arrays))
    else:
        return None
    rank = len(call.out.shape)
    found = np.asarray(found).reshape((1,) * (rank - np.ndim(found)) + np.shape(found))
    return Constant(found.astype(call.out.dtype, copy=False), tuple(call.out.shape))


def _ranked(array: np.ndarray, arrays: Sequence[np.ndarray]) -> np.ndarray:
    rank = max(one.ndim for one in arrays)
    return array.reshape((1,) * rank) if array.ndim == 0 and rank else array


def _broadcast_constant(call: Call, array: np.ndarray) -> Constant:
    shape = tuple(call.params["shape"])
    held = [1] * len(shape)
    for axis, place in enumerate(call.params["broadcast_dimensions"]):
        held[place] = array.shape[axis]
    return Constant(array.reshape(held), shape)


def elementwise(builder: Builder, operation: str, call: Call, **attributes: Any) -> Tensor:
    """A node of values of one shape, in the order of the largest."""
    order = common_order(call.inputs)
    names = [builder.stored(_raised(value, call.out, order), order) for value in call.inputs]
    held = broadcast_held(call.inputs, call.out)
    return builder.tensor(operation, names, call.out, held=held, order=order, **attributes)


def _raised(value: Value, like: Any, order: tuple[int, ...]) -> Value:
    """A scalar with as many axes as the result; what the graph computes gets them by itself."""
    rank, shape = len(like.shape), tuple(like.shape)
    if len(value.shape) == rank:
        return value
    if isinstance(value, Constant):
        return Constant(value.array.reshape((1,) * rank), shape)
    return replace(value, shape=shape, held=(1,) * rank, order=order)


def common_order(values: Sequence[Value]) -> tuple[int, ...]:
    """The order that most of the large tensors among values have; channels first where they tie."""
    rank = max(len(value.shape) for value in values)
    plain = tuple(range(rank))
    votes: Counter[tuple[int, ...]] = Counter()
    for value in values:
        if isinstance(value, Tensor) and len(value.shape) == rank:
            large = sum(not is_one(size) for size in value.held)
            votes[value.order] += 100**large
    return max(votes, key=lambda order: (votes[order], order != plain), default=plain)


def broadcast_held(values: Sequence[Value], like: Any) -> tuple[Any, ...]:
    """What is there of a result, axis by axis: 1 where it is in no operand."""
    held: list[Any] = [1] * len(like.shape)
    for value in values:
        for axis, size in enumerate(value.held if len(value.shape) == len(held) else ()):
            held[axis] = size if is_one(held[axis]) else held[axis]
    return tuple(held)


@makes(*_UNARY)
def _unary(builder: Builder, call: Call) -> Value:
    return elementwise(builder, _UNARY[call.name], call)


@makes(*_BINARY)
def _binary(builder: Builder, call: Call) -> Value:
    return elementwise(builder, _BINARY[call.name], call)


@makes("max", "min")
def _extreme(builder: Builder, call: Call) -> Value:
    return elementwise(builder, call.name.capitalize(), call)


@makes("ne")
def _not_equal(builder: Builder, call: Call) -> Value:
    equal = elementwise(builder, "Equal", call)
    return _after(builder, "Not", equal, call)


@makes("rem")
def _rem(builder: Builder, call: Call) -> Value:
    return elementwise(builder, "Mod", call, fmod=1)


@makes("square")
def _square(builder: Builder, call: Call) -> Value:
    return _product(builder, call, 2)


@makes("integer_pow")
def _integer_pow(builder: Builder, call: Call) -> Value:
    exponent = call.params["y"]
    if exponent in (2, 3):
        return _product(builder, call, exponent)
    power = Constant(np.asarray(exponent, call.out.dtype), ())
    return elementwise(builder, "Pow", Call(call.name, [*call.inputs, power], {}, call.outs))


def _product(builder: Builder, call: Call, times: int) -> Tensor:
    (x,) = call.inputs
    found: Tensor = elementwise(builder, "Mul", Call(call.name, [x, x], {}, call.outs))
    for _ in range(times - 2):
        found = elementwise(builder, "Mul", Call(call.name, [found, x], {}, call.outs))
    return found


@makes("rsqrt")
def _rsqrt(builder: Builder, call: Call) -> Value:
    root = elementwise(builder, "Sqrt", call)
    return _after(builder, "Reciprocal", root, call)


@makes("erfc")
def _erfc(builder: Builder, call: Call) -> Value:
    one = Constant(np.asarray(1, call.out.dtype), ())
    erf = elementwise(builder, "Erf", call)
    return elementwise(builder, "Sub", Call("erfc", [one, erf], {}, call.outs))


@makes("log1p", "expm1")
def _beside_one(builder: Builder, call: Call) -> Value:
    one = Constant(np.asarray(1, call.out.dtype), ())
    if call.name == "log1p":
        more = elementwise(builder, "Add", Call("add", [*call.inputs, one], {}, call.outs))
        return _after(builder, "Log", more, call)
    exponential = elementwise(builder, "Exp", call)
    return elementwise(builder, "Sub", Call("sub", [exponential, one], {}, call.outs))


@makes("round")
def _round(builder: Builder, call: Call) -> Value:
    return elementwise(builder, "Round", call)  # both halves to even, which JAX calls 1


@makes("clamp")
def _clamp(builder: Builder, call: Call) -> Value:
    low, x, high = call.inputs
    above = elementwise(builder, "Max", Call("max", [x, low], {}, call.outs))
    return elementwise(builder, "Min", Call("min", [above, high], {}, call.outs))


@makes("select_n")
def _select(builder: Builder, call: Call) -> Value:
    which, *cases = call.inputs
    if isinstance(which, Constant) and which.uniform:
        return cases[int(np.asarray(which.array).reshape(()))]
    off, on = cases  # of three and more nobody has asked
    return elementwise(builder, "Where", Call(call.name, [which, on, off], {}, call.outs))


@makes("convert_element_type")
def _cast(builder: Builder, call: Call) -> Value:
    (x,) = call.inputs
    if x.dtype == call.out.dtype:
        return x
    return elementwise(builder, "Cast", call, to=np.dtype(call.out.dtype).name)


@makes("stop_gradient", "copy", "copy_p", "optimization_barrier", "reduce_precision")
def _as_it_is(builder: Builder, call: Call) -> Value | list[Value]:
    del builder
    return call.inputs if len(call.inputs) > 1 else call.inputs[0]


def _after(builder: Builder, operation: str, value: Tensor, call: Call) -> Tensor:
    return builder.tensor(operation, [value.name], call.out, held=value.held, order=value.order)


def axes_in(value: Tensor, axes: Sequence[int]) -> list[int]:
    """Where the program's axes are in the graph's tensor."""
    return [value.order.index(axis) for axis in axes]


def remaining(value: Tensor, gone: Sequence[int]) -> tuple[int, ...]:
    """The order of a tensor without some of the program's axes, which are counted anew."""
    kept = [axis for axis in value.order if axis not in gone]
    ranks = {axis: rank for rank, axis in enumerate(sorted(kept))}
    return tuple(ranks[axis] for axis in kept)


def without(items: Any, gone: Sequence[int]) -> tuple[Any, ...]:
    """Items of axes, without those of some."""
    return tuple(item for axis, item in enumerate(items) if axis not in gone)
