"""Products of matrices: with as few transposes as the order of their arguments lets."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from reid_jax.export.graph.builder import Builder
from reid_jax.export.graph.table import Call, makes
from reid_jax.export.graph.values import Constant, Shape, Tensor, Value, is_static, moved


@makes("dot_general")
def _product(builder: Builder, call: Call) -> Value:
    (left_in, right_in), (left_batch, right_batch) = call.params["dimension_numbers"]
    left, right = call.inputs
    left_free = _others(left, left_in, left_batch)
    right_free = _others(right, right_in, right_batch)
    if not left_batch and len(left_in) == 1:
        if len(right_free) == 1 and isinstance(right, Constant):
            return _by_matrix(builder, call, left, right, left_in[0], right_in[0], first=True)
        if len(left_free) == 1 and isinstance(left, Constant):
            return _by_matrix(builder, call, right, left, right_in[0], left_in[0], first=False)
    a = _matrix(builder, left, left_batch, left_free, left_in)
    b = _matrix(builder, right, right_batch, right_in, right_free)
    batch = tuple(left.shape[axis] for axis in left_batch)
    rows = tuple(left.shape[axis] for axis in left_free)
    columns = tuple(right.shape[axis] for axis in right_free)
    whole = (*batch, *rows, *columns)
    name = builder.node("MatMul", [a, b])
    if len(rows) == 1 == len(columns):
        return builder.tensor("MatMul", [a, b], call.out)
    return builder.tensor("Reshape", [name, builder.dimensions.target(whole)], call.out)


def _others(value: Value, *gone: Any) -> tuple[int, ...]:
    taken = {axis for axes in gone for axis in axes}
    return tuple(axis for axis in range(len(value.shape)) if axis not in taken)


def _by_matrix(
    builder: Builder,
    call: Call,
    x: Value,
    matrix: Constant,
    axis: int,
    inner: int,
    *,
    first: bool,
) -> Tensor:
    """A tensor times a constant matrix along one axis; the others stay where they are.

    Args:
      axis, inner: of tensor and matrix, what is summed over.
      first: whether the tensor is the left argument, which is first in the result's axes.
    """
    values = np.broadcast_to(matrix.array, tuple(int(size) for size in matrix.shape))
    tensor = builder.held_everywhere(x if isinstance(x, Tensor) else builder.materialised(x))
    rank = len(tensor.order)
    into = values if inner == 0 else values.T  # (K, N)
    place = tensor.order.index(axis)
    if rank == 4 and place == 1:  # over channels that stand in front: nothing has to move
        order = tensor.order
        kernel = np.ascontiguousarray(into.T)[:, :, None, None]
        name = builder.node("Conv", [tensor.name, builder.constant(kernel)], kernel_shape=[1, 1])
    elif rank > 2 and place == rank - 2:
        order = tensor.order
        name = builder.node("MatMul", [builder.constant(np.ascontiguousarray(into.T)), tensor.name])
    else:
        order = (*(a for a in tensor.order if a != axis), axis)
        inputs = [builder.stored(tensor, order), builder.constant(np.ascontiguousarray(into))]
        name = builder.node("MatMul", inputs)
    # The result's axes: the tensor's others in their own order, and the matrix's, behind or before.
    others = [a for a in range(rank) if a != axis]
    new = {a: i + (0 if first else 1) for i, a in enumerate(others)}
    new[axis] = len(others) if first else 0
    shape = tuple(call.out.shape)
    return Tensor(name, shape, call.out.dtype, shape, tuple(new[a] for a in order))


def _matrix(builder: Builder, value: Value, batch: Any, rows: Any, columns: Any) -> str:
    """A value as matrices: (batch ..., rows, columns), several axes of either put together."""
    order = (*batch, *rows, *columns)
    name = builder.full(value, order)
    if len(rows) == 1 == len(columns):
        return name
    shape = moved(value.shape, order)
    count = len(batch)
    middle: Shape = shape[count : count + len(rows)]
    last: Shape = shape[count + len(rows) :]
    target = (*shape[:count], _together(middle), _together(last))
    return builder.node("Reshape", [name, builder.dimensions.target(target)])


def _together(sizes: Shape) -> Any:
    if is_static(sizes):
        return math.prod(sizes)
    total: Any = 1
    for size in sizes:
        total = total * size
    return total
