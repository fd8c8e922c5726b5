"""StableHLO, as `jax.export` keeps it: for CPU, CUDA and TPU at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import numpy as np

from reid_jax.errors import UserError
from reid_jax.export.engines.engine import Asked, Engine
from reid_jax.export.program import Program
from reid_jax.export.tracing import plainly, shape_of

PLATFORMS = ("cpu", "cuda", "tpu")


def write(program: Program, folder: Path, batch: int) -> None:
    """Writes `model.stablehlo`.

    Raises:
      UserError: the program cannot be traced for any number of rows.
    """
    with plainly():
        try:
            exported = jax.export.export(jax.jit(program.function), platforms=PLATFORMS)(
                shape_of(program, batch)
            )
        except jax.errors.InconclusiveDimensionOperation as error:
            raise UserError(
                "This network cannot be exported for any number of rows; say how many with "
                f"--batch: {str(error).splitlines()[0]}"
            ) from error
    (folder / "model.stablehlo").write_bytes(exported.serialize())


def opened(folder: Path, facts: dict[str, Any]) -> Asked:
    """The program in JAX, which needs nothing else of what made it: rows -> arrays by name."""
    import jax.export

    del facts
    program = jax.export.deserialize(bytearray((folder / "model.stablehlo").read_bytes()))

    def ask(rows: np.ndarray) -> dict[str, np.ndarray]:
        return {name: np.asarray(found) for name, found in program.call(rows).items()}

    return ask


ENGINE = Engine("StableHLO", "", (), "jax", ("model.stablehlo",), write, opened)
