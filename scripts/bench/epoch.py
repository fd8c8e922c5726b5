"""Suite ``epoch``: the classic Siamese tutorial on Fashion-MNIST, five epochs.

Pairs, half of them of one kind of clothes; two convolutions, two dense layers, an embedding on a
plane; contrastive loss with margin 1; Adam. The set lives in device memory and many steps are one
call. The peer is the tutorial as one finds it in PyTorch: a Dataset that draws a pair, a DataLoader
with workers, a loop. Both are judged alike: how often a test photo's five nearest neighbours among
10,000 training photos outvote the rest for its kind. Compilation is not in the times.
"""

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax

from reid_jax.compilations import program_memory
from reid_jax.data.photos.samplers import PairSampler
from reid_jax.individuals.task import EmbeddingTask
from reid_jax.models import EmbeddingNet, create_backbone
from reid_jax.ops.convolution.lax import uses_onednn
from reid_jax.ops.images.augment import Augmentation
from reid_jax.ops.losses.objectives import Contrastive
from reid_jax.plan.measure import Measurement
from reid_jax.training.parallel import make_layout
from reid_jax.training.predictor import make_predictor
from reid_jax.training.state import create_state
from reid_jax.training.step import make_resident_steps, make_train_step
from scripts.bench.beside import run_peer
from scripts.bench.fashion_mnist import Clothes, load_clothes
from scripts.bench.report import make_row

EPOCHS, PAIRS, RATE, MARGIN = 5, 128, 1e-3, 1.0
NEIGHBOURS, GALLERY = 5, 10_000
_TIMEOUT = 3600.0


@dataclass(frozen=True)
class Trained:
    """Embeddings (N, 2) of the test photos and of the first training photos."""

    seconds: tuple[float, ...]
    compile_seconds: float
    peak_memory_bytes: int | None
    test: np.ndarray
    gallery: np.ndarray


def run(*, peer: bool = False, photos: int = 60_000) -> list[dict[str, Any]]:
    """One row; `photos` is how many of the training photos are used."""
    train, test = load_clothes("train"), load_clothes("t10k")
    train = Clothes(train.image[:photos], train.label[:photos])
    ours = train_pairs(train, test)
    quality = neighbours_agree(ours, train, test)
    theirs, note = None, f"5-NN accuracy {quality:.3f}"
    if peer:
        with tempfile.TemporaryDirectory() as folder:
            files = Path(folder)
            np.savez(files / "data.npz", image=train.image, label=train.label, test=test.image)
            arguments = {
                "data": str(files / "data.npz"),
                "out": str(files / "out.npz"),
                "epochs": EPOCHS,
                "pairs": PAIRS,
                "rate": RATE,
                "margin": MARGIN,
                "gallery": GALLERY,
            }
            theirs = run_peer("epoch", arguments, timeout=_TIMEOUT)
            if theirs.failure is None:
                with np.load(files / "out.npz") as file:
                    found = Trained((), 0.0, 0, file["test"], file["gallery"])
                note += f", peer's {neighbours_agree(found, train, test):.3f}"
    total = EPOCHS * float(np.median(ours.seconds))
    measured = Measurement(
        total,
        (max(ours.seconds) - min(ours.seconds)) / float(np.median(ours.seconds)),
        ours.peak_memory_bytes,
        ours.compile_seconds,
        (),
    )
    row = make_row("epoch", f"{EPOCHS} epochs of {len(train.image):,}", measured, theirs, note=note)
    return [row | {"quality": quality}]


def train_pairs(train: Clothes, test: Clothes, *, seed: int = 0) -> Trained:
    """Trains and embeds."""
    task = EmbeddingTask(
        EmbeddingNet(create_backbone("two_conv"), embedding_dim=2, normalize=False),
        Contrastive(margin=MARGIN),
        Augmentation(),
        num_classes=10,
        mean=(0.5,),
        std=(0.5,),
        metric="euclidean",
    )
    optimizer = optax.adam(RATE)
    layout = make_layout("single")
    params, model_state = task.init(jax.random.key(seed), {"image": train.image[:1]})
    state = layout.everywhere(create_state(params, model_state, optimizer, ema=False))
    sampler = PairSampler(train.label, 2 * PAIRS, seed)
    steps = len(train.image) // PAIRS
    # XLA's own convolutions are slow in a loop on a CPU.
    a_call = steps if jax.default_backend() != "cpu" or uses_onednn() else 1
    shared = layout.everywhere(train._asdict())
    step = make_resident_steps(make_train_step(task, optimizer, seed=seed, ema_decay=0.0))
    function = layout.compile(step, batch_axis=1, donate=True)
    started = time.perf_counter()
    compiled = function.lower(state, shared, _rows(sampler, 0, a_call)).compile()
    compile_seconds = time.perf_counter() - started
    seconds = []
    for epoch in range(EPOCHS):
        started = time.perf_counter()
        for first in range(epoch * steps, (epoch + 1) * steps, a_call):
            rows = layout.divide(_rows(sampler, first, a_call), 1)
            state, metrics = compiled(state, shared, rows)
        jax.block_until_ready((state, metrics))
        seconds.append(time.perf_counter() - started)
    predict = make_predictor(task, layout, batch_size=1000)
    embedded = [
        predict(state.params, state.model_state, [{"image": images}])
        for images in (test.image, train.image[:GALLERY])
    ]
    return Trained(tuple(seconds), compile_seconds, program_memory(compiled), *embedded)


def _rows(sampler: PairSampler, first: int, count: int) -> np.ndarray:
    return np.stack([sampler(step) for step in range(first, first + count)]).astype(np.int32)


def neighbours_agree(trained: Trained, train: Clothes, test: Clothes) -> float:
    """Accuracy of the vote of the five nearest neighbours; of even votes the smaller label wins."""
    right = 0
    labels = train.label[: len(trained.gallery)]
    for start in range(0, len(trained.test), 1000):
        rows = slice(start, start + 1000)
        apart = np.square(trained.test[rows, None] - trained.gallery[None]).sum(2)
        nearest = labels[np.argpartition(apart, NEIGHBOURS, axis=1)[:, :NEIGHBOURS]]
        votes = (nearest[:, :, None] == np.arange(10)).sum(1)
        right += int((votes.argmax(1) == test.label[rows]).sum())
    return right / len(trained.test)
