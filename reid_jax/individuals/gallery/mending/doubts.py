"""Names that are worth a look: individuals that look like one, photos that look like another's."""

import math
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from reid_jax.data.photos.reading import SIDE
from reid_jax.individuals.calibration import CANDIDATES, Calibration
from reid_jax.individuals.gallery.calibrating import calibrated, calibration_of
from reid_jax.individuals.gallery.decisions import DIFFERENT, Decisions
from reid_jax.individuals.gallery.stored.reading import read_gallery
from reid_jax.individuals.gallery.value import Gallery
from reid_jax.individuals.search import gallery_search
from reid_jax.individuals.sides import other_sides
from reid_jax.ops.ranking.blocks import Codes
from reid_jax.ops.ranking.individuals import GallerySearch

Kind = Literal["merge", "photo"]
_NEIGHBOURS, _MOST_OF = 5, 3
_SHARE = 1 / 3  # of the photos of each of two individuals, to be taken for one
_MOST = 500  # doubts


@dataclass(frozen=True)
class Doubt:
    """One of two photos may have the wrong name.

    Attributes:
      kind: "merge" where their individuals look like one; "photo" where the first photo looks like
        the other individual's.
      photo, other: rows of the gallery; the second is the most similar of the other individual.
      score: how similar they are.
      chance: the probability that it is so, as if nobody had named them; None where nothing is
        calibrated.
      worth: photos that a decision is expected to set right, see :func:`find_doubts`.
    """

    kind: Kind
    photo: int
    other: int
    score: float
    chance: float | None
    worth: float


@dataclass(frozen=True)
class Doubts:
    """Attributes:
    gallery: without its thumbnails.
    doubts: worth the most first.
    why: why nothing is said of individuals that look like one; "" where something is.
    """

    gallery: Gallery
    doubts: tuple[Doubt, ...]
    why: str = ""


def find_doubts(folder: Path) -> Doubts:
    """Looks each photo up among those of others, and among all but itself.

    Two individuals look like one where photos of each would be called the other, with a mean
    probability of a third or more; a decision is worth that probability times the photos of the
    smaller one. A photo looks like another's where three of its five nearest photos are of that
    one; a decision is worth its probability. Left out are photos that somebody confirmed,
    individuals of which somebody said that two of their photos are of two, and photos of
    individuals that have no other.

    Raises:
      UserError: there is no gallery.
    """
    gallery = calibrated(read_gallery(folder, thumbnails=False))
    names, individual = np.unique(gallery.identities, return_inverse=True)
    if len(names) < 2:
        return Doubts(gallery, (), "there is one individual only")
    decisions = Decisions(folder)
    said = [pair for pair, what in decisions.links().items() if what == DIFFERENT]
    apart = _people_of(gallery, individual, said)
    confirmed = {one for one, photo in decisions.photos().items() if photo.confirmed}
    search = gallery_search(gallery.embeddings, individual, gallery.settings["metric"])
    calibration = calibration_of(gallery, "max")
    merges, why = _merges(gallery, search, individual, calibration, apart)
    close = {_people(individual, each.photo, each.other) for each in merges}
    photos = _photos(gallery, search, individual, calibration, confirmed, close | apart)
    found = sorted([*merges, *photos], key=lambda each: (-each.worth, each.photo, each.other))
    return Doubts(gallery, tuple(found[:_MOST]), why)


def _merges(
    gallery: Gallery,
    search: GallerySearch,
    individual: np.ndarray,
    calibration: Calibration | None,
    apart: Collection[tuple[int, int]],
) -> tuple[list[Doubt], str]:
    """Individuals that look like one, and why nothing is said of them."""
    if calibration is None:
        return [], "the gallery is not calibrated"
    if not math.isfinite(calibration.threshold):
        return [], "the similarities of this network do not tell these individuals apart"
    own = [(individual, individual), *_other_sides(gallery)]
    z = gallery.embeddings
    scores, likely = search.individuals_like(z, CANDIDATES, "max", own)
    chances = calibration.choice(np.asarray(scores, np.float64))
    likelihood = _Likelihood(individual, likely, chances)
    best, near = search.photos_like(z, 1, own)
    photos = np.bincount(individual)
    seen = set(apart)
    found: list[Doubt] = []
    for row in np.argsort(-best[:, 0], kind="stable"):
        score, other = float(best[row, 0]), int(near[row, 0])
        people = _people(individual, row, other)
        if people in seen:
            continue
        seen.add(people)
        chance = likelihood(*people)
        if chance >= _SHARE:
            worth = chance * int(photos[list(people)].min())
            found.append(Doubt("merge", int(row), other, score, chance, worth))
    return found, ""


