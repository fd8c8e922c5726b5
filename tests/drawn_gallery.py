"""A gallery of photos that nobody embedded, for what is not about answers."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

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
