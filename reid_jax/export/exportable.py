"""What every network that can leave JAX has: `export`."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from reid_jax.errors import UserError
from reid_jax.export.folder import export
from reid_jax.export.program import Known, Program, Target


class Exportable:
    """A trained or published network that can leave JAX; a question says what its program is."""

    def program(self) -> Program:
        """What is exported, in float32.

        Raises:
          UserError: there is nothing to export.
        """
        raise UserError("This cannot be exported.")

    def export(
        self,
        to: Target,
        out: str | PathLike[str],
        *,
        batch: int = 0,
        gallery: Known | None = None,
    ) -> Path:
        """Writes the whole program for another engine into a folder, when it has agreed with JAX.

        Args:
          to: "onnx", "openvino", "litert" or "stablehlo".
          out: a folder that is not there yet, or is empty.
          batch: rows at a time, where the engine should know; 0 for any number.
          gallery: individuals that `example.py` is to name: `rj.Gallery.open(...).exported()`.

        Returns:
          The folder.

        Raises:
          UserError: the engine is not installed or cannot take the network, it disagrees with JAX,
            or the folder is not empty; then nothing is written.
        """
        return export(self.program(), to, Path(out), batch=batch, known=gallery)
