"""Local features in a gallery's folder; nothing else knows how they lie there.

local.npy             (N, WIDTH) uint8, a row a photo, in the order of the gallery's
local_floors.npy      (N, MOST) float16
local_background.npz  descriptors and owners of the sample by which the floors are
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np

from reid_jax.individuals.evidence.local import Background, Local

_ROWS, _FLOORS, _BACKGROUND = "local.npy", "local_floors.npy", "local_background.npz"


def write_local(
    generation: Path, local: Local, opened: Callable[[Path], AbstractContextManager[Any]]
) -> None:
    """Writes the features of all photos of a gallery; `opened` gives a file that will be synced."""
    for name, values in ((_ROWS, local.rows), (_FLOORS, local.floors)):
        with opened(generation / name) as file:
            np.save(file, np.asarray(values))
    with opened(generation / _BACKGROUND) as file:
        np.savez(file, **vars(local.background))


def read_local(generation: Path, photos: int) -> Local | None:
    """What was written, mapped from the disk; None where there are no features.

    Raises:
      ValueError: there are not as many rows as photos.
    """
    if not (generation / _ROWS).exists():
        return None
    rows, floors = (np.load(generation / name, mmap_mode="r") for name in (_ROWS, _FLOORS))
    if not len(rows) == len(floors) == photos:
        raise ValueError(f"{photos} photos, local features of {len(rows)}")
    with np.load(generation / _BACKGROUND) as kept:
        return Local(rows, floors, Background(kept["descriptors"], kept["owners"]))
