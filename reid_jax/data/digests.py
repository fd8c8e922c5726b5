"""Digests that name what a file or an array holds, whatever it is called."""

import hashlib
from typing import IO

import numpy as np

from reid_jax.data.elsewhere import open_binary

DTYPE = "S32"  # hexadecimal digits, as NumPy would cut zero bytes off the end
_BYTES = 16


def file_digest(path: str) -> bytes:
    """32 hexadecimal digits that name the bytes of a file, which is read in pieces.

    Raises:
      OSError: it cannot be read.
    """
    with open_binary(path) as file:
        return digest_of(file)


def digest_of(file: IO[bytes]) -> bytes:
    """The same of an open file, from its beginning."""
    file.seek(0)
    digest = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=_BYTES))  # type: ignore[arg-type]
    return digest.hexdigest().encode()


def array_digest(array: np.ndarray) -> bytes:
    """32 hexadecimal digits that name the values of an array."""
    data = np.ascontiguousarray(array).data
    return hashlib.blake2b(data, digest_size=_BYTES).hexdigest().encode()
