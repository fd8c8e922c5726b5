"""Local features in a gallery's folder; nothing else knows how they lie there.

SEGMENT/local.npy                (N, WIDTH) uint8, a row a photo, in the order of the segment's
SEGMENT/local_floors.npy         (N, MOST) float16
GENERATION/local_background.npz  descriptors and owners of the sample by which the floors are

In the first form all of it lies in the generation.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np

from reid_jax.individuals.evidence.local import Background, Local

_ROWS, _FLOORS, _BACKGROUND = "local.npy", "local_floors.npy", "local_background.npz"

Opened = Callable[[Path], AbstractContextManager[Any]]
"""Gives a file that will be synced."""


def write_local(segment: Path, local: Local, opened: Opened) -> None:
    """Writes the features of all photos of a segment."""
    for name, values in ((_ROWS, local.rows), (_FLOORS, local.floors)):
        with opened(segment / name) as file:
            np.save(file, np.asarray(values))


def write_background(generation: Path, background: Background, opened: Opened) -> None:
    """Writes the sample that all segments of a generation share."""
    with opened(generation / _BACKGROUND) as file:
        np.savez(file, **vars(background))


def read_local(generation: Path, segments: Sequence[Path], photos: Sequence[int]) -> Local | None:
    """What was written, mapped from the disk where it is one segment; None where there is nothing.

    Args:
      segments: their folders; photos: the number of those in each.

    Raises:
      FileNotFoundError: one has no features.
      ValueError: there are not as many rows as photos.
    """
    if not (generation / _BACKGROUND).exists():
        return None
    with np.load(generation / _BACKGROUND) as kept:
        background = Background(kept["descriptors"], kept["owners"])
    found = []
    for segment, number in zip(segments, photos, strict=True):
        rows, floors = (np.load(segment / name, mmap_mode="r") for name in (_ROWS, _FLOORS))
        if not len(rows) == len(floors) == number:
            raise ValueError(f"{number} photos, local features of {len(rows)}")
        found.append((rows, floors))
    if len(found) == 1:
        return Local(*found[0], background)
    rows, floors = (np.concatenate(each) for each in zip(*found, strict=True))
    return Local(rows, floors, background)