class _Likelihood:
    """How likely two individuals are one, by their photos as if these had no name.

    The mean probability of the photos of one that they show the other; of both means the lower. So
    a photo that has got among the photos of another makes no two individuals one.
    """

    def __init__(self, individual: np.ndarray, likely: np.ndarray, chances: np.ndarray):
        self._number = int(individual.max()) + 1
        keys = individual[:, None] * self._number + likely
        there, place = np.unique(keys[likely >= 0], return_inverse=True)
        sums = np.bincount(place, chances[likely >= 0])
        self._sums = dict(zip(there.tolist(), sums.tolist(), strict=True))
        self._photos = np.bincount(individual)

    def __call__(self, one: int, other: int) -> float:
        ways = ((one, other), (other, one))
        means = [self._sums.get(a * self._number + b, 0.0) / self._photos[a] for a, b in ways]
        return float(min(means))


def _photos(
    gallery: Gallery,
    search: GallerySearch,
    individual: np.ndarray,
    calibration: Calibration | None,
    confirmed: Collection[str],
    without: Collection[tuple[int, int]],
) -> list[Doubt]:
    """Photos that look like another individual's, none of pairs of individuals in `without`."""
    itself = np.arange(len(gallery))
    z, alone = gallery.embeddings, [(itself, itself), *_other_sides(gallery)]
    scores, near = search.photos_like(z, _NEIGHBOURS, alone)
    whose = np.where(near >= 0, individual[near], -1)
    lists, likely = search.individuals_like(z, CANDIDATES, "max", alone)
    chances = None
    if calibration is not None:
        chances = calibration.choice(np.asarray(lists, np.float64))
    photos = np.bincount(individual)
    found = []
    for row in np.flatnonzero((whose != individual[:, None]).sum(axis=1) >= _MOST_OF):
        others = whose[row][(whose[row] != individual[row]) & (whose[row] >= 0)]
        if not len(others) or photos[individual[row]] < 2 or gallery.known_ids[row] in confirmed:
            continue
        other, votes = max(zip(*np.unique(others, return_counts=True), strict=True), key=_by_votes)
        place = int(np.flatnonzero(whose[row] == other)[0])
        nearest = int(near[row, place])
        if votes < _MOST_OF or _people(individual, int(row), nearest) in without:
            continue
        chance = None
        if chances is not None:
            chance = float(chances[row][likely[row] == other].sum())
        worth = votes / _NEIGHBOURS if chance is None else chance
        found.append(
            Doubt("photo", int(row), nearest, float(scores[row, place]), chance, float(worth))
        )
    return found


def _other_sides(gallery: Gallery) -> list[Codes]:
    """Photos of two sides of animals are not compared."""
    sides = gallery.column(SIDE)
    return other_sides(sides, sides)


def _by_votes(pair: tuple[int, int]) -> tuple[int, int]:
    return pair[1], -pair[0]


def _people_of(
    gallery: Gallery, individual: np.ndarray, pairs: Collection[tuple[str, str]]
) -> set[tuple[int, int]]:
    """The individuals of pairs of photos that are in the gallery."""
    rows = {one: row for row, one in enumerate(gallery.known_ids.tolist())}
    there = [(rows[one], rows[other]) for one, other in pairs if one in rows and other in rows]
    return {_people(individual, one, other) for one, other in there}


def _people(individual: np.ndarray, first: int, second: int) -> tuple[int, int]:
    a, b = sorted((int(individual[first]), int(individual[second])))
    return a, b
