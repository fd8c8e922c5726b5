"""Top-k search beside FAISS and re-ranking beside NumPy, for suite ``retrieval``; and suite
``search``, ten million entries, which takes minutes to lay out.

The time of a search begins with arrays on the host and ends with answers on the host, which holds
for FAISS too: the gallery is normalised and laid out, then searched exactly.
"""

from typing import Any, NamedTuple

import jax
import numpy as np

from reid_jax.errors import UserError
from reid_jax.ops.ranking.reranking import k_reciprocal_distances
from reid_jax.ops.ranking.retrieval import nearest
from reid_jax.plan.measure import measure
from reid_jax.plan.memory import available_memory
from reid_jax.plan.roofline import Work, attainable_seconds, ceilings
from scripts.bench import peers_numpy
from scripts.bench.beside import PeerResult, difference, run_peer
from scripts.bench.report import make_row


class Search(NamedTuple):
    """The ten nearest of a gallery for each query."""

    gallery: int
    queries: int = 1000
    dimension: int = 512
    k: int = 10

    def __str__(self) -> str:
        return f"top {self.k} of {self.gallery:,} x {self.dimension}, {self.queries} queries"

    @property
    def bytes(self) -> int:
        """Of the gallery in float32."""
        return 4 * self.gallery * self.dimension


class Reranking(NamedTuple):
    """All distances between queries and a gallery of some individuals."""

    queries: int
    gallery: int
    dimension: int = 512
    individuals: int = 250


LARGEST = Search(10**7)
RERANKING_PEER_REPEATS = 3
_COPIES = 3  # of the gallery: as given, laid out, and on its way to the device
_DEVICE_COPIES = 1.5  # with what a search needs meanwhile
_PEER_COPIES = 4  # in the file, which may lie in memory, read, normalised and indexed


def run(size: Search = LARGEST, *, peer: bool = False) -> list[dict[str, Any]]:
    """One row; UserError where there is no room for it."""
    if reason := no_room(size):
        raise UserError(reason)
    return [search_row(size, peer=peer, suite="search")]


def no_room(size: Search) -> str:
    """Why a search cannot be measured here, or nothing."""
    needed, there = _COPIES * size.bytes, available_memory()
    if there is not None and needed > there:
        return _too_little(size, needed, there, "memory")
    needed = int(_DEVICE_COPIES * size.bytes)
    limit = (jax.devices()[0].memory_stats() or {}).get("bytes_limit")
    if limit is not None and needed > limit:
        return _too_little(size, needed, limit, "the device's memory")
    return ""


def _too_little(size: Search, needed: int, there: int, kind: str) -> str:
    return f"{size}: it needs {needed / 1e9:.1f} GB of {kind}, there are {there / 1e9:.1f}."


def make_vectors(number: int, dimension: int, seed: int) -> np.ndarray:
    """(number, dimension) float32, random."""
    return np.random.default_rng(seed).standard_normal((number, dimension), np.float32)


def search_row(size: Search, *, peer: bool, suite: str = "retrieval") -> dict[str, Any]:
    """A row; the mean score of all that was found stands for the answers.

    The peer is left out where its copies of the gallery would take more than half of the memory.
    """
    gallery = make_vectors(size.gallery, size.dimension, 10**6)

    def queries(seed: int) -> np.ndarray:
        return make_vectors(size.queries, size.dimension, seed)

    ours = measure(
        lambda queries: nearest(queries, gallery, size.k),
        queries,
        keep=lambda found: float(found[0].mean()),
    )
    theirs, apart = None, None
    there = available_memory()
    if peer and there is not None and _PEER_COPIES * size.bytes > there / 2:
        needed = _PEER_COPIES * size.bytes / 1e9
        theirs = PeerResult(
            failure=f"left out: it needs {needed:.2g} GB, more than half of what is free"
        )
    elif peer:
        theirs = run_peer(
            "flat_search",
            {"k": size.k},
            lambda seed: {"queries": queries(seed)} | ({} if seed else {"gallery": gallery}),
        )
        apart = difference(ours.results, theirs)
    work = Work(2.0 * size.queries * size.gallery * size.dimension, float(size.bytes))
    return make_row(
        suite,
        str(size),
        ours,
        theirs,
        attainable=attainable_seconds(work, ceilings()),
        loss_difference=apart,
        note="peer: FAISS flat" if peer else None,
    )


def reranking_row(size: Reranking, *, peer: bool) -> dict[str, Any]:
    """A row. Means of distances are compared: rounding decides between neighbours equally near."""

    def photos(seed: int) -> tuple[np.ndarray, np.ndarray]:
        random = np.random.default_rng(seed)
        centres = random.standard_normal((size.individuals, size.dimension), np.float32)
        who = random.integers(0, size.individuals, size.queries + size.gallery)
        embeddings = centres[who] + make_vectors(len(who), size.dimension, seed + 10**6)
        return embeddings[: size.queries], embeddings[size.queries :]

    ours = measure(lambda both: k_reciprocal_distances(*both), photos)
    theirs, apart = None, None
    if peer:
        theirs = measure(
            lambda both: peers_numpy.k_reciprocal(*both), photos, repeats=RERANKING_PEER_REPEATS
        )
        apart = max(
            float(np.abs(a - b).mean()) for a, b in zip(ours.results, theirs.results, strict=False)
        )
    return make_row(
        "retrieval",
        f"k-reciprocal re-ranking {size.queries} x {size.gallery} x {size.dimension}",
        ours,
        theirs,
        loss_difference=apart,
        note=f"peer: NumPy as published, median of {RERANKING_PEER_REPEATS}" if peer else None,
    )
