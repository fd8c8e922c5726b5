"""Photos that a gallery stores, embedded by another network: from files, or from small pictures."""

import io
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from reid_jax.console import counting
from reid_jax.data.digests import DTYPE
from reid_jax.data.photos import Dataset
from reid_jax.individuals.gallery.reference import TrainedOn
from reid_jax.individuals.gallery.stored.check import not_as_they_were
from reid_jax.individuals.gallery.value import DIGEST, TRAINED, Gallery
from reid_jax.individuals.model import TrainedModel

_BLOCK = 256  # small pictures at a time

Gone = tuple[str, str]
"""The path of a photo, and what is the matter with its file."""


def embedded(
    photos: Gallery, model: TrainedModel, trained_on: TrainedOn
) -> tuple[Gallery, list[Gone]]:
    """The same photos with embeddings of a network, and what it was trained on of them.

    A photo whose file is gone, or is another one now, is embedded from the small picture that the
    gallery keeps, so that nothing is lost.

    Args:
      photos: N photos with thumbnails.

    Returns:
      The photos, and those of which no file is there as it was.
    """
    said = not_as_they_were(photos)
    there = np.flatnonzero([not why for why in said])
    gone = np.flatnonzero([bool(why) for why in said])
    digests = photos.column(DIGEST).astype(DTYPE)
    parts = []
    if len(there):
        nobody = np.zeros(len(there), np.int32)
        paths = photos.paths[there]
        columns = {} if (digests[there] == b"").any() else {DIGEST: digests[there]}
        parts.append(model.embed(Dataset(paths, nobody, ("",), columns)))
    if len(gone):
        assert photos.thumbnails is not None
        parts.append(_of_pictures(photos.thumbnails[gone].tolist(), model))
    order = np.argsort(np.concatenate([there, gone]))
    marks = trained_on.marks(digests, photos.identities)
    return (
        replace(
            photos,
            embeddings=np.concatenate(parts)[order],
            columns={**photos.columns, TRAINED: marks},
        ),
        [(str(photos.paths[row]), said[row]) for row in gone],
    )


def _of_pictures(pictures: Sequence[bytes], model: TrainedModel) -> np.ndarray:
    from PIL import Image

    blocks = [pictures[start : start + _BLOCK] for start in range(0, len(pictures), _BLOCK)]
    return np.concatenate(
        [
            model.embed([Image.open(io.BytesIO(picture)) for picture in block])
            for block in counting(blocks, "embedding small pictures")
        ]
    )
