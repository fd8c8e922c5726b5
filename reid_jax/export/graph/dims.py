"""Symbolic dimensions as numbers that the graph computes from the shapes of its inputs."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from reid_jax.export.graph.values import RefusedError, is_static

_OPERATIONS = {ast.Add: "Add", ast.Sub: "Sub", ast.Mult: "Mul"}
_LARGEST = np.iinfo(np.int64).max


class Nodes(Protocol):
    """What adds to a graph, see `reid_jax.export.graph.builder.Builder`."""

    def node(self, operation: str, inputs: Sequence[str], **attributes: Any) -> str:
        """Adds an operation, and returns the name of its result."""

    def constant(self, array: np.ndarray) -> str:
        """The name of a constant."""


class Dimensions:
    """The sizes that a graph asks for; each is computed once.

    A dimension is read by its text, which `jax.export.symbolic_shape` defines: sums, products,
    `floordiv`, `mod`, `max` and `min` of numbers and names.
    """

    def __init__(self, builder: Nodes):
        self._builder = builder
        self._known: dict[str, str] = {}

    def bind(self, name: str, tensor: str, axis: int) -> None:
        """A named dimension is the size of an axis of one of the graph's inputs."""
        if name not in self._known:
            shape = self._builder.node("Shape", [tensor])
            self._known[name] = self._builder.node("Slice", [shape, *self._numbers(axis, axis + 1)])

    def size(self, dimension: Any) -> str:
        """The tensor int64 (1,) that holds a dimension.

        Raises:
          RefusedError: it is made of what is not known here.
        """
        if isinstance(dimension, int | np.integer):
            return self._builder.constant(np.array([dimension], np.int64))
        text = str(dimension)
        if text not in self._known:
            self._known[text] = self._of(ast.parse(text, mode="eval").body)
        return self._known[text]

    def vector(self, shape: tuple[Any, ...]) -> str:
        """The tensor int64 (N,) that holds a shape."""
        if is_static(shape):
            return self._builder.constant(np.array(shape, np.int64))
        return self._builder.node("Concat", [self.size(one) for one in shape], axis=0)

    def target(self, shape: tuple[Any, ...]) -> str:
        """The same for `Reshape`, which finds one unknown size by itself."""
        unknown = [i for i, one in enumerate(shape) if not is_static((one,))]
        if len(unknown) == 1 and 0 not in [shape[i] for i in range(len(shape)) if i not in unknown]:
            numbers = [-1 if i in unknown else one for i, one in enumerate(shape)]
            return self._builder.constant(np.array(numbers, np.int64))
        return self.vector(shape)

    def limit(self, stop: Any, size: Any) -> Any:
        """The end of a slice: beyond every size where it is that of the axis."""
        return _LARGEST if stop is size or bool(str(stop) == str(size)) else stop

    def _numbers(self, *values: int) -> list[str]:
        return [self._builder.constant(np.array([value], np.int64)) for value in values]

    def _of(self, node: ast.expr) -> str:
        if isinstance(node, ast.Constant):
            return self.size(int(node.value))  # type: ignore[arg-type]
        if isinstance(node, ast.Name) and node.id in self._known:
            return self._known[node.id]
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return self._builder.node("Neg", [self._of(node.operand)])
        if isinstance(node, ast.BinOp) and type(node.op) in _OPERATIONS:
            both = [self._of(node.left), self._of(node.right)]
            return self._builder.node(_OPERATIONS[type(node.op)], both)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow | ast.BitXor):
            exponent = ast.literal_eval(node.right)
            once = self._of(node.left)
            power = once
            for _ in range(exponent - 1):
                power = self._builder.node("Mul", [power, once])
            return power
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            given = [self._of(argument) for argument in node.args]
            if node.func.id == "mod":
                return self._builder.node("Mod", given)
            if node.func.id == "floordiv":
                whole = self._builder.node(
                    "Sub", [given[0], self._builder.node("Mod", given)]
                )  # ONNX's Div rounds towards zero, its Mod has the divisor's sign
                return self._builder.node("Div", [whole, given[1]])
            if node.func.id in ("max", "min"):
                return self._builder.node(node.func.id.capitalize(), given)
        raise RefusedError(f"a size {ast.unparse(node)}, which is not known before it runs")
