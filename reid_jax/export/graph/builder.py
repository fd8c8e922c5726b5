"""A graph while it is made: nodes in order, constants, and how values are laid out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from reid_jax.export.graph.dims import Dimensions
from reid_jax.export.graph.values import Constant, Shape, Tensor, Value, is_one, moved, same


@dataclass
class Node:
    """One operation of ONNX.

    Attributes:
      operation: its name there.
      inputs, outputs: names of tensors.
      attributes: as `onnx.helper.make_node` takes them.
      layer: of the network, as Flax names it.
      count: of a sum, how many numbers it is of, where that is known.
    """

    operation: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, Any] = field(default_factory=dict)
    layer: str = ""
    count: int = 0


@dataclass
class Graph:
    """What is written: nodes in order, constants by name, and what goes in and out.

    Attributes:
      inputs, outputs: name, shape and dtype of each; a symbolic dimension is its name.
    """

    nodes: list[Node]
    constants: dict[str, np.ndarray]
    inputs: list[tuple[str, Shape, Any]]
    outputs: list[tuple[str, Shape, Any]]


class Builder:
    """Adds nodes; the same operation of the same tensors is there once."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.constants: dict[str, np.ndarray] = {}
        self.layer = ""
        self.dimensions = Dimensions(self)
        self._count = 0
        self._made: dict[Any, str] = {}
        self._kept: dict[Any, str] = {}

    def name(self, stem: str) -> str:
        """A name that no tensor has."""
        self._count += 1
        return f"{stem}_{self._count}"

    def node(self, operation: str, inputs: Sequence[str], **attributes: Any) -> str:
        """Adds an operation with one result, and returns its name."""
        key = (operation, tuple(inputs), repr(sorted(attributes.items())))
        if key not in self._made:
            self._made[key] = self.several(operation, inputs, 1, **attributes)[0]
        return self._made[key]

    def several(
        self, operation: str, inputs: Sequence[str], number: int, **attributes: Any
    ) -> list[str]:
        """Adds an operation with several results, and returns their names."""
        outputs = [self.name(operation.lower()) for _ in range(number)]
        self.nodes.append(Node(operation, list(inputs), outputs, attributes, self.layer))
        return outputs

    def note_count(self, result: str, count: int) -> None:
        """Says of how many numbers the sum is that the last node has made."""
        if self.nodes[-1].outputs == [result]:
            self.nodes[-1].count = count

    def constant(self, array: np.ndarray) -> str:
        """The name of a constant; equal ones have one."""
        array = np.asarray(array)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._kept:
            self._kept[key] = self.name("constant")
            self.constants[self._kept[key]] = array
        return self._kept[key]

    def tensor(
        self,
        operation: str,
        inputs: Sequence[str],
        like: Any,
        *,
        held: Shape | None = None,
        order: tuple[int, ...] | None = None,
        **attributes: Any,
    ) -> Tensor:
        """A node whose result stands for a variable of the program, with its shape and dtype."""
        shape = tuple(like.shape)
        name = self.node(operation, inputs, **attributes)
        order = tuple(range(len(shape))) if order is None else order
        return Tensor(name, shape, like.dtype, shape if held is None else held, order)

    def stored(self, value: Value, order: tuple[int, ...] | None = None) -> str:
        """The graph's tensor of a value with its axes in an order, by default the program's.

        Axes that are broadcast have size 1 in it.
        """
        order = tuple(range(len(value.shape))) if order is None else order
        if isinstance(value, Constant):
            return self.constant(np.transpose(_plain(value.array), order))
        if value.order == order:
            return value.name
        large = [axis for axis in value.order if not is_one(value.held[axis])]
        if large == [axis for axis in order if not is_one(value.held[axis])]:
            shape = self.dimensions.target(moved(value.held, order))
            return self.node("Reshape", [value.name, shape])
        perm = [value.order.index(axis) for axis in order]
        return self.node("Transpose", [value.name], perm=perm)

    def full(self, value: Value, order: tuple[int, ...] | None = None) -> str:
        """The same with nothing left to broadcast."""
        order = tuple(range(len(value.shape))) if order is None else order
        if same(value.held, value.shape):
            return self.stored(value, order)
        shape = self.dimensions.vector(moved(value.shape, order))
        return self.node("Expand", [self.stored(value, order), shape])

    def plain(self, value: Value) -> str:
        """The graph's tensor of a value exactly as the program has it."""
        return self.full(value)

    def materialised(self, value: Value) -> Tensor:
        """A value as a tensor of the program's shape and order."""
        shape = tuple(value.shape)
        return Tensor(self.plain(value), shape, value.dtype, shape, tuple(range(len(shape))))

    def held_everywhere(self, value: Tensor) -> Tensor:
        """A tensor in its own order with nothing left to broadcast."""
        if same(value.held, value.shape):
            return value
        return replace(value, name=self.full(value, value.order), held=value.shape)


def _plain(array: Any) -> np.ndarray:
    return np.asarray(array)
