"""Has the network seen photos like this one? And which photo of a gallery attracts too many?

Distances to photos that are known to be of the right kind: what the network was trained on, and the
gallery itself.
"""

import numpy as np

from reid_jax.individuals.choice import tail_quantile
from reid_jax.individuals.gallery.value import Gallery
from reid_jax.individuals.search import gallery_search
from reid_jax.ops.whitening import inverse_root

REFUSED = 0.02
"""Photos of the right kind that are taken for another one."""

_NEAREST = 10  # photos whose similarity is averaged: one odd photo makes nothing familiar
_MOST = 4000  # photos of the gallery beside those of the training
_ASKED = 600
_FEWEST = 10  # individuals, to tell how unlike photos of the right kind can be
_ATTRACTED = 0.05  # of other individuals' photos, for a photo that attracts too many
_TIMES = 10.0  # as often as the others do


class Familiar:
    """Photos of the right kind, ready to be compared with: of the training and of the gallery.

    Args:
      gallery: one that keeps embeddings of the training.
    """

    def __init__(self, gallery: Gallery) -> None:
        rows = np.sort(np.random.default_rng(1).permutation(len(gallery))[:_MOST])
        training = gallery.reference["training"].astype(np.float64)
        self._mean = training.mean(axis=0)
        centred = training - self._mean
        directions, scales = inverse_root(centred.T @ centred / len(training), floor=1.0)
        self._matrix = directions * scales
        photos = np.concatenate([training, np.asarray(gallery.embeddings[rows])])
        self._search = gallery_search(self._whitened(photos), np.zeros(len(photos), np.int32))
        self._names = np.concatenate(
            [gallery.reference["trained_identities"], gallery.identities[rows].astype(np.str_)]
        )

    def of(self, embeddings: np.ndarray, whose: np.ndarray | None = None) -> np.ndarray:
        """``(Q,)``: the mean similarity of each photo to the most similar ones.

        Distances to neighbours (Sun et al. 2022, "Out-of-distribution detection with deep nearest
        neighbors"), as cosines around the mean of the training and whitened by its covariance: as
        they are, embeddings of all photos point one way, and those of another kind lie among them.

        Args:
          embeddings: ``(Q, D)``, by the gallery's network.
          whose: ``(Q,)`` str: photos of the same individual are not compared.
        """
        apart = []
        if whose is not None:
            codes = np.unique(np.concatenate([whose, self._names]), return_inverse=True)[1]
            apart = [(codes[: len(whose)], codes[len(whose) :])]
        alike, _ = self._search.photos_like(self._whitened(embeddings), _NEAREST, apart)
        there = np.isfinite(alike)
        return np.where(there, alike, 0).sum(axis=1) / np.maximum(there.sum(axis=1), 1)

    def _whitened(self, embeddings: np.ndarray) -> np.ndarray:
        return ((np.asarray(embeddings, np.float64) - self._mean) @ self._matrix).astype(np.float32)


def familiar_from(gallery: Gallery) -> float | None:
    """Below which familiarity a photo is "no photo like those"; None where nobody can know.

    All but :data:`REFUSED` of the photos of individuals that were neither trained on nor are in the
    gallery are above, as far as held-out photos and the gallery's own, each without those of its
    individual, tell.
    """
    if "training" not in gallery.reference:
        return None
    familiar = Familiar(gallery)
    own = np.random.default_rng(2).permutation(len(gallery))[:_ASKED]
    levels = []
    for embeddings, whose in (
        (gallery.reference["held_out"], gallery.reference["identities"]),
        (np.asarray(gallery.embeddings[own]), gallery.identities[own].astype(np.str_)),
    ):
        if len(np.unique(whose)) >= _FEWEST:
            alike = familiar.of(embeddings, whose)
            levels.append(-tail_quantile(-alike, whose, REFUSED))
    return min(levels, default=None)


def hubs(gallery: Gallery) -> list[tuple[str, float]]:
    """Photos of the gallery that are the most similar one for many photos of other individuals.

    Args:
      gallery: with its reference, where it has one.

    Returns:
      (path, share of the photos that were looked up), the largest first.
    """
    rng = np.random.default_rng(3)
    own = rng.permutation(len(gallery))[:_ASKED]
    names = gallery.identities.astype(np.str_)
    queries, whose = [np.asarray(gallery.embeddings[own])], [names[own]]
    if "training" in gallery.reference:
        queries += [gallery.reference["training"][:_ASKED], gallery.reference["held_out"]]
        whose += [gallery.reference["trained_identities"][:_ASKED], gallery.reference["identities"]]
    codes = np.unique(np.concatenate([*whose, names]), return_inverse=True)[1]
    asked = codes[: -len(names)]
    search = gallery_search(gallery.embeddings, codes[-len(names) :], gallery.settings["metric"])
    _, nearest = search.photos_like(
        np.concatenate(queries).astype(np.float32), 1, [(asked, codes[-len(names) :])]
    )
    found = nearest[:, 0][nearest[:, 0] >= 0]
    times = np.bincount(found, minlength=len(gallery))
    most = max(_ATTRACTED * len(found), _TIMES * len(found) / len(gallery), 1)
    return [
        (str(gallery.paths[row]), float(times[row] / len(found)))
        for row in np.argsort(-times, kind="stable")
        if times[row] >= most
    ]
