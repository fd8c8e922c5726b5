"""Writes a gallery over and over, to be killed: python -m tests.gallery_writer FOLDER."""

import itertools
import sys
from pathlib import Path

import numpy as np

from reid_jax.individuals.gallery.store import write_gallery
from reid_jax.individuals.gallery.value import Gallery


def numbered(number: int, photos: int = 60) -> Gallery:
    """A gallery all of whose parts say which one it is."""
    name = f"n{number}"
    return Gallery(
        paths=np.array([f"{name}/{i}.jpg" for i in range(photos + number % 7)], object),
        identities=np.array([name] * (photos + number % 7), object),
        columns={"camera": np.array([name] * (photos + number % 7))},
        embeddings=np.full((photos + number % 7, 64), number, np.float32),
        thumbnails=np.array([name.encode() * 200] * (photos + number % 7), object),
        settings={"number": number},
    )


if __name__ == "__main__":
    assert "jax" not in sys.modules
    for number in itertools.count():
        write_gallery(Path(sys.argv[1]), numbered(number))
        print(number, flush=True)
