"""What a traced program's variables are while its graph is made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

Shape: TypeAlias = tuple[Any, ...]
"""Numbers, and symbolic dimensions of `jax.export`."""


@dataclass(frozen=True)
class Constant:
    """What is known now; broadcast to `shape` where `array` has 1 instead.

    `array` is NumPy's, or JAX's for random keys.
    """

    array: Any
    shape: Shape

    @property
    def dtype(self) -> Any:
        """Of the elements."""
        return self.array.dtype

    @property
    def held(self) -> Shape:
        """The shape that is there, with 1 where it is broadcast."""
        return tuple(self.array.shape)

    @property
    def uniform(self) -> bool:
        """Whether all elements are one."""
        return all(size == 1 for size in self.held)


@dataclass(frozen=True)
class Tensor:
    """What the graph computes.

    Attributes:
      name: in the graph.
      shape: as the traced program has it.
      dtype: of the elements.
      held: the shape that is there, axis by axis of `shape`, with 1 where it is broadcast.
      order: which axis of `shape` each axis of the graph's tensor is: a convolution's result, for
        the program (B, H, W, C), is kept as (B, C, H, W), with the order (0, 3, 1, 2).
    """

    name: str
    shape: Shape
    dtype: Any
    held: Shape
    order: tuple[int, ...]

    @property
    def plain(self) -> bool:
        """Whether the graph's tensor has the program's shape and order."""
        return self.order == tuple(range(len(self.order))) and same(self.held, self.shape)


Value: TypeAlias = Constant | Tensor


class RefusedError(Exception):
    """A primitive that the graph has no word for; says which, and the layer it belongs to."""


def same(a: Shape, b: Shape) -> bool:
    """Whether two shapes are equal, dimension by dimension; symbolic ones by their text."""
    return len(a) == len(b) and all(x is y or str(x) == str(y) for x, y in zip(a, b, strict=True))


def is_one(size: Any) -> bool:
    """Whether a dimension is the number 1; a symbolic one is not."""
    return isinstance(size, int | np.integer) and size == 1


def is_static(shape: Shape) -> bool:
    """Whether every dimension is a number."""
    return all(isinstance(size, int | np.integer) for size in shape)


def moved(items: Any, order: tuple[int, ...]) -> tuple[Any, ...]:
    """Items of the program's axes in the order of the graph's."""
    return tuple(items[axis] for axis in order)
