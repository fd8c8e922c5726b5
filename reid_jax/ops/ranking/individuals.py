"""Who is it? Exact search for individuals among the photos of a gallery, on one device or many."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Literal, get_args

import chex
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from reid_jax.compilations import target
from reid_jax.errors import UserError
from reid_jax.ops.batching import blocks, filled
from reid_jax.ops.distances import cosine_similarity, euclidean
from reid_jax.ops.ranking.blocks import check_embeddings, check_length, check_metric, collected
from reid_jax.ops.ranking.eight import EightBit
from reid_jax.ops.ranking.match_ranks import excluded, largest
from reid_jax.ops.ranking.matching import Codes

Rule = Literal["max", "mean", "vote"]
RULES: tuple[Rule, ...] = get_args(Rule)

VOTES = 5
"""How many of the most similar photos vote."""

_UNIT = 128


def individual_scores(
    similarity: jax.Array,
    individual: jax.Array,
    num_individuals: int,
    rule: Rule,
    metric: str,
    axis_name: str | None = None,
) -> jax.Array:
    """How much a query looks like each individual of the gallery.

    - max: like its most similar photo;
    - mean: like all of its photos on average;
    - vote: each of the :data:`VOTES` most similar photos votes for its individual, with a weight in
      [0, 1] (``(1 + cosine) / 2`` or ``1 / (1 + distance)``). The score is the sum of the weights
      over the number of votes that the individual could have had, ``min(VOTES, its photos)``, so
      that having few photos is no handicap.

    Args:
      similarity: ``(B, G)`` float32, minus infinity where a photo does not count.
      individual: ``(G,)`` int32, below ``num_individuals``.
      metric: "cosine" or "euclidean" (then similarities are minus distances).
      axis_name: the axis over which photos are divided, if they are.

    Returns:
      ``(B, num_individuals)`` float32; minus infinity for individuals without a photo that counts,
      and without a vote.
    """
    chex.assert_rank([similarity, individual], [2, 1])

    def total(values: jax.Array) -> jax.Array:
        summed = jax.ops.segment_sum(values.T, individual, num_individuals).T
        return summed if axis_name is None else jax.lax.psum(summed, axis_name)

    if rule == "max":
        best = jax.ops.segment_max(similarity.T, individual, num_individuals).T
        return best if axis_name is None else jax.lax.pmax(best, axis_name)
    there = similarity > -jnp.inf
    photos = total(there.astype(jnp.float32))
    if rule == "mean":
        mean = total(jnp.where(there, similarity, 0.0)) / jnp.maximum(photos, 1.0)
        return jnp.where(photos > 0, mean, -jnp.inf)
    best, where = best_photos(similarity, min(VOTES, similarity.shape[1]), axis_name)
    who = individual[where] if axis_name is None else _everywhere(individual, axis_name)[where]
    best, who = best[:, :VOTES], who[:, :VOTES]
    weight = (1.0 + best) / 2.0 if metric == "cosine" else 1.0 / (1.0 - best)
    weight = jnp.where(best > -jnp.inf, weight, 0.0)
    rows = jnp.arange(similarity.shape[0], dtype=jnp.int32)[:, None]
    votes = jnp.zeros((similarity.shape[0], num_individuals), jnp.float32).at[rows, who].add(weight)
    possible = jnp.clip(photos, 1.0, float(VOTES))
    return jnp.where(votes > 0, votes / possible, -jnp.inf)


def best_photos(
    similarity: jax.Array, k: int, axis_name: str | None = None
) -> tuple[jax.Array, jax.Array]:
    """The ``k`` best of each row of ``(B, G)``: ``(B, k)`` values and int32 places.

    With an axis the rows are divided over it in order; places count over all, and up to
    ``k x devices`` come back sorted. Ties: the lower place first.
    """
    best, where = largest(similarity, k)
    if axis_name is None:
        return best, where
    where = where + jax.lax.axis_index(axis_name) * similarity.shape[1]
    best = jax.lax.all_gather(best, axis_name, axis=1, tiled=True)
    where = jax.lax.all_gather(where, axis_name, axis=1, tiled=True)
    best, order = jax.lax.top_k(best, best.shape[1])
    return best, jnp.take_along_axis(where, order, axis=1)


def _everywhere(values: jax.Array, axis_name: str) -> jax.Array:
    return jax.lax.all_gather(values, axis_name, axis=0, tiled=True)


@dataclass(frozen=True)
class GallerySearch:
    """The photos of a gallery on the device, or divided over several, ready to be searched.

    Attributes:
      embeddings: ``(G, D)`` float, or in 8 bits, which they stay on the device.
      individuals: ``(G,)`` integers from 0.
      metric: "cosine" or "euclidean".
      mesh: of one axis, over which the photos are divided; without one they are on one device.
    """

    embeddings: Any
    individuals: Any
    metric: str = "cosine"
    mesh: Mesh | None = None

    def __post_init__(self) -> None:
        check_metric(self.metric)
        check_embeddings(self.embeddings, "gallery")
        check_length(self.individuals, len(self.embeddings), "gallery")

    @property
    def num_photos(self) -> int:
        """G."""
        return len(self.embeddings)

    @cached_property
    def num_individuals(self) -> int:
        """The highest number of an individual, plus one."""
        return int(np.max(self.individuals)) + 1

    @property
    def _devices(self) -> int:
        return 1 if self.mesh is None else self.mesh.size

    @property
    def _dimension(self) -> int:
        return int(np.shape(self.embeddings)[1])

    @cached_property
    def _width(self) -> int:
        """Photos with the padding, the same number on every device."""
        return rounded_up(self.num_photos, self._devices)

    def _divided(self, values: Any, dtype: Any) -> jax.Array:
        whole = filled(np.asarray(values, dtype), self._width)
        if self.mesh is None:
            return jnp.asarray(whole)
        return jax.device_put(whole, NamedSharding(self.mesh, PartitionSpec(*self.mesh.axis_names)))

    @cached_property
    def _on_devices(self) -> tuple[Any, jax.Array]:
        individuals = self._divided(self.individuals, np.int32)
        if isinstance(self.embeddings, EightBit):
            codes = self._divided(self.embeddings.codes, np.int8)
            return (codes, self._divided(self.embeddings.scales, np.float32)), individuals
        return self._divided(self.embeddings, np.float32), individuals

    @cached_property
    def _rows(self) -> int:
        """Queries per block."""
        budget = 2**22 if target() == "cpu" else 2**28
        return int(np.clip(2 ** ((budget * self._devices // self._width).bit_length() - 1), 8, 256))

    def individuals_like(
        self, queries: Any, k: int, rule: Rule = "max", exclude: Sequence[Codes] = ()
    ) -> tuple[np.ndarray, np.ndarray]:
        """The ``k`` individuals that each query looks most like, best first.

        Args:
          queries: ``(Q, D)`` float.
          rule: see :func:`individual_scores`.
          exclude: pairs of integer codes, ``(Q,)`` and ``(G,)``: where they agree, the photo does
            not count for the query.

        Returns:
          ``(Q, k)`` float32 scores and int64 individuals; minus infinity and -1 where there are no
          more. In a tie the lower number comes first.
        """
        return self._search(queries, k, rule, exclude)

    def photos_like(
        self, queries: Any, k: int, exclude: Sequence[Codes] = ()
    ) -> tuple[np.ndarray, np.ndarray]:
        """The ``k`` most similar photos, as :meth:`individuals_like`."""
        return self._search(queries, k, None, exclude)

    def _search(
        self, queries: Any, k: int, rule: Rule | None, exclude: Sequence[Codes]
    ) -> tuple[np.ndarray, np.ndarray]:
        queries = np.asarray(queries, np.float32)
        if queries.ndim != 2 or queries.shape[1] != self._dimension:
            raise UserError(
                f"The queries have the shape {queries.shape}: they must be (photos, "
                f"{self._dimension}), as the gallery's."
            )
        if rule is not None and rule not in RULES:
            raise UserError(f"The score {rule!r} is unknown: use one of {RULES}.")
        gallery_codes = tuple((self._divided(gallery, np.int32),) for _, gallery in exclude)
        found = min(k, self.num_photos if rule is None else self.num_individuals)

        def answers() -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
            for rows in blocks(len(queries), self._rows):
                best, where = _best(
                    filled(queries[rows], self._rows),
                    *self._on_devices,
                    tuple(
                        (filled(np.asarray(query, np.int32)[rows], self._rows),)
                        for query, _ in exclude
                    ),
                    gallery_codes,
                    np.int32(self.num_photos),
                    mesh=self.mesh,
                    num_individuals=rounded_up(self.num_individuals),
                    k=found,
                    rule=rule,
                    metric=self.metric,
                )
                number = rows.stop - rows.start
                yield rows, np.asarray(best)[:number], np.asarray(where)[:number]

        return collected(len(queries), k, answers())


def trace_search(mesh: Mesh, queries: int, photos: int, dimension: int, k: int) -> Any:
    """The search for the ``k`` nearest of so many photos, divided over a mesh, from shapes alone.

    For compilers; gives what ``jax.jit(f).trace`` does.
    """
    everywhere = NamedSharding(mesh, PartitionSpec())
    divided = NamedSharding(mesh, PartitionSpec(*mesh.axis_names))
    shape = partial(jax.ShapeDtypeStruct, sharding=divided)
    return _best.trace(
        jax.ShapeDtypeStruct((queries, dimension), jnp.float32, sharding=everywhere),
        shape((photos, dimension), jnp.float32),
        shape((photos,), jnp.int32),
        (),
        (),
        jax.ShapeDtypeStruct((), jnp.int32, sharding=everywhere),
        mesh=mesh,
        num_individuals=1,
        k=k,
        rule=None,
        metric="cosine",
    )


def rounded_up(number: int, parts: int = 1) -> int:
    """A size of at least ``number`` for which programs are compiled, divisible by ``128 * parts``.

    At most an eighth more, so that a gallery that grows a little is not compiled for anew.
    """
    unit = parts * max(_UNIT, 2 ** (number // parts).bit_length() // 16)
    return -(-number // unit) * unit


def similarities(queries: jax.Array, gallery: Any, metric: str) -> jax.Array:
    """``(B, D)`` and ``(G, D)`` -> ``(B, G)``: cosines, or minus Euclidean distances; float32.

    A gallery in 8 bits is int8 ``(G, D)`` and a scale a row ``(G,)``, G as :func:`rounded_up` says;
    a part of it is widened at a time.
    """
    if isinstance(gallery, tuple):
        number = gallery[0].shape[0]
        block = max(_UNIT, 2 ** number.bit_length() // 256)

        def part(given: tuple[jax.Array, jax.Array]) -> jax.Array:
            codes, scales = given
            return similarities(queries, codes.astype(jnp.float32) * scales[:, None], metric).T

        parts = [each.reshape(-1, block, *each.shape[1:]) for each in gallery]
        return jax.lax.map(part, tuple(parts)).reshape(number, -1).T
    if metric == "cosine":
        return cosine_similarity(queries, gallery)
    return -euclidean(queries, gallery)


@partial(
    jax.jit,
    static_argnames=("mesh", "num_individuals", "k", "rule", "metric"),
)
def _best(
    queries: jax.Array,
    gallery: Any,
    individual: jax.Array,
    query_codes: tuple[tuple[jax.Array, ...], ...],
    gallery_codes: tuple[tuple[jax.Array, ...], ...],
    num_photos: jax.Array,
    *,
    mesh: Mesh | None,
    num_individuals: int,
    k: int,
    rule: Rule | None,
    metric: str,
) -> tuple[jax.Array, jax.Array]:
    axis_name = None if mesh is None else mesh.axis_names[0]

    def search(
        queries: jax.Array,
        gallery: Any,
        individual: jax.Array,
        query_codes: tuple[tuple[jax.Array, ...], ...],
        gallery_codes: tuple[tuple[jax.Array, ...], ...],
        num_photos: jax.Array,
    ) -> tuple[jax.Array, jax.Array]:
        photos = individual.shape[0]
        place = jnp.arange(photos, dtype=jnp.int32)
        if axis_name is not None:
            place += jax.lax.axis_index(axis_name) * photos
        ignored = (place >= num_photos)[None, :]
        if query_codes:
            ignored = ignored | excluded(query_codes, gallery_codes)
        similarity = jnp.where(ignored, -jnp.inf, similarities(queries, gallery, metric))
        if rule is None:
            best, where = best_photos(similarity, min(k, photos), axis_name)
            return best[:, :k], where[:, :k]
        scores = individual_scores(similarity, individual, num_individuals, rule, metric, axis_name)
        best, where = jax.lax.top_k(scores, k)
        return best, where

    arguments = (queries, gallery, individual, query_codes, gallery_codes, num_photos)
    if mesh is None:
        return search(*arguments)
    everywhere, divided = PartitionSpec(), PartitionSpec(axis_name)
    # Every device computes the same answer from what it gathered, which the checker cannot see.
    return jax.shard_map(
        search,
        mesh=mesh,
        in_specs=(everywhere, divided, divided, everywhere, divided, everywhere),
        out_specs=(everywhere, everywhere),
        check_vma=False,
    )(*arguments)
