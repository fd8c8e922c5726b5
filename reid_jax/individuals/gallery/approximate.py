"""An approximate index for galleries of millions of photos, with FAISS."""

import contextlib
import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from reid_jax.errors import missing
from reid_jax.files import atomic_write
from reid_jax.individuals.gallery.value import Gallery
from reid_jax.ops.ranking.individuals import VOTES, Rule

_CANDIDATES = 256  # photos, of whose individuals all photos are then compared exactly
_PER_CELL = 64  # training photos per cell
_PROBED = 16  # of the cells


class ApproximateSearch:
    """Finds the individuals of the most similar photos with FAISS, then scores these exactly.

    An inverted file (Jégou, Douze and Schmid, TPAMI 2011): only the nearest cells of a clustering
    are looked into. What it may miss is an individual none of whose photos is in them. The index is
    kept beside the gallery's generation; it is derived data and made again when it is lost.

    Args:
      gallery: G photos; the index is kept in its generation.
      individuals: ``(G,)`` integers from 0.

    Raises:
      UserError: FAISS is not installed.
    """

    def __init__(self, gallery: Gallery, individuals: np.ndarray) -> None:
        try:
            import faiss
        except ImportError as error:
            raise missing("The index faiss", "FAISS", "faiss") from error
        self._cosine = gallery.settings["metric"] == "cosine"
        vectors = np.asarray(gallery.embeddings)
        self._gallery = _unit(vectors) if self._cosine else np.asarray(vectors, np.float32)
        self._individuals = np.asarray(individuals)
        order = np.argsort(self._individuals, kind="stable")
        self._photos = np.split(order, np.cumsum(np.bincount(self._individuals))[:-1])
        path = None if gallery.folder is None else gallery.folder / _name(gallery)
        self._index: Any = None if path is None else _read(faiss, path, self._gallery.shape)
        if self._index is None:
            self._index = _train(faiss, self._gallery, self._cosine)
            # A gallery that cannot be written to can be searched all the same.
            with contextlib.suppress(OSError):
                if path is not None and path.parent.is_dir():
                    with atomic_write(path) as file:
                        file.write(faiss.serialize_index(self._index).tobytes())
                    for other in path.parent.glob(_name(None)):
                        if other != path:
                            other.unlink(missing_ok=True)

    def individuals_like(
        self, queries: np.ndarray, k: int, rule: Rule = "max"
    ) -> tuple[np.ndarray, np.ndarray]:
        """As :meth:`reid_jax.ops.ranking.individuals.GallerySearch.individuals_like`."""
        queries = _unit(queries) if self._cosine else np.asarray(queries, np.float32)
        _, near = self._index.search(queries, min(_CANDIDATES, len(self._gallery)))
        scores = np.full((len(queries), k), -np.inf, np.float32)
        found = np.full((len(queries), k), -1, np.int64)
        for row, photos in enumerate(near):
            people = np.unique(self._individuals[photos[photos >= 0]])
            score = self._scores(queries[row], people, rule)
            best = [i for i in np.lexsort((people, -score))[:k] if score[i] > -np.inf]
            scores[row, : len(best)] = score[best]
            found[row, : len(best)] = people[best]
        return scores, found

    def _scores(self, query: np.ndarray, people: np.ndarray, rule: Rule) -> np.ndarray:
        sizes = np.array([len(self._photos[who]) for who in people])
        starts = np.cumsum(sizes) - sizes
        photos = self._gallery[np.concatenate([self._photos[who] for who in people])]
        alike = photos @ query if self._cosine else -np.linalg.norm(photos - query, axis=1)
        if rule == "max":
            return np.maximum.reduceat(alike, starts)
        if rule == "mean":
            return np.add.reduceat(alike, starts) / sizes
        weight = (1 + alike) / 2 if self._cosine else 1 / (1 - alike)
        voters = np.argsort(-alike, kind="stable")[:VOTES]
        votes = np.zeros(len(alike))
        votes[voters] = weight[voters]
        share = np.add.reduceat(votes, starts) / np.minimum(sizes, VOTES)
        return np.where(share > 0, share, -np.inf)


def _name(gallery: Gallery | None) -> str:
    """The file of the index of these photos in this order; of any, where there are none."""
    if gallery is None:
        return "index-*.faiss"
    photos = "\n".join(gallery.known_ids).encode()
    return f"index-{hashlib.blake2b(photos, digest_size=8).hexdigest()}.faiss"


def _read(faiss: Any, path: Path, shape: tuple[int, ...]) -> Any | None:
    """The kept index, or None where it is lost, damaged, or of another gallery."""
    try:
        index = faiss.read_index(str(path)) if path.is_file() else None
    except RuntimeError:
        return None
    return index if index is not None and (index.ntotal, index.d) == shape else None


def _train(faiss: Any, gallery: np.ndarray, cosine: bool) -> Any:
    photos, size = gallery.shape
    cells = max(1, min(int(4 * np.sqrt(photos)), photos // _PER_CELL))
    metric = faiss.METRIC_INNER_PRODUCT if cosine else faiss.METRIC_L2
    quantizer = faiss.IndexFlatIP(size) if cosine else faiss.IndexFlatL2(size)
    index = faiss.IndexIVFFlat(quantizer, size, cells, metric)
    rows = np.random.default_rng(0).permutation(photos)[: cells * _PER_CELL]
    index.train(gallery[np.sort(rows)])
    index.add(gallery)
    index.nprobe = min(_PROBED, cells)
    return index


def _unit(vectors: np.ndarray) -> np.ndarray:
    vectors = np.asarray(vectors, np.float32)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
