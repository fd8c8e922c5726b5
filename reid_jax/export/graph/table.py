"""Which function makes nodes of a primitive: files of this folder register theirs here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from reid_jax.export.graph.builder import Builder
from reid_jax.export.graph.values import Value


@dataclass(frozen=True)
class Call:
    """One equation of the traced program.

    Attributes:
      name: of the primitive.
      inputs: what its arguments are.
      params: of the primitive.
      outs: shape and dtype of each result.
    """

    name: str
    inputs: list[Value]
    params: dict[str, Any]
    outs: list[Any]

    @property
    def out(self) -> Any:
        """Shape and dtype of the only result."""
        (only,) = self.outs
        return only


Maker: TypeAlias = Callable[[Builder, Call], Value | list[Value]]
MAKERS: dict[str, Maker] = {}


def makes(*names: str) -> Callable[[Maker], Maker]:
    """Registers a function for primitives."""

    def register(maker: Maker) -> Maker:
        MAKERS.update(dict.fromkeys(names, maker))
        return maker

    return register
