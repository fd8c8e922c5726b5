"""Pairs of photos with both scores, and the search by what they say together."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from reid_jax.individuals.evidence.features import Evidence
from reid_jax.individuals.evidence.fusion import Fusion, fused_by_ranks
from reid_jax.individuals.evidence.local import Local
from reid_jax.individuals.evidence.search import Reach, compare_photos
from reid_jax.individuals.search import gallery_search
from reid_jax.ops.batching import blocks, filled
from reid_jax.ops.ranking.blocks import Codes, collected
from reid_jax.ops.ranking.individuals import Rule, individual_scores, rounded_up, similarities

_BLOCK = 64  # photos asked about at a time


@dataclass(frozen=True)
class Searched:
    """Q photos with their scores, searched by their numbers as a gallery by embeddings.

    Attributes:
      photos: ``(Q, S)`` rows of the gallery that each was compared with; -1 for none.
      scores: ``(Q, S)`` float32.
      individuals: ``(G,)`` integers from 0.
    """

    photos: np.ndarray
    scores: np.ndarray
    individuals: np.ndarray

    def individuals_like(
        self, queries: Any, k: int, rule: Rule = "max", exclude: Sequence[Codes] = ()
    ) -> tuple[np.ndarray, np.ndarray]:
        """As :meth:`reid_jax.ops.ranking.individuals.GallerySearch.individuals_like`.

        Args:
          queries: ``(R,)`` numbers of photos, below Q.
        """
        rows = np.asarray(queries, np.int64)
        photos = self.photos[rows]
        out = photos < 0
        for query, gallery in exclude:
            out |= np.asarray(query)[:, None] == np.asarray(gallery)[photos]
        scores = np.where(out, -np.inf, self.scores[rows]).astype(np.float32)
        number = int(self.individuals.max()) + 1
        who = self.individuals[photos].astype(np.int32)

        def answers() -> Any:
            for block in blocks(len(rows), _BLOCK):
                best, where = _best(
                    filled(scores[block], _BLOCK),
                    filled(who[block], _BLOCK),
                    *(rounded_up(number), min(k, number), rule),
                )
                size = block.stop - block.start
                yield block, np.asarray(best)[:size], np.asarray(where)[:size]

        return collected(len(rows), k, answers())

    def best_photo(self, query: int, individual: int) -> int:
        """The row in the gallery of the photo of an individual with the highest score."""
        photos = self.photos[query]
        theirs = (photos >= 0) & (self.individuals[photos] == individual)
        return int(photos[np.argmax(np.where(theirs, self.scores[query], -np.inf))])


@partial(jax.jit, static_argnums=(2, 3, 4))
def _best(
    scores: jax.Array, individuals: jax.Array, number: int, k: int, rule: Rule
) -> tuple[jax.Array, jax.Array]:
    def query(row: tuple[jax.Array, jax.Array]) -> jax.Array:
        return individual_scores(row[0][None], row[1], number, rule, "cosine")[0]

    best, where = jax.lax.top_k(jax.lax.map(query, (scores, individuals)), k)
    return best, where


@dataclass(frozen=True)
class Pairs:
    """Q photos, each with the S photos of a gallery that it was compared with.

    Attributes:
      photos: ``(Q, S)`` rows of the gallery; -1 where there are no more.
      network: ``(Q, S)`` float32 similarities by the network.
      agreement: ``(Q, S)`` float32 by local features, see `compare_photos`.
    """

    photos: np.ndarray
    network: np.ndarray
    agreement: np.ndarray

    @staticmethod
    def of(
        embeddings: np.ndarray,
        local: Local,
        gallery_embeddings: Any,
        gallery: Local,
        *,
        metric: str,
        reach: Reach,
        apart: Sequence[Codes] = (),
    ) -> "Pairs":
        """Compares photos with all of a gallery, or with the network's nearest, see `Reach`.

        Args:
          embeddings: ``(Q, D)``; gallery_embeddings: ``(G, D)``.
          apart: pairs of codes, ``(Q,)`` and ``(G,)``: where they agree, a photo is none of the
            nearest.
        """
        embeddings = np.asarray(embeddings, np.float32)
        if len(gallery) <= reach.whole:
            every = jnp.asarray(gallery_embeddings, jnp.float32)
            network = [
                np.asarray(similarities(jnp.asarray(embeddings[block]), every, metric))
                for block in blocks(len(embeddings), _BLOCK)
            ]
            photos = np.broadcast_to(np.arange(len(gallery)), (len(embeddings), len(gallery)))
            return Pairs(photos, np.concatenate(network), compare_photos(local, gallery))
        search = gallery_search(gallery_embeddings, np.zeros(len(gallery), np.int32), metric)
        near, photos = search.photos_like(embeddings, reach.nearest, apart)
        return Pairs(photos, near, compare_photos(local, gallery, photos))

    def scores(self, evidence: Evidence, fusion: Fusion | None) -> np.ndarray:
        """``(Q, S)`` by this evidence; by ranks where nothing was calibrated to fuse by."""
        if evidence == "local":
            return self.agreement
        if fusion is None:
            return fused_by_ranks(self.network, self.agreement)
        return fusion(self.network, self.agreement)

    def searched(
        self, evidence: Evidence, fusion: Fusion | None, individuals: np.ndarray
    ) -> Searched:
        """The search by this evidence; `individuals` ``(G,)`` are those of the gallery."""
        return Searched(self.photos, self.scores(evidence, fusion), individuals)
