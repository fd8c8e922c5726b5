"""Embeddings of files that an earlier command has made, from the user's cache: the same numbers."""

import functools
import os
from collections.abc import Callable
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from reid_jax.data import cache
from reid_jax.platforms import instructions

# Whose source decides what is made of a photo; what stands in it is in the keys.
_CODE = (
    *("ops", "models", "data/crops.py", "data/photos"),
    *("individuals/task.py", "individuals/measures.py"),
    *("individuals/fingerprint.py", "training/predictor.py", "training/parallel.py"),
)
_PACKAGES = ("jax", "jaxlib", "flax", "numpy", "pillow")
_SETTINGS = ("XLA_FLAGS", "REID_JAX_ONEDNN", "JAX_DEFAULT_MATMUL_PRECISION", "JAX_ENABLE_X64")


class Kept:
    """What is made of N photos, a row each, of which some rows are kept.

    Attributes:
      missing: bool (N,), which are not.
    """

    def __init__(
        self,
        maker: bytes,
        photos: np.ndarray | None,
        number: int,
        dtype: Any = np.float32,
        shape: tuple[int, ...] = (-1,),
    ):
        """Looks what is there.

        Args:
          maker: names what makes rows out of pixels, see `named`.
          photos: (N,) bytes that name their pixels; None where nothing is to be kept.
          number: N.
          dtype, shape: of a row.
        """
        self._dtype, self._shape = np.dtype(dtype), shape
        names = () if photos is None else photos.tolist()
        self._keys = [blake2b(maker + name, digest_size=16).digest() for name in names]
        there = cache.found(self._keys)
        self._rows = [there.get(key) for key in self._keys] or [None] * number
        self.missing = np.array([row is None for row in self._rows], bool)

    def filled(self, make: Callable[[], np.ndarray]) -> np.ndarray:
        """All rows (N, ...); those that are missing are made, and kept from now on."""
        made = iter(np.asarray(make(), self._dtype) if self.missing.any() else ())
        rows = [next(made) if row is None else self._row(row) for row in self._rows]
        if self._keys:
            fresh = np.flatnonzero(self.missing)
            cache.keep({self._keys[place]: rows[place].tobytes() for place in fresh})
        return np.stack(rows)

    def _row(self, kept: bytes) -> np.ndarray:
        return np.frombuffer(kept, self._dtype).reshape(self._shape)


def named(*facts: object) -> bytes:
    """A name for what makes rows: these facts, the program's code, its libraries and the CPU."""
    said = repr((facts, _program(), [os.environ.get(name) for name in _SETTINGS]))
    return blake2b(said.encode(), digest_size=16).digest()


@functools.cache
def _program() -> str:
    root = Path(__file__).parents[1]
    code = blake2b(digest_size=16)
    for part in _CODE:
        files = [root / part, *(root / part).rglob("*.*")]
        for file in sorted(each for each in files if each.suffix in (".py", ".cc")):
            code.update(file.read_bytes())
    versions = [version(name) for name in _PACKAGES]
    return repr((code.hexdigest(), versions, instructions()))
