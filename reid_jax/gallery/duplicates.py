"""What a gallery holds twice: the same picture, or one individual under two names."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reid_jax.gallery.calibrating import calibrated, calibration_of
from reid_jax.gallery.pictures import grey
from reid_jax.gallery.store import Gallery, read_gallery
from reid_jax.ops.individuals import GallerySearch

_NEIGHBOURS = 5
_SAME_PICTURE = 0.99  # correlation of the thumbnails: another size or compression passes


@dataclass(frozen=True)
class Twins:
    """Two photos, rows of the gallery, and how alike they are."""

    first: int
    second: int
    score: float


@dataclass(frozen=True)
class Duplicates:
    """Attributes:
    gallery: with its thumbnails.
    pictures: pairs of photos that show the same picture.
    individuals: the most similar photos of two individuals that look like one, the most similar
      first; without the pairs of individuals that share a picture.
    threshold: above which two individuals look like one; None where nothing is said about them.
    why: what stands against it; empty where something is said.
    """

    gallery: Gallery
    pictures: tuple[Twins, ...]
    individuals: tuple[Twins, ...]
    threshold: float | None
    why: str = ""


def find_duplicates(folder: Path) -> Duplicates:
    """Looks each photo up among the others.

    Raises:
      UserError: there is no gallery.
    """
    gallery = calibrated(read_gallery(folder))
    assert gallery.thumbnails is not None
    names, individual = np.unique(gallery.identities, return_inverse=True)
    search = GallerySearch(gallery.embeddings, individual, gallery.settings["metric"])
    itself = np.arange(len(gallery))
    scores, near = search.photos_like(gallery.embeddings, _NEIGHBOURS, [(itself, itself)])
    pairs = np.stack([np.repeat(itself, _NEIGHBOURS), near.reshape(-1)], axis=1)
    pairs = np.unique(np.sort(pairs[pairs[:, 1] >= 0], axis=1), axis=0)
    small = np.stack([grey(picture) for picture in gallery.thumbnails])
    same = np.einsum("nd,nd->n", small[pairs[:, 0]], small[pairs[:, 1]]) >= _SAME_PICTURE
    pictures = tuple(Twins(int(a), int(b), 1.0) for a, b in pairs[same])

    calibration = calibration_of(gallery, "max")
    if len(names) < 2:
        return Duplicates(gallery, pictures, (), None, "there is one individual only")
    if calibration is None:
        return Duplicates(gallery, pictures, (), None, "the gallery is not calibrated")
    known = {_people(individual, pair.first, pair.second) for pair in pictures}
    scores, near = search.photos_like(gallery.embeddings, 1, [(individual, individual)])
    found: list[Twins] = []
    for row in np.argsort(-scores[:, 0], kind="stable"):
        people = _people(individual, row, near[row, 0])
        if scores[row, 0] >= calibration.threshold and people not in known:
            known.add(people)
            found.append(Twins(int(row), int(near[row, 0]), float(scores[row, 0])))
    return Duplicates(gallery, pictures, tuple(found), calibration.threshold)


def _people(individual: np.ndarray, first: int, second: int) -> tuple[int, int]:
    a, b = sorted((int(individual[first]), int(individual[second])))
    return a, b
