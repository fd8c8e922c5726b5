"""LiteRT, for phones: by way of TensorFlow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import numpy as np

from reid_jax.console import others_quiet
from reid_jax.errors import UserError
from reid_jax.export.engines.engine import Asked, Engine
from reid_jax.export.folding import folded
from reid_jax.export.program import Program
from reid_jax.export.tracing import plainly, shape_of, traced


def write(program: Program, folder: Path, batch: int) -> None:
    """Writes `model.tflite`.

    Raises:
      UserError: LiteRT has no word for a layer.
    """
    import tensorflow
    from jax.experimental import jax2tf

    shape = shape_of(program, batch)
    closed, names = traced(program, shape)

    def plain(rows: jax.Array) -> dict[str, jax.Array]:
        return dict(zip(names, folded(closed)(rows), strict=True))

    with plainly(), others_quiet():
        function = tensorflow.function(
            jax2tf.convert(plain, with_gradient=False),
            input_signature=[tensorflow.TensorSpec(shape.shape, shape.dtype, name=program.name)],
            autograph=False,
        )
        module = tensorflow.Module()
        module.ask = function
        try:
            converter = tensorflow.lite.TFLiteConverter.from_concrete_functions(
                [function.get_concrete_function()], module
            )
            made = converter.convert()
        except Exception as error:  # which of TensorFlow's kinds depends on the layer
            lines = [line.strip() for line in str(error).splitlines() if "error:" in line]
            why = lines[0].partition("error:")[2].strip() if lines else str(error).splitlines()[0]
            raise UserError(f"LiteRT cannot take this network: {why}") from error
    (folder / "model.tflite").write_bytes(made)


def opened(folder: Path, facts: dict[str, Any]) -> Asked:
    """The program in LiteRT: rows -> arrays by name."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(folder / "model.tflite"))
    interpreter.allocate_tensors()
    (given,) = interpreter.get_input_details()
    results = interpreter.get_output_details()
    names = sorted(output["name"] for output in facts["outputs"])

    def ask(rows: np.ndarray) -> dict[str, np.ndarray]:
        interpreter.set_tensor(given["index"], rows)
        interpreter.invoke()
        return {
            name: interpreter.get_tensor(result["index"])
            for name, result in zip(names, results, strict=True)
        }

    return ask


ENGINE = Engine(
    "LiteRT",
    "litert",
    ("tensorflow", "ai_edge_litert"),
    "ai-edge-litert",
    ("model.tflite",),
    write,
    opened,
    fixed=True,
)
