"""ONNX, run by ONNX Runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from reid_jax.export.engines.engine import Asked, Engine
from reid_jax.export.graph.builder import Graph
from reid_jax.export.graph.walk import graph_of
from reid_jax.export.graph.write import model_of
from reid_jax.export.program import Program
from reid_jax.export.tracing import shape_of, traced


def graph(program: Program, batch: int) -> Graph:
    """The program as a graph.

    Raises:
      UserError: a layer cannot be written so; it is named.
    """
    closed, names = traced(program, shape_of(program, batch))
    return graph_of(closed, [program.name], names)


def write(program: Program, folder: Path, batch: int) -> None:
    """Writes `model.onnx`."""
    about = str(program.facts.get("about", ""))
    model = model_of(graph(program, batch), "reid_jax", about)
    (folder / "model.onnx").write_bytes(model.SerializeToString())


def opened(folder: Path, facts: dict[str, Any]) -> Asked:
    """The program in ONNX Runtime: rows -> arrays by name."""
    import onnxruntime

    session = onnxruntime.InferenceSession(
        str(folder / "model.onnx"), providers=["CPUExecutionProvider"]
    )
    names = [output["name"] for output in facts["outputs"]]

    def ask(rows: np.ndarray) -> dict[str, np.ndarray]:
        found = session.run(names, {facts["input"]["name"]: rows})
        return dict(zip(names, found, strict=True))

    return ask


ENGINE = Engine(
    "ONNX",
    "onnx",
    ("onnx", "onnxruntime"),
    "onnxruntime",
    ("model.onnx",),
    write,
    opened,
    oldest={"onnx": "1.17", "onnxruntime": "1.20"},
)
