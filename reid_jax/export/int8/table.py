"""The quantisers by the engines' words."""

from __future__ import annotations

from importlib import import_module

from reid_jax.errors import UserError
from reid_jax.export.int8.quantiser import Quantiser
from reid_jax.export.program import Target

NAMES: tuple[Target, ...] = ("onnx", "openvino", "litert")


def quantiser(name: str) -> Quantiser:
    """What makes 8-bit programs for an engine; nothing of it is imported yet.

    Raises:
      UserError: there is none, or it is not installed.
    """
    if name not in NAMES:
        raise UserError(f"There is no int8 for {name}; there is for {', '.join(NAMES)}.")
    found: Quantiser = import_module(f"reid_jax.export.int8.{name}").QUANTISER
    found.check()
    return found
