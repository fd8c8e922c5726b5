"""Digests that name what a file or an array holds, whatever it is called."""

import hashlib

import numpy as np

from reid_jax.data.crops import Box, whole_and_box
from reid_jax.data.elsewhere import open_binary
from reid_jax.files import DIGEST_BYTES, digest_of

DTYPE = "S32"  # hexadecimal digits, as NumPy would cut zero bytes off the end


def file_digest(path: str) -> bytes:
    """32 hexadecimal digits that name the bytes of a file, which is read in pieces.

    Of a part of a photo (see `crops`) they name the file's bytes and the part.

    Raises:
      OSError: it cannot be read.
    """
    whole, box = whole_and_box(path)
    with open_binary(whole) as file:
        return part_digest(digest_of(file), box)


def part_digest(digest: bytes, box: Box | None) -> bytes:
    """The digest of a part of the photo whose file has that digest."""
    if box is None:
        return digest
    named = digest + str(box).encode()
    return hashlib.blake2b(named, digest_size=DIGEST_BYTES).hexdigest().encode()


def array_digest(array: np.ndarray) -> bytes:
    """32 hexadecimal digits that name the values of an array."""
    data = np.ascontiguousarray(array).data
    return hashlib.blake2b(data, digest_size=DIGEST_BYTES).hexdigest().encode()
