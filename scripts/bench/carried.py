"""Data that fit into what may travel to a machine: halved weights, features, small photos."""

import csv
import shutil
from pathlib import Path
from typing import Literal

from tyro.conf import Positional

from reid_jax.commands import terminal

_SIDE = 128  # of the turtles, in pixels


def main(
    which: Positional[Literal["first", "second"]],
    folder: Positional[Path],
    data: Path,
    weights: Path,
) -> None:
    """Writes what a session needs into a folder.

    Args:
        which: The session.
        folder: Where to.
        data: Folder with turtles/ and tvsum/.
        weights: Folder with published weights.
    """
    halve(weights / "efficientnet_lite0.safetensors", folder / "efficientnet_lite0.safetensors")
    if which == "first":
        for name in ("tvsum.h5", "splits.json"):
            shutil.copyfile(data / "tvsum" / name, folder / name)
    else:
        shrink(data / "turtles", folder / "turtles")


def halve(source: Path, target: Path) -> None:
    """A file of weights in float16."""
    import numpy as np
    from safetensors.numpy import load_file, save_file

    tensors = load_file(source)
    floats = {
        name: value.astype(np.float16) if value.dtype == np.float32 else value
        for name, value in tensors.items()
    }
    save_file(floats, target)


def shrink(source: Path, target: Path) -> None:
    """A folder of photos with metadata.csv, each photo resized to a small square."""
    from PIL import Image

    target.mkdir(parents=True)
    shutil.copyfile(source / "metadata.csv", target / "metadata.csv")
    with (source / "metadata.csv").open(newline="") as file:
        paths = [row["path"] for row in csv.DictReader(file)]
    for path in paths:
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        with Image.open(source / path) as image:
            small = image.convert("RGB").resize((_SIDE, _SIDE), Image.Resampling.BILINEAR)
            small.save(target / path, quality=80)


if __name__ == "__main__":
    terminal.run(main)
