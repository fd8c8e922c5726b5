"""What a gallery holds twice: the same picture, or one individual under two names."""

import functools
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reid_jax.data.parallel import parallel_map
from reid_jax.data.photos.reading import SIDE
from reid_jax.individuals.gallery.calibrating import calibrated, calibration_of
from reid_jax.individuals.gallery.pictures import grey
from reid_jax.individuals.gallery.stored.reading import read_gallery
from reid_jax.individuals.gallery.value import DIGEST, Gallery
from reid_jax.individuals.search import gallery_search
from reid_jax.individuals.sides import other_sides

_NEIGHBOURS = 5
ALIKE = 0.99  # correlation of two pictures at 24 pixels, below which nothing closer is looked at
DETAIL = 96  # pixels of the side at which they are compared place by place
_PLACE = 4  # pixels of the side of a place
MOST_DIFFERENT = 0.5
"""The mean difference in any place, in standard deviations of the picture. For turtles and
antelopes half the size and JPEG quality 60 make at most 0.33, a third of the size 0.54; something
else on 1.8% of the picture makes at least 0.5, and more than 0.8 in 95% of cases."""


@dataclass(frozen=True)
class Twins:
    """Two photos, rows of the gallery, how alike they are, and whether they are copies."""

    first: int
    second: int
    score: float
    identical: bool = False


@dataclass(frozen=True)
class Duplicates:
    """Attributes:
    gallery: with its thumbnails.
    pictures: pairs of photos that show the same picture, copies or in another size or compression.
    individuals: the most similar photos of two individuals that look like one, the most similar
      first; without the pairs of individuals that have copies of one picture, which are named so.
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
    search = gallery_search(gallery.embeddings, individual, gallery.settings["metric"])
    itself = np.arange(len(gallery))
    scores, near = search.photos_like(gallery.embeddings, _NEIGHBOURS, [(itself, itself)])
    pairs = np.stack([np.repeat(itself, _NEIGHBOURS), near.reshape(-1)], axis=1)
    pairs = np.unique(np.sort(pairs[pairs[:, 1] >= 0], axis=1), axis=0)
    pictures = tuple(
        _same_pictures(gallery.thumbnails, _contents(gallery, gallery.thumbnails), pairs)
    )

    calibration = calibration_of(gallery, "max")
    if len(names) < 2:
        return Duplicates(gallery, pictures, (), None, "there is one individual only")
    if calibration is None:
        return Duplicates(gallery, pictures, (), None, "the gallery is not calibrated")
    if not math.isfinite(calibration.threshold):
        why = "the similarities of this network do not tell these individuals apart"
        return Duplicates(gallery, pictures, (), None, why)
    known = {_people(individual, pair.first, pair.second) for pair in pictures if pair.identical}
    sides = gallery.column(SIDE)
    apart = [(individual, individual), *other_sides(sides, sides)]
    scores, near = search.photos_like(gallery.embeddings, 1, apart)
    found: list[Twins] = []
    for row in np.argsort(-scores[:, 0], kind="stable"):
        people = _people(individual, row, near[row, 0])
        if scores[row, 0] >= calibration.threshold and people not in known:
            known.add(people)
            found.append(Twins(int(row), int(near[row, 0]), float(scores[row, 0])))
    return Duplicates(gallery, pictures, tuple(found), calibration.threshold)


def _contents(gallery: Gallery, thumbnails: np.ndarray) -> np.ndarray:
    """``(N,)`` objects, equal for copies: digests, or thumbnails where these are not known."""
    digests = gallery.columns.get(DIGEST, np.full(len(gallery), "")).astype(object)
    return np.where(digests == "", thumbnails, digests)


def _same_pictures(thumbnails: np.ndarray, contents: np.ndarray, pairs: np.ndarray) -> list[Twins]:
    """Copies, whatever their embeddings, and those of the ``(P, 2)`` pairs that look the same."""
    copies, twins = set(_copies(contents)), set(_copies(thumbnails))
    small = np.stack(parallel_map(grey, thumbnails.tolist(), "Looking at pictures"))
    alike = np.einsum("nd,nd->n", small[pairs[:, 0]], small[pairs[:, 1]])
    close = [tuple(pair) for pair in pairs[alike >= ALIKE].tolist()]
    close = [(a, b) for a, b in close if thumbnails[a] != thumbnails[b]]

    @functools.lru_cache(DETAIL)
    def detailed(row: int) -> np.ndarray:
        return grey(thumbnails[row], DETAIL)

    def different(pair: tuple[int, int]) -> float:
        return local_difference(detailed(pair[0]), detailed(pair[1]))

    differences = parallel_map(different, close, "Comparing pictures")
    same = {pair for pair, found in zip(close, differences, strict=True) if found <= MOST_DIFFERENT}
    return [Twins(a, b, 1.0, (a, b) in copies) for a, b in sorted(copies | twins | same)]


def _copies(contents: np.ndarray) -> list[tuple[int, int]]:
    """Each copy with the one before it."""
    last: dict[bytes | str, int] = {}
    found = []
    for row, content in enumerate(contents.tolist()):
        if content in last:
            found.append((last[content], row))
        last[content] = row
    return found


def local_difference(first: np.ndarray, second: np.ndarray) -> float:
    """The largest mean difference of two pictures in any square of 4 x 4 pixels.

    A mean over the whole picture does not notice a small animal elsewhere before a fixed camera.

    Args:
      first, second: ``(S * S,)``, see :func:`reid_jax.individuals.gallery.pictures.grey`.

    Returns:
      In standard deviations of the pictures.
    """
    side = math.isqrt(len(first))
    difference = (first - second).reshape(side, side) * side
    places = np.lib.stride_tricks.sliding_window_view(difference, (_PLACE, _PLACE))
    return float(np.abs(places.mean(axis=(2, 3))).max())


def _people(individual: np.ndarray, first: int, second: int) -> tuple[int, int]:
    a, b = sorted((int(individual[first]), int(individual[second])))
    return a, b
