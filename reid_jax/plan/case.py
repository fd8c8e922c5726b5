"""What trains where a step is timed: the program of `configs/throughput_*`, on random photos."""

from dataclasses import dataclass, replace
from typing import Any, Literal

import jax.numpy as jnp
import numpy as np

from reid_jax import configurations
from reid_jax.individuals import experiment
from reid_jax.individuals.config import EmbeddingConfig
from reid_jax.individuals.task import EmbeddingTask
from reid_jax.ops.images.augment import Augmentation
from reid_jax.training.optimizer import optimizer_of
from reid_jax.training.parallel import Layout
from reid_jax.training.state import TrainState, create_state
from reid_jax.training.step import make_streamed_step, make_train_step

CLASSES = 1000
_BY_LOSS = {"triplet": "throughput_small", "arcface": "throughput_resnet50"}


@dataclass(frozen=True)
class Case:
    """What trains, on batches of which size."""

    backbone: str
    size: int
    channels: Literal[1, 3]
    loss: str
    batch: int

    def __str__(self) -> str:
        return f"{self.backbone} {self.size} px, {self.loss}, batch {self.batch}"


def configuration(
    case: Case, *, dtype: Any = jnp.float32, augmented: bool = True
) -> EmbeddingConfig:
    """The case as a configuration: that of its loss, with its network and sizes."""
    config: EmbeddingConfig = configurations.get(_BY_LOSS[case.loss])
    return replace(
        config,
        data=replace(
            config.data,
            image_size=case.size,
            channels=case.channels,
            batch_size=case.batch,
        ),
        augment=config.augment if augmented else Augmentation(),
        model=replace(config.model, backbone=case.backbone, dtype=jnp.dtype(dtype).name),
    )


def make_batch(case: Case, seed: int) -> dict[str, np.ndarray]:
    """As many random pictures of each of some individuals as a batch holds."""
    random = np.random.default_rng(seed)
    photos = configuration(case).data.photos_per_identity
    chosen = random.permutation(CLASSES)[: case.batch // photos]
    shape = (case.batch, case.size, case.size, case.channels)
    return {
        "image": random.integers(0, 256, shape, np.uint8),
        "label": np.repeat(chosen, photos).astype(np.int32),
        "mask": np.ones(case.batch, bool),
    }


def make_task(case: Case, *, dtype: Any, augmented: bool) -> EmbeddingTask:
    """Pooled features, normalised, under the case's loss."""
    return experiment.make_task(configuration(case, dtype=dtype, augmented=augmented), CLASSES)


def make_step(
    case: Case, task: EmbeddingTask, params: Any, model_state: Any, layout: Layout
) -> tuple[TrainState, Any]:
    """A state on the layout's devices, and the step as the layout compiles it.

    `step(state, {}, batch)` gives the next state, in the memory of the one it is given, and its
    metrics.
    """
    config = configuration(case)
    optimizer, _ = optimizer_of(config)
    state = layout.everywhere(create_state(params, model_state, optimizer, ema=False))
    step = make_streamed_step(make_train_step(task, optimizer, seed=0, ema_decay=0.0))
    return state, layout.compile(step, batch_axis=0, donate=True)
