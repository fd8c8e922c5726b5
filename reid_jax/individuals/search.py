"""Exact search in the photos of a gallery, on the devices that it takes."""

from typing import Any

import numpy as np

from reid_jax.ops.ranking.eight import EightBit
from reid_jax.ops.ranking.individuals import GallerySearch
from reid_jax.training.parallel import mesh_for


def gallery_search(embeddings: Any, individuals: Any, metric: str = "cosine") -> GallerySearch:
    """`GallerySearch` on one device, or on all where the photos need more than half of one."""
    wide = not isinstance(embeddings, EightBit)
    size = 4 * int(np.size(embeddings)) if wide else embeddings.nbytes
    return GallerySearch(embeddings, individuals, metric, mesh_for(size))
