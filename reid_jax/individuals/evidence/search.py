"""Local features of photos compared with those of a gallery: whole, or among the nearest."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from reid_jax.console import Bar
from reid_jax.individuals.evidence.local import Local
from reid_jax.ops.batching import blocks
from reid_jax.ops.local.matching import Features, compare

_BLOCK = 64  # photos of a gallery at a time: 16 MB of descriptors
_UNIT = 32  # photos, so that a gallery that grows a little is not compiled for anew
_ASKED = 64  # photos asked about at a time


@dataclass(frozen=True)
class Reach:
    """With how many photos of a gallery local features are compared.

    Attributes:
      whole: with all, where there are at most so many.
      nearest: else with those that the network finds most alike.
    """

    whole: int = 2_000
    nearest: int = 100

    def __str__(self) -> str:
        return (
            f"with all photos of a gallery of {self.whole:,} at most, else with the network's "
            f"{self.nearest:,} nearest"
        )


def compare_photos(
    asked: Local,
    gallery: Local,
    photos: np.ndarray | None = None,
    words: str | None = "comparing local features",
) -> np.ndarray:
    """How much photos agree with photos of a gallery: ``(Q, S)`` float32.

    Memory follows the blocks: neither all features of a gallery nor all products are held. It is
    ``log(1 + 10 a)`` of what :class:`reid_jax.ops.local.matching.Comparison` calls agreement:
    strengths are some hundredths each. Two photos agree as much as these two the other way round,
    so that a gallery that is compared with itself takes half of the time.

    Args:
      asked: Q photos; gallery: G photos, perhaps the very same.
      photos: ``(Q, S)`` rows of the gallery with which each is compared; None for all G.
    """
    shape = len(asked), len(gallery) if photos is None else photos.shape[1]
    agreement, known = np.zeros(shape, np.float32), np.zeros(shape, bool)
    itself = photos is None and asked is gallery
    with Bar(words, shape[0] * shape[1] // (1 + itself), "pairs") as bar:
        for rows in blocks(len(asked), _ASKED):
            features = asked.features(rows, _ASKED)
            for n, part, theirs in _parts(rows, gallery, photos):
                if itself and part.stop <= rows.start + n:
                    continue
                found = compare(Features(*(values[n] for values in features)), theirs)
                place, size = (rows.start + n, part), part.stop - part.start
                agreement[place] = np.log1p(10 * np.asarray(found.agreement)[:size])
                known[place] = True
            bar.update(int(known.sum()))
    return np.where(known, agreement, agreement.T) if itself else agreement


def _parts(
    rows: slice, gallery: Local, photos: np.ndarray | None
) -> Iterator[tuple[int, slice, Features]]:
    """Which of the photos asked about is compared with which part of its photos, of one size."""
    size = min(_BLOCK, -(-len(gallery) // _UNIT) * _UNIT)
    if photos is None:
        for part in blocks(len(gallery), size):
            theirs = gallery.features(part, size)
            for n in range(rows.stop - rows.start):
                yield n, part, theirs
        return
    size = min(size, photos.shape[1])
    for n in range(rows.stop - rows.start):
        for part in blocks(photos.shape[1], size):
            yield n, part, gallery.features(photos[rows.start + n, part], size)


def matches(asked: Local, gallery: Local, room: int = 0) -> list[np.ndarray]:
    """The points in which one photo and each of K others agree.

    Args:
      room: compiled for so many others, where that is more than K.

    Returns:
      For each a ``(T, 5)`` float32 array: x and y in the one and in the other, in units of the
      longer side, and the strength; the strongest first.
    """
    features = asked.features(slice(0, 1), 1)
    theirs = gallery.features(slice(0, len(gallery)), max(room, len(gallery)))
    found = compare(Features(*(values[0] for values in features)), theirs)
    drawn = []
    for k, fits in enumerate(np.asarray(found.fits)[: len(gallery)]):
        ours = features.places[0, np.asarray(found.query[k])[fits], :2]
        others = theirs.places[k, np.asarray(found.gallery[k])[fits], :2]
        strength = np.asarray(found.strength[k])[fits, None]
        drawn.append(np.concatenate([ours, others, strength], axis=1))
    return drawn
