"""Suite ``mining``: triplet losses over the batch and their gradient, beside PyTorch's best known.

The roofline is that of the bare matrix products: of all pairs, and for all triplets and semi-hard
ones two more for the gradient, which for the hardest needs none.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from reid_jax.ops.losses.triplet import Mining, triplet_loss
from reid_jax.plan.measure import measure_compiled
from reid_jax.plan.memory import available_memory
from reid_jax.plan.roofline import Work, attainable_seconds, ceilings
from scripts.bench.beside import difference, run_peer
from scripts.bench.report import make_row

PHOTOS = 4  # of each individual in a batch
MARGIN = 0.3
Sizes = Mapping[Mining, tuple[tuple[int, int], ...]]
# Rows of the batch and dimensions.
_CPU: Sizes = {
    "hard": (*((b, 128) for b in (256, 1024, 4096, 16384, 65536)), (16384, 512)),
    "semi_hard": ((256, 128), (1024, 128), (4096, 128)),
    "all": ((256, 128), (1024, 128), (4096, 128)),
}
_LARGE = ((256, 128), (1024, 128), (4096, 128), (16384, 512), (65536, 512))
_ELSEWHERE: Sizes = {"hard": _LARGE, "semi_hard": _LARGE, "all": _LARGE}
_PEER_ARRAYS = 4  # of B x B, which it holds at a time
_NOTES = {"semi_hard": "the peer takes all semi-hard negatives: another loss"}


def make_batch(size: tuple[int, int], seed: int) -> dict[str, np.ndarray]:
    """`PHOTOS` unit vectors of each individual around its own direction."""
    rows, dimension = size
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(rows // PHOTOS, dtype=np.int32), PHOTOS)
    centres = random.standard_normal((rows // PHOTOS, dimension), np.float32)
    embeddings = centres[labels] + random.standard_normal((rows, dimension), np.float32)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    return {"embeddings": embeddings, "labels": labels}


def loss_and_gradient(mining: Mining) -> Any:
    """(embeddings, labels) -> (mean loss, its gradient)."""

    def mean(embeddings: jax.Array, labels: jax.Array) -> jax.Array:
        total, count = triplet_loss(embeddings, labels, margin=MARGIN, mining=mining)
        return total / jnp.maximum(count, 1.0)

    return jax.value_and_grad(mean)


def work(mining: Mining, size: tuple[int, int]) -> Work:
    """The matrix products, and the embeddings read and their gradient written."""
    rows, dimension = size
    products = 1 if mining == "hard" else 3
    return Work(products * 2.0 * rows**2 * dimension, 2.0 * 4 * rows * dimension)


def run(sizes: Sizes | None = None, *, peer: bool = False) -> Iterable[dict[str, Any]]:
    """A row for each mining and size."""
    if sizes is None:
        sizes = _CPU if jax.default_backend() == "cpu" else _ELSEWHERE
    return (_row(mining, size, peer=peer) for mining in sizes for size in sizes[mining])


def _row(mining: Mining, size: tuple[int, int], *, peer: bool) -> dict[str, Any]:
    ours = measure_compiled(
        loss_and_gradient(mining),
        lambda seed: tuple(make_batch(size, seed).values()),
        keep=lambda result: float(result[0]),
    )
    theirs, note = None, _NOTES.get(mining) if peer else None
    room = available_memory()
    if peer and room is not None and 4 * size[0] ** 2 * _PEER_ARRAYS > room:
        note = "the peer's B x B arrays do not fit"
    elif peer:
        arguments = {"mining": mining, "margin": MARGIN}
        theirs = run_peer("metric_learning", arguments, lambda seed: make_batch(size, seed))
    compared = theirs is not None and mining not in _NOTES
    return make_row(
        "mining",
        f"{mining} {size[0]} x {size[1]}",
        ours,
        theirs,
        attainable=attainable_seconds(work(mining, size), ceilings()),
        loss_difference=difference(ours.results, theirs) if compared and theirs else None,
        note=note,
    )
