"""Fashion-MNIST from its four files (Xiao, Rasul & Vollgraf 2017), without TensorFlow."""

import gzip
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

from reid_jax.errors import UserError

_FOLDER = "/usr/share/datasets/fashion-mnist"  # where Debian's dataset-fashion-mnist puts it


class Clothes(NamedTuple):
    """Photos uint8 (N, 28, 28, 1) and their ten kinds int32 (N,)."""

    image: np.ndarray
    label: np.ndarray


def folder() -> Path:
    """Where the files are: FASHION_MNIST, or Debian's package."""
    return Path(os.environ.get("FASHION_MNIST") or _FOLDER)


def load_clothes(split: str) -> Clothes:
    """The 60,000 of "train" or the 10,000 of "t10k".

    Raises:
      UserError: when the files are not there.
    """
    arrays = []
    for kind in ("images-idx3", "labels-idx1"):
        path = folder() / f"{split}-{kind}-ubyte.gz"
        if not path.is_file():
            raise UserError(
                f"{path} is not there: install Debian's dataset-fashion-mnist, or set "
                "FASHION_MNIST to a folder with the four files."
            )
        raw = gzip.decompress(path.read_bytes())
        dimensions = raw[3]
        shape = np.frombuffer(raw, ">i4", dimensions, offset=4)
        arrays.append(np.frombuffer(raw, np.uint8, offset=4 + 4 * dimensions).reshape(shape))
    return Clothes(arrays[0][..., None], arrays[1].astype(np.int32))
