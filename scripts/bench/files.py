"""Work that begins with files: training on them, and embedding a folder.

Training is measured beside the same steps on photos that wait in memory: a ratio of 1 means that
reading and decoding cost nothing.
"""

import itertools
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from reid_jax.data.parallel import num_cores
from reid_jax.data.photos.stream import stream
from reid_jax.individuals.task import EmbeddingTask
from reid_jax.models import EmbeddingNet, create_backbone
from reid_jax.ops.images.augment import Augmentation
from reid_jax.ops.losses.objectives import MarginSoftmax
from reid_jax.plan.measure import Measurement, measure
from reid_jax.training.parallel import make_layout
from reid_jax.training.predictor import make_predictor
from reid_jax.training.state import create_state
from reid_jax.training.step import make_streamed_step, make_train_step
from scripts.bench.photos import cycle_sampler, write_photos
from scripts.bench.report import as_rate, make_row


class Case(NamedTuple):
    """A network, what it sees, and JPEGs of some width."""

    backbone: str
    side: int
    batch: int
    photos: int
    width: int = 640
    steps: int = 4  # of training in a call

    def __str__(self) -> str:
        return f"{self.backbone} {self.side} px, batch {self.batch}, {self.width} px JPEGs"


def make_task(case: Case) -> EmbeddingTask:
    """A classifier of ten individuals; bfloat16 on an accelerator."""
    dtype = jnp.float32 if jax.default_backend() == "cpu" else jnp.bfloat16
    net = EmbeddingNet(create_backbone(case.backbone, dtype=dtype))
    half = (0.5,) * 3
    augmentation = Augmentation(crop=0.4, flip=True)
    return EmbeddingTask(net, MarginSoftmax(), augmentation, num_classes=10, mean=half, std=half)


def training_row(case: Case) -> dict[str, Any]:
    """Seconds a step with photos from files; the peer is the step with photos from memory."""
    with tempfile.TemporaryDirectory() as folder:
        dataset = write_photos(Path(folder), case.photos, case.width)
        batches = stream(dataset, cycle_sampler(case.batch, case.photos), size=case.side)
        kept = list(itertools.islice(batches, 2))
        train = _make_training(case, kept[0])
        memory = itertools.cycle(kept)
        from_files = measure(lambda _: train(batches), lambda seed: seed)
        from_memory = measure(lambda _: train(memory), lambda seed: seed)
        batches.close()  # type: ignore[attr-defined]
    row = make_row(
        "input",
        f"training step, {case}",
        from_files,
        from_memory,
        note=f"{num_cores()} cores; peer: our step on photos in memory",
    )
    seconds = {key: row[key] / case.steps for key in ("ours", "peer")}
    return {**row, **seconds}


def _make_training(
    case: Case, example: dict[str, np.ndarray]
) -> Callable[[Iterator[dict[str, np.ndarray]]], Any]:
    """A function that takes the case's steps on the next batches and goes on where it stopped."""
    task, optimizer, layout = make_task(case), optax.sgd(0.01), make_layout("single")
    train_step = make_train_step(task, optimizer, seed=0, ema_decay=0.0)
    step = layout.compile(make_streamed_step(train_step), batch_axis=0, donate=True)
    variables = task.init(jax.random.key(0), example)
    state = layout.everywhere(create_state(*variables, optimizer, ema=False))

    def train(batches: Iterator[dict[str, np.ndarray]]) -> Any:
        nonlocal state
        for _ in range(case.steps):
            state, metrics = step(state, {}, layout.divide(next(batches), 0))
        return metrics

    return train


EMBEDDING = Case("resnet18", 96, batch=64, photos=512)
EMBEDDING_ELSEWHERE = Case("resnet50", 224, batch=256, photos=2048)


def embedding_row(case: Case) -> dict[str, Any]:
    """Photos a second from a folder of JPEGs to embeddings on the host."""
    ours = measure_embedding(case)
    row = make_row("retrieval", f"embed a folder, {case}", ours, note=f"{num_cores()} cores")
    return as_rate(row, ours.results[0], "images/s")


def measure_embedding(case: Case) -> Measurement:
    """Embedding the photos of a case; the results are how many."""
    task = make_task(case)
    predict = make_predictor(task, make_layout("single"), batch_size=case.batch)
    with tempfile.TemporaryDirectory() as folder:
        dataset = write_photos(Path(folder), case.photos, case.width)
        example = {"image": dataset.load(np.arange(1), case.side)}
        variables = task.init(jax.random.key(0), example)

        def embed(_: int) -> np.ndarray:
            blocks = stream(
                dataset,
                cycle_sampler(case.batch, case.photos),
                size=case.side,
                num_steps=case.photos // case.batch,
            )
            return predict(*variables, ({"image": block["image"]} for block in blocks))

        return measure(embed, lambda seed: seed, keep=lambda embeddings: len(embeddings))
