"""Digests that name what a file or an array holds, whatever it is called."""

import hashlib

import numpy as np

from reid_jax.data.elsewhere import open_binary
from reid_jax.files import DIGEST_BYTES, digest_of

DTYPE = "S32"  # hexadecimal digits, as NumPy would cut zero bytes off the end


def file_digest(path: str) -> bytes:
    """32 hexadecimal digits that name the bytes of a file, which is read in pieces.

    Raises:
      OSError: it cannot be read.
    """
    with open_binary(path) as file:
        return digest_of(file)


def array_digest(array: np.ndarray) -> bytes:
    """32 hexadecimal digits that name the values of an array."""
    data = np.ascontiguousarray(array).data
    return hashlib.blake2b(data, digest_size=DIGEST_BYTES).hexdigest().encode()
