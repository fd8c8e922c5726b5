"""What every network that can leave JAX has: `export`."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from reid_jax.errors import UserError
from reid_jax.export.engines.table import engine
from reid_jax.export.folder import export
from reid_jax.export.int8.table import quantiser
from reid_jax.export.program import Known, Program, Target
from reid_jax.export.trial import NUMBER, Trial
from reid_jax.files import check_new


class Exportable:
    """A trained or published network that can leave JAX; a question says what its program is."""

    def program(self) -> Program:
        """What is exported, in float32.

        Raises:
          UserError: there is nothing to export.
        """
        raise UserError("This cannot be exported.")

    def trial(self, source: str, number: int) -> Trial:
        """What 8-bit integers are calibrated with and judged by.

        Args:
          source: photos or films to calibrate with; "" for those of the training.
          number: how many at most.

        Raises:
          UserError: they cannot be read, are too few, or of another kind than the network sees.
        """
        raise UserError("This cannot be exported in 8-bit integers.")

    def export(
        self,
        to: Target,
        out: str | PathLike[str],
        *,
        batch: int = 0,
        gallery: Known | None = None,
        int8: bool = False,
        calibrate: str = "",
        calibrate_with: int = NUMBER,
    ) -> Path:
        """Writes the whole program for another engine into a folder, when it has agreed with JAX.

        Args:
          to: "onnx", "openvino", "litert" or "stablehlo".
          out: a folder that is not there yet, or is empty.
          batch: rows at a time, where the engine should know; 0 for any number.
          gallery: individuals that `example.py` is to name: `rj.Gallery.open(...).exported()`.
          int8: in 8-bit integers, beside which the folder says what float32 would be.
          calibrate: photos or films by which their ranges are found; "" for those of the training.
          calibrate_with: how many photos or clips, or frames of clips, at most.

        Returns:
          The folder.

        Raises:
          UserError: the engine is not installed or cannot take the network, it disagrees with JAX,
            the folder is not empty, or what is to be calibrated with is too little or of another
            kind; then nothing is written.
        """
        if calibrate and not int8:
            raise UserError("--calibrate says by what 8-bit integers are made; give --int8, too.")
        trial, place = None, Path(out)
        if int8:
            engine(to)
            quantiser(to)
            check_new(place)
            trial = self.trial(calibrate, calibrate_with)
        return export(self.program(), to, place, batch=batch, known=gallery, trial=trial)
