"""Suite ``retrieval``: embedding a folder, evaluation at the size of Market-1501 (Zheng et al.,
ICCV 2015), search, and re-ranking. Suite ``search`` has the largest gallery.
"""

from typing import Any

import jax
import numpy as np

from reid_jax.errors import UserError
from reid_jax.ops.ranking.retrieval import evaluate_retrieval
from reid_jax.plan.measure import measure
from scripts.bench import files, peers_numpy
from scripts.bench.peers_numpy import Photos
from scripts.bench.report import make_row
from scripts.bench.search import Reranking, Search, no_room, reranking_row, search_row

Size = tuple[int, int, int, int, int]
MARKET: Size = (3368, 15913, 512, 751, 6)  # queries, gallery, dimensions, identities, cameras
SEARCHES = (Search(10**4), Search(10**5), Search(10**6))
RERANKINGS = (Reranking(500, 2500),)
PLAIN_QUERIES = 40  # the plain loop is timed on so many, and its time scaled to all of them
TOLERANCE = 1e-6  # between the mAP of two implementations


def make_photos(size: Size, seed: int) -> Photos:
    """Random photos of random individuals.

    The embeddings lie on a grid of 1/16: products and their sums are exact in float32, so that
    implementations that add in another order still rank alike.
    """
    num_queries, num_gallery, dimensions, identities, cameras = size
    random = np.random.default_rng(seed)
    centres = 0.25 * random.standard_normal((identities, dimensions), np.float32)
    ids = [random.integers(0, identities, number) for number in (num_queries, num_gallery)]
    embeddings = [
        np.rint(16 * (centres[i] + random.standard_normal((len(i), dimensions), np.float32))) / 16
        for i in ids
    ]
    return Photos(*embeddings, *ids, *(random.integers(0, cameras, len(i)) for i in ids))


def ours(photos: Photos) -> np.ndarray:
    """All measures, from arrays of the host; the average precisions are returned."""
    result: np.ndarray = evaluate_retrieval(*photos, return_per_query=True)["per_query"]["ap"]
    return result


def run(*, peer: bool = False) -> list[dict[str, Any]]:
    """Rows of embedding, evaluation, search and re-ranking."""
    cpu = jax.default_backend() == "cpu"
    searches = []
    for size in SEARCHES:
        if reason := no_room(size):
            print(f"left out: {reason}")
        else:
            searches.append(size)
    return [
        files.embedding_row(files.EMBEDDING if cpu else files.EMBEDDING_ELSEWHERE),
        *evaluation_rows(peer=peer),
        *(search_row(size, peer=peer) for size in searches),
        *(reranking_row(size, peer=peer) for size in RERANKINGS),
    ]


def evaluation_rows(size: Size = MARKET, *, peer: bool = False) -> list[dict[str, Any]]:
    """One row, or with ``peer`` one beside each of three ways; UserError if the mAP differ."""
    case = "evaluate {} x {} x {}".format(*size[:3])
    mine = measure(ours, lambda seed: make_photos(size, seed))
    if not peer:
        return [make_row("retrieval", case, mine, unit="s")]
    rows = []
    for name, way, number in (
        ("plain Python loop", peers_numpy.plain_loop, min(PLAIN_QUERIES, size[0])),
        ("Python loop over queries", peers_numpy.loop_over_queries, size[0]),
        ("vectorised NumPy argsort", peers_numpy.vectorised, size[0]),
    ):

        def first(seed: int, number: int = number) -> Photos:
            photos = make_photos(size, seed)
            return Photos(*(a if i % 2 else a[:number] for i, a in enumerate(photos)))

        theirs = measure(way, first)
        pairs = zip(mine.results, theirs.results, strict=True)
        apart = max(abs(float(np.nanmean(a[:number]) - np.nanmean(b))) for a, b in pairs)
        if not apart <= TOLERANCE:
            raise UserError(
                f"The {name} and evaluate_retrieval differ by {apart:.2g} in mAP: they must agree "
                f"to {TOLERANCE:g} for their times to be compared."
            )
        share = number / size[0]
        row = make_row("retrieval", f"{case}: {name}", mine, theirs, unit="s", peer_share=share)
        rows.append(row | {"map_difference": apart})
    return rows
