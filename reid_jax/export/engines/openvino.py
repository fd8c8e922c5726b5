"""OpenVINO, from the same graph as ONNX."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from reid_jax.errors import UserError
from reid_jax.export.engines import onnx
from reid_jax.export.engines.engine import Asked, Engine
from reid_jax.export.program import Program


def silent() -> None:
    """Keeps `import openvino` from telling a server that it was imported."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]


def write(program: Program, folder: Path, batch: int) -> None:
    """Writes `model.xml` and `model.bin`, with numbers of 32 bits.

    Raises:
      UserError: OpenVINO cannot take the graph.
    """
    silent()
    import openvino

    before = folder / "model.onnx"
    onnx.write(program, folder, batch)
    try:
        model = openvino.Core().read_model(str(before))
        openvino.save_model(model, folder / "model.xml", compress_to_fp16=False)
    except RuntimeError as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise UserError(f"OpenVINO cannot take this network: {lines[-1]}") from error
    finally:
        before.unlink()


def opened(folder: Path, facts: dict[str, Any]) -> Asked:
    """The program in OpenVINO, in 32 bits, also where a CPU could do with 16: rows -> arrays."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # which calls home
    import openvino

    exact = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.Core().compile_model(str(folder / "model.xml"), "CPU", exact)
    names = [output["name"] for output in facts["outputs"]]

    def ask(rows: np.ndarray) -> dict[str, np.ndarray]:
        found = compiled({facts["input"]["name"]: rows})
        return {name: np.array(found[name]) for name in names}

    return ask


ENGINE = Engine(
    "OpenVINO",
    "openvino",
    ("onnx", "openvino"),
    "openvino",
    ("model.xml", "model.bin"),
    write,
    opened,
    oldest={"onnx": "1.17", "openvino": "2025.0"},
)
