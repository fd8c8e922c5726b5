"""A gallery of photos that nobody embedded, for what is not about answers."""

import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from reid_jax.data.digests import file_digest
from reid_jax.individuals.gallery.store import write_gallery
from reid_jax.individuals.gallery.value import DIGEST, Gallery


def drawn(names: Sequence[str], first: int = 0) -> Gallery:
    """Photos of these individuals at `/photos/NUMBER.jpg`, whose ids are `NUMBER` in 16 digits."""
    numbers = range(first, first + len(names))
    return Gallery(
        paths=np.array([f"/photos/{n}.jpg" for n in numbers], object),
        identities=np.array(list(names), object),
        columns={DIGEST: np.array([f"{n:016d}{n:016d}" for n in numbers])},
        embeddings=np.array(numbers, np.float32)[:, None] + np.zeros((1, 4), np.float32),
        thumbnails=np.array([str(n).encode() for n in numbers], object),
        settings={"metric": "cosine", "sources": [], "strangers": 0.5, "calibration": {}},
    )


def write_drawn(folder: Path, names: Sequence[str], **more: str) -> Path:
    """Writes such a gallery; returns its folder."""
    write_gallery(folder, drawn(names), **more)
    return folder


def photo_id(number: int) -> str:
    """The id of a drawn photo."""
    return f"{number:016d}"


def photo(seed: int) -> bytes:
    """A small picture of noise."""
    pixels = np.random.default_rng(seed).integers(0, 256, (16, 16, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png")
    return file.getvalue()


def with_files(folder: Path, names: Sequence[str]) -> Gallery:
    """A gallery whose photos are files `NUMBER.png`."""
    gallery = drawn(names)
    folder.mkdir(parents=True)
    for row in range(len(gallery)):
        file = folder / f"{row}.png"
        file.write_bytes(photo(row))
        gallery.paths[row] = str(file)
    digests = np.array([file_digest(path).decode() for path in gallery.paths])
    return replace(gallery, columns={DIGEST: digests})
