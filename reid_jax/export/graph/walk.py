"""From a traced program to a graph: equation by equation, what is known already computed now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal

from reid_jax.errors import UserError
from reid_jax.export.folding import CALLS, platform_branch
from reid_jax.export.graph import convolution, gather, products, reductions, shapes
from reid_jax.export.graph.builder import Builder, Graph
from reid_jax.export.graph.elementwise import folded
from reid_jax.export.graph.passes import simplified
from reid_jax.export.graph.table import MAKERS, Call
from reid_jax.export.graph.values import Constant, RefusedError, Tensor, Value, is_static

KINDS = (convolution, gather, products, reductions, shapes)  # which register their primitives

_OF_SIZES = ("dim_as_value",)  # which no input tells
_LONGEST = 64  # turns of a loop that are written out


def graph_of(program: ClosedJaxpr, inputs: Sequence[str], outputs: Sequence[str]) -> Graph:
    """The graph of a traced program, simplified.

    Args:
      program: with symbolic dimensions or without.
      inputs, outputs: names of its arguments and results.

    Raises:
      UserError: there is no word in ONNX for one of its primitives; the layer is named.
    """
    builder = Builder()
    values: list[Value] = []
    given = []
    variables: Sequence[Any] = program.jaxpr.invars
    for name, variable in zip(inputs, variables, strict=True):
        shape = tuple(variable.aval.shape)
        dtype = variable.aval.dtype
        given.append((name, _named(shape), dtype))
        values.append(Tensor(name, shape, dtype, shape, tuple(range(len(shape)))))
        for axis, size in enumerate(shape):
            if not is_static((size,)):
                builder.dimensions.bind(str(size), name, axis)
    constants = [_constant(value) for value in program.consts]
    results = _walk(builder, program.jaxpr, constants, values)
    taken = []
    for name, value in zip(outputs, results, strict=True):
        builder.layer = "output"
        builder.nodes.append(_last(builder, value, name))
        taken.append((name, _named(tuple(value.shape)), value.dtype))
    return simplified(Graph(builder.nodes, builder.constants, given, taken))


def _last(builder: Builder, value: Value, name: str) -> Any:
    builder.several("Identity", [builder.plain(value)], 1)
    node = builder.nodes.pop()
    node.outputs[0] = name
    return node


def _named(shape: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(size if is_static((size,)) else str(size) for size in shape)


def _constant(value: Any) -> Constant:
    if not isinstance(value, np.ndarray) and not _is_key(value):
        value = np.asarray(value)
    return Constant(value, tuple(np.shape(value)))


def _is_key(value: Any) -> bool:
    return isinstance(value, jax.Array) and jax.dtypes.issubdtype(value.dtype, jax.dtypes.prng_key)


def _walk(
    builder: Builder, program: Jaxpr, constants: Sequence[Value], inputs: Sequence[Value]
) -> list[Value]:
    known: dict[Any, Value] = dict(zip(program.constvars, constants, strict=True))
    known |= dict(zip(program.invars, inputs, strict=True))

    def value_of(variable: Any) -> Value:
        if not isinstance(variable, Literal):
            return known[variable]
        dtype: Any = variable.aval.dtype  # type: ignore[attr-defined]
        return _constant(np.asarray(variable.val, dtype))

    for equation in program.eqns:
        given = [value_of(variable) for variable in equation.invars]
        before, builder.layer = builder.layer, _layer(equation) or builder.layer
        found = _equation(builder, equation, given)
        builder.layer = before
        known.update(zip(equation.outvars, found, strict=True))
    return [value_of(variable) for variable in program.outvars]


def _layer(equation: Any) -> str:
    return str(equation.source_info.name_stack)


def _equation(builder: Builder, equation: Any, given: list[Value]) -> list[Value]:
    name = equation.primitive.name
    outs = [variable.aval for variable in equation.outvars]
    call = Call(name, given, equation.params, outs)
    if (quick := folded(call)) is not None:
        return [quick]
    if name in CALLS:
        return _inside(builder, equation.params[CALLS[name]], given)
    if name == "platform_index":
        return [_constant(np.asarray(platform_branch(equation.params["platforms"]), np.int32))]
    if name == "cond" and isinstance(given[0], Constant):
        branch = equation.params["branches"][int(np.asarray(given[0].array))]
        return _inside(builder, branch, given[1:])
    if name not in _OF_SIZES and _all_known(given, outs):
        return _computed(equation, given)
    if name == "scan":
        return _turns(builder, call)
    maker = MAKERS.get(name)
    try:
        if maker is None:
            raise RefusedError(f"{name}, for which this program knows no word of ONNX")
        found = maker(builder, call)
    except RefusedError as refused:
        layer = _layer(equation) or builder.layer or "its outermost function"
        raise UserError(f"This network cannot be written as ONNX: {layer} has {refused}.") from None
    return found if isinstance(found, list) else [found]


def _inside(builder: Builder, inner: Any, given: Sequence[Value]) -> list[Value]:
    if isinstance(inner, Jaxpr):
        return _walk(builder, inner, [], given)
    return _walk(builder, inner.jaxpr, [_constant(each) for each in inner.consts], given)


def _all_known(given: Sequence[Value], outs: Sequence[Any]) -> bool:
    shapes = [value.shape for value in given] + [out.shape for out in outs]
    return all(isinstance(value, Constant) for value in given) and all(map(is_static, shapes))


def _computed(equation: Any, given: Sequence[Value]) -> list[Value]:
    """What a primitive makes of constants, by JAX."""
    arrays = [_whole(value) for value in given]
    found = equation.primitive.bind(*arrays, **equation.params)
    results = found if equation.primitive.multiple_results else [found]
    return [_constant(each) for each in results]


def _whole(value: Value) -> Any:
    assert isinstance(value, Constant)
    if _is_key(value.array):
        return value.array
    return jax.numpy.asarray(np.broadcast_to(value.array, value.shape))


def _turns(builder: Builder, call: Call) -> list[Value]:
    """A loop of few turns, written out.

    Raises:
      UserError: it has many, or nobody knows how many.
    """
    length, params = call.params["length"], call.params
    if not is_static((length,)) or length > _LONGEST:
        layer = builder.layer or "its outermost function"
        raise UserError(
            f"This network cannot be written as ONNX: {layer} has a loop of {length} turns."
        )
    kept, carried = params["num_consts"], params["num_carry"]
    constants, carry = call.inputs[:kept], list(call.inputs[kept : kept + carried])
    rows = call.inputs[kept + carried :]
    each: list[list[Value]] = []
    turns = range(length)
    for turn in reversed(turns) if params["reverse"] else turns:
        now = [_row(builder, value, turn) for value in rows]
        found = _inside(builder, params["jaxpr"], [*constants, *carry, *now])
        carry = found[:carried]
        each.append(found[carried:])
    each = each[::-1] if params["reverse"] else each
    stacked = [
        _stacked(builder, [turn[i] for turn in each], out)
        for i, out in enumerate(call.outs[carried:])
    ]
    return [*carry, *stacked]


def _row(builder: Builder, value: Value, turn: int) -> Value:
    if isinstance(value, Constant) and value.uniform:
        return Constant(
            np.asarray(value.array).reshape((1,) * (len(value.shape) - 1)), value.shape[1:]
        )
    starts = [turn, *([0] * (len(value.shape) - 1))]
    limits = [turn + 1, *value.shape[1:]]
    part = shapes.sliced(
        builder,
        value,
        shapes.Part((1, *value.shape[1:]), value.dtype),
        starts,
        limits,
        (1,) * len(starts),
    )
    like = shapes.Part(tuple(value.shape[1:]), value.dtype)
    return shapes.reshaped(builder, Call("reshape", [part], {}, [like]))


def _stacked(builder: Builder, values: list[Value], out: Any) -> Value:
    axes = builder.constant(np.zeros(1, np.int64))
    names = [builder.node("Unsqueeze", [builder.plain(value), axes]) for value in values]
    return builder.tensor("Concat", names, out, axis=0)
