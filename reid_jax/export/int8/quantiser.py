"""What makes 8-bit programs for an engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from reid_jax.export.engines.engine import check_there

Layer = Literal["first", "last"]
LAYERS: tuple[Layer, ...] = ("first", "last")
"""Of those with weights, which may be kept in float32."""


@dataclass(frozen=True)
class Quantiser:
    """What makes 8-bit programs for an engine, from its own float32 ones.

    Attributes:
      extra: of this package, which installs `modules`.
      modules: what is imported.
      write: `(before, after, name, calls, kept)`: the folder with the engine's files in float32,
        that for those in 8 bits, the input's name, what is given in one call each, and layers that
        stay as they are.
    """

    extra: str
    modules: tuple[str, ...]
    write: Callable[[Path, Path, str, Sequence[np.ndarray], Sequence[Layer]], None]

    def check(self) -> None:
        """Refuses one that is not installed.

        Raises:
          UserError: saying how it is.
        """
        check_there("--int8 of this engine", self.modules, self.extra)
