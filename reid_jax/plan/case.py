"""What trains where a step's cost is measured or foretold: a network, its loss, random photos."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import optax

from reid_jax.individuals.task import EmbeddingTask
from reid_jax.models import EmbeddingNet, create_backbone
from reid_jax.ops.images.augment import Augmentation
from reid_jax.ops.losses.objectives import MarginSoftmax, Objective, Triplet
from reid_jax.training.parallel import Layout
from reid_jax.training.state import TrainState, create_state
from reid_jax.training.step import make_streamed_step, make_train_step

PHOTOS, CLASSES, CROP, RATE, MOMENTUM = 4, 1000, 0.4, 0.01, 0.9
OBJECTIVES: dict[str, Objective] = {
    "triplet": Triplet(margin=0.3, mining="hard"),
    "arcface": MarginSoftmax(kind="arcface", scale=30.0, margin=0.5),
}


@dataclass(frozen=True)
class Case:
    """What trains, on batches of which size."""

    backbone: str
    size: int
    channels: int
    loss: str
    batch: int

    def __str__(self) -> str:
        return f"{self.backbone} {self.size} px, {self.loss}, batch {self.batch}"


def make_batch(case: Case, seed: int) -> dict[str, np.ndarray]:
    """`PHOTOS` random pictures of each of some individuals."""
    random = np.random.default_rng(seed)
    chosen = random.permutation(CLASSES)[: case.batch // PHOTOS]
    shape = (case.batch, case.size, case.size, case.channels)
    return {
        "image": random.integers(0, 256, shape, np.uint8),
        "label": np.repeat(chosen, PHOTOS).astype(np.int32),
        "mask": np.ones(case.batch, bool),
    }


def make_task(case: Case, *, dtype: Any, augmented: bool) -> EmbeddingTask:
    """Pooled features, normalised, under the case's loss."""
    half = (0.5,) * case.channels
    return EmbeddingTask(
        EmbeddingNet(create_backbone(case.backbone, dtype=dtype)),
        OBJECTIVES[case.loss],
        Augmentation(crop=CROP, flip=True) if augmented else Augmentation(),
        num_classes=CLASSES,
        mean=half,
        std=half,
    )


def make_step(
    task: EmbeddingTask, params: Any, model_state: Any, layout: Layout
) -> tuple[TrainState, Any, Any]:
    """A state on the layout's devices, the step as a function, and as the layout compiles it.

    The step is SGD with Nesterov momentum; `step(state, {}, batch)` gives the next state and its
    metrics, and the compiled one takes the state's memory for it.
    """
    optimizer = optax.sgd(RATE, momentum=MOMENTUM, nesterov=True)
    state = layout.everywhere(create_state(params, model_state, optimizer, ema=False))
    step = make_streamed_step(make_train_step(task, optimizer, seed=0, ema_decay=0.0))
    return state, step, layout.compile(step, batch_axis=0, donate=True)
