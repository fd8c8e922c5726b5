"""What the loop runs: the task, its data, its optimiser, its validation."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import optax

from reid_jax.ops.keys import STREAMS, initial_key
from reid_jax.training.config import check_patience
from reid_jax.training.feed import Feed
from reid_jax.training.optimizer import optimizer_of
from reid_jax.training.parallel import Layout
from reid_jax.training.stages import Stage, frozen_blocks, update_rates
from reid_jax.training.step import TrainStep, make_train_step
from reid_jax.training.task import Batch, Task
from reid_jax.training.teaching import Teacher, taught
from reid_jax.weights import into_embedding_net

Blocks = Callable[[], Iterable[Batch]]
Start = Callable[[Any, Any], tuple[Any, Any]]
Watch = Callable[[Sequence[Mapping[str, Any]], np.ndarray | None], str]


@dataclass(frozen=True)
class Validation:
    """Examples that decide which checkpoint is the best.

    Attributes:
      inputs: yields what the task's `predict` sees of them, in order, as dicts of arrays (b, ...);
        each call begins anew.
      examples: what the task's `evaluate` needs to know of them, arrays of N rows or fewer.
      batch_size: how many are predicted at a time.
      by_network: the same of parameters and model state, in the place of `inputs`, where it depends
        on them: features that many examples share are made once.
    """

    inputs: Blocks
    examples: Mapping[str, np.ndarray]
    batch_size: int = 64
    by_network: Callable[[Any, Any], Iterable[Batch]] | None = None


@dataclass(frozen=True)
class Experiment:
    """All that the loop needs.

    Attributes:
      start: puts into fresh parameters and model state what they start from, as published weights.
      blocks: names of the backbone's blocks, from input to output.
      example: a batch of the right shape.
      shared_unit: a device holds a multiple of so many rows (2 for pairs; parts of a batch).
      summary: one line for the console.
      counted: what a row of a batch is, for the speed: "images" or "clips".
      watch: says what is wrong, in a sentence or not at all, by the rows of the log so far and by
        what was predicted in the validation, if there is one.
      teacher: that the task learns from; its feed brings what the teacher says, or its variables.
    """

    task: Task
    start: Callable[[Any, Any], tuple[Any, Any]]
    stages: tuple[Stage, ...]
    blocks: tuple[str, ...]
    optimizer: optax.GradientTransformation
    schedule: optax.Schedule
    feed: Feed
    example: Mapping[str, np.ndarray]
    batch_size: int
    shared_unit: int
    validation: Validation | None
    summary: str
    counted: str
    watch: Watch
    teacher: Teacher | None = None


def unchanged(params: Any, model_state: Any) -> tuple[Any, Any]:
    """Training starts from the task's own initial variables."""
    return params, model_state


def make_experiment(
    config: Any,
    *,
    task: Task,
    feed: Feed,
    example: Mapping[str, np.ndarray],
    summary: str,
    counted: str,
    start: Start = unchanged,
    blocks: tuple[str, ...] = (),
    unit: int = 1,
    validation: Validation | None = None,
    watch: Watch = lambda rows, predictions: "",
    teacher: Teacher | None = None,
) -> Experiment:
    """An experiment, with what its configuration says of optimiser, stages and batches.

    Args:
      config: with `data.batch_size`, `optimizer`, `train`, and `stages` where there are blocks.
      unit: a part of a batch is a multiple of so many rows.

    Raises:
      UserError: training is to wait for a better validation where there is none.
    """
    train = config.train
    check_patience(train, validated=validation is not None)
    made, schedule = optimizer_of(config)
    return Experiment(
        task=task,
        start=start,
        stages=getattr(config, "stages", ()),
        blocks=blocks,
        optimizer=made,
        schedule=schedule,
        feed=feed,
        example=example,
        batch_size=config.data.batch_size,
        shared_unit=math.lcm(unit, train.accumulate),
        validation=validation,
        summary=summary,
        counted=counted,
        watch=watch,
        teacher=teacher,
    )


def initial_variables(experiment: Experiment, seed: int, streams: int = STREAMS) -> tuple[Any, Any]:
    """Parameters and model state before the first step: a pure function of the seed."""
    key = initial_key(seed, streams)
    params, model_state = experiment.task.init(key, experiment.example)
    return experiment.start(params, model_state)


def start_from(
    backbone: Mapping[str, Any] | None,
    params: Any,
    model_state: Any,
    behind: Mapping[tuple[str, ...], Any] | None = None,
) -> tuple[Any, Any]:
    """A task's initial variables with the backbone's replaced by published ones, if given.

    Args:
      behind: published numbers of pooling and neck, see `into_embedding_net`.
    """
    if backbone is None:
        return params, model_state
    variables = into_embedding_net({"params": params["net"], **model_state}, backbone, behind)
    return {**params, "net": variables.pop("params")}, variables


def step_of_stage(
    experiment: Experiment,
    stage: Stage,
    params: Any,
    *,
    seed: int,
    ema_decay: float,
    layout: Layout,
    accumulate: int = 1,
    streams: int = STREAMS,
) -> TrainStep:
    """The training step while a stage lasts; what is frozen is known when it is compiled."""
    frozen = frozen_blocks(stage, experiment.blocks)
    task: Any = experiment.task
    if frozen:  # a task with a backbone, then
        task = replace(task, frozen=frozen)
    step = make_train_step(
        task,
        experiment.optimizer,
        seed=seed,
        ema_decay=ema_decay,
        accumulate=accumulate,
        layout=layout,
        streams=streams,
        rates=None
        if stage.blocks < 0 and stage.rate == stage.backbone_rate == 1
        else update_rates(params, stage, frozen),
    )
    return taught(step, experiment.teacher, layout, seed=seed, streams=streams)
