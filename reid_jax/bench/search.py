"""The rest of suite ``retrieval``: top-k search beside FAISS, and re-ranking beside NumPy.

The time of a search begins with arrays on the host and ends with answers on the host, which holds
for FAISS too: the gallery is normalised and laid out, then searched exactly.
"""

from typing import Any, NamedTuple

import numpy as np

from reid_jax.bench import peers_numpy
from reid_jax.bench.measure import measure
from reid_jax.bench.peers import difference, run_peer
from reid_jax.bench.report import make_row
from reid_jax.bench.roofline import Work, attainable_seconds, ceilings
from reid_jax.ops.reranking import k_reciprocal_distances
from reid_jax.ops.retrieval import nearest


class Search(NamedTuple):
    """The ten nearest of a gallery for each query."""

    gallery: int
    queries: int = 1000
    dimension: int = 512
    k: int = 10


class Reranking(NamedTuple):
    """All distances between queries and a gallery of some individuals."""

    queries: int
    gallery: int
    dimension: int = 512
    individuals: int = 250


def make_vectors(number: int, dimension: int, seed: int) -> np.ndarray:
    """(number, dimension) float32, random."""
    return np.random.default_rng(seed).standard_normal((number, dimension), np.float32)


def search_row(size: Search, *, peer: bool) -> dict[str, Any]:
    """A row; the mean score of all that was found stands for the answers."""
    gallery = make_vectors(size.gallery, size.dimension, 10**6)

    def queries(seed: int) -> np.ndarray:
        return make_vectors(size.queries, size.dimension, seed)

    ours = measure(
        lambda queries: nearest(queries, gallery, size.k),
        queries,
        keep=lambda found: float(found[0].mean()),
    )
    theirs, apart = None, None
    if peer:
        theirs = run_peer(
            "flat_search",
            {"k": size.k},
            lambda seed: {"queries": queries(seed)} | ({} if seed else {"gallery": gallery}),
        )
        apart = difference(ours.results, theirs)
    work = Work(
        2.0 * size.queries * size.gallery * size.dimension, 4.0 * size.gallery * size.dimension
    )
    return make_row(
        "retrieval",
        f"top {size.k} of {size.gallery:,} x {size.dimension}, {size.queries} queries",
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
        theirs = measure(lambda both: peers_numpy.k_reciprocal(*both), photos, repeats=1)
        apart = max(
            float(np.abs(a - b).mean()) for a, b in zip(ours.results, theirs.results, strict=False)
        )
    return make_row(
        "retrieval",
        f"k-reciprocal re-ranking {size.queries} x {size.gallery} x {size.dimension}",
        ours,
        theirs,
        loss_difference=apart,
        note="peer: NumPy as published, timed once" if peer else None,
    )
