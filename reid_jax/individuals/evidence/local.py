"""Local features of many photos, and how alike each is to what has nothing to do with it."""

from dataclasses import dataclass, replace

import numpy as np

from reid_jax.individuals.evidence.features import LENGTH, MOST, packed_count, unpacked
from reid_jax.ops.batching import blocks, filled
from reid_jax.ops.local.matching import Features, floors, root

BACKGROUND = 20_000
"""Features of a background, at most; of the photos that they are of a tenth, so that what a feature
should match is seldom among them."""

_SHARE = 10

_BLOCK = 64  # photos at a time


@dataclass(frozen=True)
class Background:
    """Features that have nothing to do with a photo that is asked about: one fixed sample.

    Attributes:
      descriptors: ``(B, 128)`` uint8.
      owners: ``(B,)`` S32, the digest of the photo that each is of.
    """

    descriptors: np.ndarray
    owners: np.ndarray

    @staticmethod
    def of(rows: np.ndarray, digests: np.ndarray, most: int = BACKGROUND) -> "Background":
        """Features of these photos, drawn once.

        Args:
          rows: ``(N, WIDTH)``; digests: ``(N,)`` S32 of the photos.
        """
        counts = np.array([packed_count(row) for row in rows], np.int64)
        owner = np.repeat(np.arange(len(rows)), counts)
        place = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
        number = min(most, len(owner) // _SHARE)
        drawn = np.sort(np.random.default_rng(0).permutation(len(owner))[:number])
        found = np.zeros((len(drawn), LENGTH), np.uint8)
        for n, one in enumerate(drawn):
            found[n] = rows[owner[one], LENGTH * place[one] :][:LENGTH]
        return Background(found, np.asarray(digests)[owner[drawn]])

    def floors(self, rows: np.ndarray, digests: np.ndarray) -> np.ndarray:
        """``(N, MOST)`` float16 floors of photos, see :func:`reid_jax.ops.local.matching.floors`.

        What the background has of the photo itself does not count.
        """
        background, found = root(self.descriptors), np.zeros((len(rows), MOST), np.float16)
        for block in blocks(len(rows), _BLOCK):
            descriptors = unpacked(filled(rows[block], _BLOCK)).descriptors
            others = self.owners[None, :] != np.asarray(digests)[block, None]
            floor = np.asarray(floors(descriptors, background, filled(others, _BLOCK)))
            found[block] = floor[: block.stop - block.start]
        return found


@dataclass(frozen=True)
class Local:
    """Local features of N photos.

    Attributes:
      rows: ``(N, WIDTH)`` uint8, perhaps mapped from a file.
      floors: ``(N, MOST)`` float16, by the background.
      background: of these photos and of those that they are compared with.
    """

    rows: np.ndarray
    floors: np.ndarray
    background: Background

    def __len__(self) -> int:
        return len(self.rows)

    @staticmethod
    def of(rows: np.ndarray, digests: np.ndarray, background: Background) -> "Local":
        """Of ``(N, WIDTH)`` rows of photos with these ``(N,)`` digests."""
        return Local(rows, background.floors(rows, digests), background)

    def take(self, rows: np.ndarray) -> "Local":
        """The photos at ``rows``."""
        return replace(self, rows=np.asarray(self.rows)[rows], floors=self.floors[rows])

    def joined(self, other: "Local") -> "Local":
        """Both, with the background of the first, by which the floors of both must be."""
        both = [(self.rows, other.rows), (self.floors, other.floors)]
        rows, found = (np.concatenate(two) for two in both)
        return replace(self, rows=rows, floors=found)

    def features(self, where: slice | np.ndarray, size: int) -> Features:
        """Those of some photos, with photos without any behind them to make `size`."""
        found = unpacked(filled(self.rows[where], size))
        return found._replace(floor=filled(self.floors[where].astype(np.float32), size))
