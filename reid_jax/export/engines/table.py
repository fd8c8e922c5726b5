"""The engines by the words of `--to`."""

from __future__ import annotations

from importlib import import_module

from reid_jax.errors import UserError
from reid_jax.export.engines.engine import Engine

NAMES = ("onnx", "openvino", "litert", "stablehlo")


def engine(name: str) -> Engine:
    """The engine of a word; nothing of it is imported yet.

    Raises:
      UserError: there is none, or it is not installed.
    """
    if name not in NAMES:
        raise UserError(f"There is no engine {name}; there are {', '.join(NAMES)}.")
    found: Engine = import_module(f"reid_jax.export.engines.{name}").ENGINE
    found.check()
    return found
