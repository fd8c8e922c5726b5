"""Queries and a gallery laid out for the device, and handed to it block by block."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from reid_jax.compilations import target
from reid_jax.errors import UserError
from reid_jax.ops.batching import blocks, filled
from reid_jax.ops.ranking.matching import Codes

METRICS = ("cosine", "euclidean")


@dataclass(frozen=True)
class Ranking:
    """Queries and a gallery, checked and laid out for the device.

    ``exclude``: rules as in :func:`reid_jax.ops.ranking.match_ranks.excluded`, each a tuple of
    ``(query codes, gallery codes)`` pairs.
    """

    query_embeddings: Any
    gallery_embeddings: Any
    metric: str = "cosine"
    exclude: Sequence[tuple[Codes, ...]] = field(default=())
    block_size: int | None = None

    def __post_init__(self) -> None:
        check_metric(self.metric)
        if self.block_size is not None and self.block_size < 1:
            raise UserError(f"block_size is {self.block_size}: it must be 1 or more.")
        for name, array in (("query", self.queries), ("gallery", self.gallery)):
            check_embeddings(array, name)
            with np.errstate(over="ignore"):
                if not np.isfinite(np.einsum("nd,nd->n", array, array)).all():
                    raise UserError(
                        f"The {name} embeddings contain values that are not finite or too large."
                    )
        if self.queries.shape[1] != self.gallery.shape[1]:
            raise UserError(
                f"Query embeddings have {self.queries.shape[1]} dimensions and gallery embeddings "
                f"{self.gallery.shape[1]}: both must come from the same model."
            )
        for rule in self.exclude:
            for query, gallery in rule:
                check_length(query, self.num_queries, "query")
                check_length(gallery, self.num_gallery, "gallery")

    @cached_property
    def queries(self) -> np.ndarray:
        """float32 ``(Q, D)``, on the host."""
        return np.asarray(self.query_embeddings, dtype=np.float32)

    @cached_property
    def gallery(self) -> np.ndarray:
        """float32 ``(G, D)``, on the host."""
        return np.asarray(self.gallery_embeddings, dtype=np.float32)

    @property
    def num_queries(self) -> int:
        """Q."""
        return len(self.queries)

    @property
    def num_gallery(self) -> int:
        """G."""
        return len(self.gallery)

    @cached_property
    def _centre(self) -> np.ndarray:
        """What is subtracted before Euclidean scores, so that a far origin costs no digits.

        Rounded to a power of two near the spread: embeddings around the origin stay as they are,
        and those on a grid stay on it, so that true ties stay ties.
        """
        if self.metric == "cosine":
            return np.zeros(self.gallery.shape[1], np.float32)
        sample = self.gallery[:4096].astype(np.float64)
        mean, spread = sample.mean(axis=0), max(float(sample.std()), 1e-30)
        grid = 2.0 ** np.ceil(np.log2(spread) + 2)
        return (np.round(mean / grid) * grid).astype(np.float32)

    @cached_property
    def _on_device(self) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
        # Whole vector registers in every row, so that no entry is scored by another code path, and
        # galleries of nearly the same size share a compilation.
        width = -(-self.num_gallery // 128) * 128
        rows = np.zeros((width, self.gallery.shape[1]), np.float32)
        np.subtract(self.gallery, self._centre, out=rows[: self.num_gallery])
        squared = np.einsum("gd,gd->g", rows, rows)
        if self.metric == "cosine":
            offset = np.zeros(width, np.float32)
            scale = 2.0 * np.maximum(np.sqrt(squared), np.float32(1e-30))
        else:
            offset, scale = squared, np.ones(width, np.float32)
        size = jnp.asarray(self.num_gallery, jnp.int32)
        return jnp.asarray(rows), jnp.asarray(offset), jnp.asarray(scale), size

    @cached_property
    def _gallery_codes(self) -> tuple[tuple[jax.Array, ...], ...]:
        width = self._on_device[0].shape[0]
        return tuple(
            tuple(jnp.asarray(filled(gallery, width)) for _, gallery in rule)
            for rule in self.exclude
        )

    @cached_property
    def block_rows(self) -> int:
        """Queries per block."""
        if self.block_size is not None:
            return self.block_size
        budget = 2**20 if target() == "cpu" else 2**28
        fitting = max(64, budget // self.num_gallery)  # fewer make the product slow
        wanted = 2 ** (fitting.bit_length() - 1)
        enough = 2 ** (self.num_queries - 1).bit_length()
        return max(8, min(wanted, 1024, enough))

    def blocks(self, order: np.ndarray) -> Iterator[tuple[np.ndarray, Callable[..., Any]]]:
        """Queries in the given order, block by block.

        Yields the rows of a block, and a function that calls a device function of
        ``ops/ranking/match_ranks.py`` on it; arrays among its arguments are padded to the block.
        """
        gallery, offset, scale, size = self._on_device

        def padded(array: np.ndarray) -> jax.Array:
            return jnp.asarray(filled(array, self.block_rows))

        for block in blocks(len(order), self.block_rows):

            def call(
                function: Callable[..., Any],
                *arrays: np.ndarray,
                rows: np.ndarray = order[block],
                **static: Any,
            ) -> Any:
                codes = tuple(tuple(padded(q[rows]) for q, _ in rule) for rule in self.exclude)
                result = function(
                    padded(self.queries[rows] - self._centre[None, :]),
                    gallery,
                    offset,
                    scale,
                    size,
                    codes,
                    self._gallery_codes,
                    *(padded(a) for a in arrays),
                    **static,
                )
                return jax.tree.map(np.asarray, result)

            yield order[block], call

    def similarity(self, scores: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Cosine similarity, or minus the Euclidean distance, from the scores of these queries."""
        queries = self.queries[rows] - self._centre
        squared = np.einsum("nd,nd->n", queries, queries)[:, None]
        if self.metric == "cosine":
            return scores / np.maximum(np.sqrt(squared), 1e-30)
        return -np.sqrt(np.maximum(squared - scores, 0.0))


def collected(
    number: int, k: int, answers: Iterable[tuple[Any, np.ndarray, np.ndarray]]
) -> tuple[np.ndarray, np.ndarray]:
    """The answers to blocks of queries in the queries' places.

    Args:
      number: of queries.
      k: answers to each.
      answers: rows of the queries, and the best scores and what has them, ``(B, k or fewer)``.

    Returns:
      ``(number, k)`` float32 scores and int64 indices; minus infinity and -1 where there are no
      more.
    """
    scores = np.full((number, k), -np.inf, np.float32)
    index = np.full((number, k), -1, np.int64)
    for rows, best, where in answers:
        found = best.shape[1]
        scores[rows, :found] = best
        index[rows, :found] = np.where(best > -np.inf, where, -1)
    return scores, index


def check_metric(metric: str) -> None:
    """Raises a UserError for a metric that there is not."""
    if metric not in METRICS:
        raise UserError(f"The metric {metric!r} is unknown: use one of {METRICS}.")


def check_embeddings(array: Any, name: str) -> None:
    """Raises a UserError unless it is a matrix with a row a photo, and not empty."""
    if np.ndim(array) != 2 or 0 in np.shape(array):
        raise UserError(
            f"The {name} embeddings have the shape {np.shape(array)}: "
            "they must be (photos, dimensions), with at least one photo."
        )


def check_length(values: np.ndarray, number: int, name: str) -> None:
    """Raises a UserError unless there is a value for each embedding."""
    if len(values) != number:
        raise UserError(
            f"There are {number} {name} embeddings, but {len(values)} values that describe them: "
            "each photo needs one."
        )
