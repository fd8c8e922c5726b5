"""Digests that name what a file or an array holds, whatever it is called."""

import hashlib

import numpy as np

DTYPE = "S32"  # hexadecimal digits, as NumPy would cut zero bytes off the end
_BYTES = 16


def file_digest(path: str) -> bytes:
    """32 hexadecimal digits that name the bytes of a file, which is read in pieces.

    Raises:
      OSError: it cannot be read.
    """
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=_BYTES))
    return digest.hexdigest().encode()


def array_digest(array: np.ndarray) -> bytes:
    """32 hexadecimal digits that name the values of an array."""
    data = np.ascontiguousarray(array).data
    return hashlib.blake2b(data, digest_size=_BYTES).hexdigest().encode()
