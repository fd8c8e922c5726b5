"""Suite ``head``: margin softmax over 10^4 to 10^7 identities and its gradients.

The roofline is that of the three matrix products of the plain head (cosines, and their gradients by
the embeddings and by the centres) over centres that are read twice and whose gradient is written.
In chunks there is a fourth product: the cosines again.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from reid_jax.ops.losses.objectives import MarginSoftmax
from reid_jax.plan.measure import measure_compiled
from reid_jax.plan.roofline import Work, attainable_seconds, ceilings
from scripts.bench.beside import difference, run_peer
from scripts.bench.report import make_row

SCALE, MARGIN = 64.0, 0.5


class Size(NamedTuple):
    """Identities, dimensions, rows of a batch."""

    classes: int
    dimension: int
    rows: int


WAYS = {
    "plain": MarginSoftmax(scale=SCALE, margin=MARGIN),
    "chunked": MarginSoftmax(scale=SCALE, margin=MARGIN, chunk=2**14),
    "sampled 10%": MarginSoftmax(scale=SCALE, margin=MARGIN, sampled=0.1, chunk=2**14),
}
_CPU = {
    "plain": (Size(10**4, 128, 128), Size(10**5, 128, 128)),
    "chunked": (Size(10**4, 128, 128), Size(10**5, 128, 128), Size(10**6, 128, 128)),
    "sampled 10%": (Size(10**5, 128, 128), Size(10**6, 128, 128)),
}
_ELSEWHERE = {
    "plain": (Size(10**4, 512, 1024), Size(10**5, 512, 1024), Size(10**6, 512, 1024)),
    "chunked": (Size(10**5, 512, 1024), Size(10**6, 512, 1024), Size(10**7, 512, 1024)),
    "sampled 10%": (Size(10**6, 512, 1024), Size(10**7, 512, 1024)),
}


def make_batch(size: Size, seed: int) -> dict[str, np.ndarray]:
    """Random embeddings and labels."""
    random = np.random.default_rng(seed)
    embeddings = random.standard_normal((size.rows, size.dimension), np.float32)
    return {"embeddings": embeddings, "labels": random.integers(0, size.classes, size.rows)}


def make_centers(size: Size) -> jax.Array:
    """(classes, dimension) float32, the same in every call; made where they are needed."""
    return jax.random.normal(jax.random.key(0), (size.classes, size.dimension), jnp.float32)


def loss_and_gradients(objective: MarginSoftmax) -> Any:
    """(centres, embeddings, labels) -> (mean loss, its gradients by the first two)."""

    def mean(centers: jax.Array, embeddings: jax.Array, labels: jax.Array) -> jax.Array:
        params = {"centers": centers[:, None, :]}
        (term,) = objective.terms(params, {"neck": embeddings}, labels, None, None).values()
        return term.total / term.number

    return jax.value_and_grad(mean, argnums=(0, 1))


def work(objective: MarginSoftmax, size: Size) -> Work:
    """Of the classes that take part; the gradient is as large as all centres."""
    taking_part = objective.sampled * size.classes
    products = 3 * 2.0 * size.rows * taking_part * size.dimension
    return Work(products, 4.0 * size.dimension * (2 * taking_part + size.classes))


def run(
    sizes: dict[str, tuple[Size, ...]] | None = None, *, peer: bool = False
) -> Iterable[dict[str, Any]]:
    """A row for each way and size."""
    if sizes is None:
        sizes = _CPU if jax.default_backend() == "cpu" else _ELSEWHERE
    return (_row(way, size, peer=peer) for way in sizes for size in sizes[way])


def _row(way: str, size: Size, *, peer: bool) -> dict[str, Any]:
    objective = WAYS[way]
    centers = make_centers(size)

    def inputs(seed: int) -> tuple[Any, ...]:
        batch = make_batch(size, seed)
        return centers, batch["embeddings"], batch["labels"].astype(np.int32)

    ours = measure_compiled(
        loss_and_gradients(objective), inputs, keep=lambda result: float(result[0])
    )
    theirs, apart, note = None, None, None
    if peer and objective.sampled == 1:
        theirs = run_peer(
            "margin_softmax",
            {"scale": SCALE, "margin": MARGIN, **size._asdict()},
            lambda seed: (
                make_batch(size, seed) | ({} if seed else {"centers": np.asarray(centers)})
            ),
        )
        apart = difference(ours.results, theirs)
    elif peer:
        note = "another draw of classes would be another loss: no peer"
    return make_row(
        "head",
        f"{way} {size.classes:,} x {size.dimension}, batch {size.rows}",
        ours,
        theirs,
        attainable=attainable_seconds(work(objective, size), ceilings()),
        loss_difference=apart,
        note=note,
    )
