"""Photos that are nearly the same: copies at another size, frames of one film, bursts."""

import numpy as np

from reid_jax.individuals.measures import raw_pixel_embeddings
from reid_jax.ops.ranking.retrieval import nearest

SIDE = 32
_ALIKE, _APART = 0.95, 0.5
_CROWD = 10  # photos that a burst has at most


def have_twins(photos: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Which photos look nearly the same as one of the others: bool (N,).

    Of pixels in grey, standardised for each photo: the correlation with the nearest other is 0.95
    or more, and its distance is at most half that to the eleventh nearest. The second rule is what
    tells a copy from things that are all alike, as trousers are: there the eleventh is nearly as
    near. Of photos split by day or by individual (turtles, antelopes, drawn animals, characters)
    none has such a twin, of Fashion-MNIST's test images 0.8%; of turtles
    and antelopes split by photo 0.5%, which are copies.

    Args:
      photos, others: uint8 ``(N, SIDE, SIDE, 1)`` and ``(M, SIDE, SIDE, 1)``.
    """
    if not len(photos) or not len(others):
        return np.zeros(len(photos), bool)
    most = min(_CROWD + 1, len(others))
    found, _ = nearest(raw_pixel_embeddings(photos), raw_pixel_embeddings(others), most)
    distance = np.sqrt(np.maximum(2 - 2 * found.astype(np.float64), 0))
    return (found[:, 0] >= _ALIKE) & (distance[:, 0] <= _APART * distance[:, -1])
