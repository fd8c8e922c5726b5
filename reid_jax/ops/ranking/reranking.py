"""Ranking again with what the neighbours say: k-reciprocal re-ranking.

Distances and neighbours are computed in blocks on the device; the sets of neighbours are sparse
matrices on the host. With N photos and k neighbours, memory grows with N k, not with N squared.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse as sp

from reid_jax.console import counting
from reid_jax.errors import UserError

_CELLS = 2**22  # of a block of distances


def k_reciprocal_distances(
    queries: np.ndarray,
    gallery: np.ndarray,
    *,
    k1: int = 20,
    k2: int = 6,
    lambda_value: float = 0.3,
    metric: str = "cosine",
) -> np.ndarray:
    """All rows of :func:`k_reciprocal_blocks` for ``(Q, D)`` queries that are not in the ``(G, D)``
    gallery: ``(Q, G)`` float32.

    Example:
      >>> z = np.random.default_rng(0).normal(size=(30, 4))
      >>> rj.metrics.k_reciprocal_distances(z[:10], z[10:], k1=5, k2=2).shape
      (10, 20)
    """
    queries, gallery = np.asarray(queries, np.float32), np.asarray(gallery, np.float32)
    if queries.ndim != 2 or gallery.ndim != 2 or queries.shape[1] != gallery.shape[1]:
        raise UserError(
            f"Queries {queries.shape} and gallery {gallery.shape} must be (photos, dimensions) of "
            "the same model."
        )
    embeddings = np.concatenate([queries, gallery])
    asked, shown = np.split(np.arange(len(embeddings)), [len(queries)])
    blocks = k_reciprocal_blocks(
        embeddings, asked, shown, k1=k1, k2=k2, lambda_value=lambda_value, metric=metric
    )
    return np.concatenate([distances for _, distances in blocks])


def k_reciprocal_blocks(
    embeddings: np.ndarray,
    query: np.ndarray,
    gallery: np.ndarray,
    *,
    k1: int = 20,
    k2: int = 6,
    lambda_value: float = 0.3,
    metric: str = "cosine",
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Re-ranking by k-reciprocal encoding (Zhong, Zheng, Cao and Li, CVPR 2017), block by block.

    The distances are those of the published code: ``(1 - lambda) Jaccard + lambda d``, where ``d``
    is the squared Euclidean distance divided by the largest one of its query (among queries *and*
    gallery), and the Jaccard distance (eq. 10) is between the encodings of eq. 7 after the local
    query expansion of eq. 11. Equally near neighbours are taken by index. A photo that is both in
    the queries and in the gallery is encoded once, so that it takes one place among neighbours.

    Args:
      embeddings: ``(N, D)`` float32.
      query: ``(Q,)`` indices into the N photos.
      gallery: ``(G,)`` indices too; the two may overlap.
      k1: neighbours that must be mutual.
      k2: neighbours whose encodings are averaged; 1 averages nothing.
      lambda_value: weight of the original distance.
      metric: "cosine" scales all embeddings to length 1 first; "euclidean" takes them as they are.

    Yields:
      Rows of the queries, int64 ``(B,)``, and their distances to the gallery, float32 ``(B, G)``.

    Raises:
      UserError: parameters that make no sense.
    """
    if metric not in ("cosine", "euclidean"):
        raise UserError(f"The metric {metric!r} is unknown: use 'cosine' or 'euclidean'.")
    if k1 < 1 or k2 < 1 or not 0 <= lambda_value <= 1:
        raise UserError(
            f"Re-ranking got k1={k1}, k2={k2}, lambda={lambda_value}: k1 and k2 must be 1 or more, "
            "lambda between 0 and 1."
        )
    union = np.union1d(query, gallery)
    asked, shown = np.searchsorted(union, query), np.searchsorted(union, gallery)
    photos = _Photos(np.asarray(embeddings, np.float32)[union], metric)
    neighbours, largest = photos.neighbours(max(k1 + 1, k2))
    encoding = _encode(photos, neighbours, largest, k1)
    if k2 > 1:
        encoding = _average(encoding, neighbours[:, :k2])
    by_photo, columns = encoding[shown].tocsc(), photos.device[shown]
    rows_per_block = max(1, _CELLS // len(shown))
    for start in counting(range(0, len(asked), rows_per_block), "ranking anew", "blocks"):
        rows = np.arange(start, min(start + rows_per_block, len(asked)))
        places = asked[rows]
        original = np.asarray(_squared(photos.device[places], columns)) / largest[places, None]
        jaccard = _jaccard(encoding[places], by_photo)
        yield rows, (1 - np.float32(lambda_value)) * jaccard + np.float32(lambda_value) * original


@dataclass
class _Photos:
    """Queries and gallery together, and the squared distances among them."""

    embeddings: np.ndarray
    metric: str

    def __post_init__(self) -> None:
        if self.metric == "cosine":
            norms = np.linalg.norm(self.embeddings, axis=1, keepdims=True)
            self.embeddings = self.embeddings / np.maximum(norms, 1e-30)
        self.device = jnp.asarray(self.embeddings)

    def neighbours(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """The ``k`` nearest photos of each (itself included), and the largest squared distance."""
        number = len(self.embeddings)
        k = min(k, number)
        index, largest = np.empty((number, k), np.int64), np.empty(number, np.float32)
        size = max(1, min(number, _CELLS // number))
        for start in counting(range(0, number, size), "neighbours to rank by", "blocks"):
            rows = np.arange(start, start + size) % number  # one shape, one compilation
            found, most = _nearest_and_farthest(self.device[rows], self.device, k=k)
            rows = rows[: number - start]
            index[rows], largest[rows] = found[: len(rows)], most[: len(rows)]
        return index, np.maximum(largest, 1e-30)

    def pair_squared(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Squared distances of pairs."""
        result = np.empty(len(first), np.float32)
        size = max(1, _CELLS // self.embeddings.shape[1])
        for start in range(0, len(first), size):
            block = slice(start, start + size)
            difference = self.embeddings[first[block]] - self.embeddings[second[block]]
            result[block] = np.einsum("nd,nd->n", difference, difference)
        return result


@jax.jit
def _squared(rows: jax.Array, columns: jax.Array) -> jax.Array:
    chex.assert_rank([rows, columns], 2)
    products = jnp.matmul(rows, columns.T, precision=jax.lax.Precision.HIGHEST)
    lengths = jnp.sum(rows**2, axis=1)[:, None] + jnp.sum(columns**2, axis=1)[None, :]
    return jnp.maximum(lengths - 2 * products, 0)


@partial(jax.jit, static_argnames="k")
def _nearest_and_farthest(
    rows: jax.Array, columns: jax.Array, *, k: int
) -> tuple[jax.Array, jax.Array]:
    squared = _squared(rows, columns)
    return jax.lax.top_k(-squared, k)[1], jnp.max(squared, axis=1)


def _mutual(neighbours: np.ndarray, k: int) -> np.ndarray:
    """Which of the first ``k + 1`` neighbours have the photo among theirs (eq. 2), as bools."""
    near = neighbours[:, : k + 1]
    mutual = np.empty(near.shape, bool)
    for start in range(0, len(near), _block(k)):
        rows = slice(start, start + _block(k))
        own = np.arange(len(near))[rows, None, None]
        mutual[rows] = (near[near[rows]] == own).any(axis=2)
    return mutual


def _encode(photos: _Photos, neighbours: np.ndarray, largest: np.ndarray, k1: int) -> sp.csr_array:
    """The expanded k-reciprocal sets (eq. 3), weighted by ``exp(-d)`` (eq. 7): sparse ``(N, N)``.

    The published code rounds half of k1 to even and divides each row by its sum; so does this.
    """
    number, half = len(neighbours), int(np.around(k1 / 2))
    near, mutual = neighbours[:, : k1 + 1], _mutual(neighbours, k1)
    candidates = np.where(_mutual(neighbours, half), neighbours[:, : half + 1], -1)
    sizes = (candidates >= 0).sum(axis=1)
    members = []
    for start in counting(range(0, number, _block(k1)), "mutual neighbours", "blocks"):
        rows = np.arange(start, min(start + _block(k1), number))
        own = np.where(mutual[rows], near[rows], -2)
        theirs = candidates[near[rows]]  # (B, k1 + 1, half + 1)
        shared = (theirs[..., None] == own[:, None, None, :]).any(axis=3).sum(axis=2)
        joins = mutual[rows] & (shared > 2 / 3 * sizes[near[rows]])
        theirs = np.where(joins[..., None], theirs, -1).reshape(len(rows), -1)
        found = np.concatenate([own, theirs], axis=1)
        row, column = np.broadcast_to(rows[:, None], found.shape)[found >= 0], found[found >= 0]
        members.append(np.unique(row * number + column))
    row, column = np.divmod(np.concatenate(members), number)
    distance = photos.pair_squared(row, column) / largest[row]
    weight = np.exp(-distance).astype(np.float32)
    total = np.bincount(row, weight, minlength=number).astype(np.float32)
    return sp.csr_array((weight / total[row], (row, column)), shape=(number, number))


def _average(encoding: sp.csr_array, neighbours: np.ndarray) -> sp.csr_array:
    """The mean encoding of each photo's neighbours (eq. 11)."""
    number, k2 = neighbours.shape
    row = np.repeat(np.arange(number), k2)
    share = np.full(row.size, 1 / k2, np.float32)
    mean = sp.csr_array((share, (row, neighbours.ravel())), shape=(number, number)) @ encoding
    return sp.csr_array(mean)


def _jaccard(rows: sp.csr_array, by_photo: sp.csc_array) -> np.ndarray:
    """``1 - sum min / sum max`` of each row with each gallery photo (eq. 10): ``(B, G)`` float32.

    Encodings sum to 1, so ``sum max = 2 - sum min``. Only photos that share a member with the row
    are touched, through the columns of ``by_photo``.
    """
    gallery = by_photo.shape[0]
    shared = np.empty((rows.shape[0], gallery), np.float32)
    for i in range(rows.shape[0]):
        span = slice(rows.indptr[i], rows.indptr[i + 1])
        member, weight = rows.indices[span], rows.data[span]
        start, length = by_photo.indptr[member], np.diff(by_photo.indptr)[member]
        entry = np.repeat(start - np.cumsum(length) + length, length) + np.arange(length.sum())
        smaller = np.minimum(by_photo.data[entry], np.repeat(weight, length))
        shared[i] = np.bincount(by_photo.indices[entry], smaller, minlength=gallery)
    return 1 - shared / (2 - shared)


def _block(k: int) -> int:
    """Photos at a time, so that comparing their sets takes some tens of MiB."""
    return max(1, 2**24 // (k + 1) ** 3)
