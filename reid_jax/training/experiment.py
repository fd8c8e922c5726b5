"""From a configuration to what the loop runs: the task, its data, its optimiser, its validation."""

import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np
import optax

from reid_jax.data.photos import Dataset, Splits, load_dataset, make_splits
from reid_jax.data.photos.samplers import IdentitySampler, PairSampler, UniformSampler
from reid_jax.data.photos.stream import Sampler
from reid_jax.data.photos.transforms import relabelled, with_symmetries
from reid_jax.errors import UserError
from reid_jax.individuals.task import EmbeddingTask
from reid_jax.individuals.validation import (
    Validation,
    about_validation,
    make_validation,
    with_whitening,
)
from reid_jax.models import EmbeddingNet, block_names, create_backbone
from reid_jax.ops.keys import STREAMS, initial_key
from reid_jax.training.config import DataConfig, EmbeddingConfig, ModelConfig, TrainConfig
from reid_jax.training.feed import Feed, make_feed
from reid_jax.training.optimizer import make_optimizer, make_schedule
from reid_jax.training.question import Task
from reid_jax.training.stages import Stage, frozen_blocks, update_rates
from reid_jax.training.step import TrainStep, make_train_step
from reid_jax.weights import input_info, into_embedding_net, load_pretrained


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
    counted: str = "images"


def make_task(config: EmbeddingConfig, num_classes: int) -> EmbeddingTask:
    """The task of a configuration for a number of training individuals."""
    channels = config.data.channels
    mean, std = (0.5,) * channels, (0.5,) * channels
    if config.model.pretrained:
        inputs = input_info(config.model.backbone, config.model.pretrained)
        mean, std = inputs.mean, inputs.std
    return EmbeddingTask(
        net=make_net(config.model),
        objective=config.loss,
        augmentation=config.augment,
        num_classes=num_classes,
        views=config.model.views,
        whiten=config.model.whiten,
        mean=mean,
        std=std,
        metric="cosine" if config.model.normalize else "euclidean",
    )


def with_image_size(config: EmbeddingConfig) -> EmbeddingConfig:
    """The configuration, with the image size that the network is made for in the place of 0."""
    if config.data.image_size:
        return config
    inputs = input_info(config.model.backbone, config.model.pretrained)
    return replace(config, data=replace(config.data, image_size=inputs.input_size))


def load_backbone(model: ModelConfig) -> Mapping[str, Any] | None:
    """The published variables that a configuration starts from, or None."""
    return load_pretrained(model.backbone, model.pretrained) if model.pretrained else None


def initial_variables(experiment: Experiment, seed: int, streams: int = STREAMS) -> tuple[Any, Any]:
    """Parameters and model state before the first step: a pure function of the seed."""
    key = initial_key(seed, streams)
    params, model_state = experiment.task.init(key, experiment.example)
    return experiment.start(params, model_state)


def start_from(
    backbone: Mapping[str, Any] | None, params: Any, model_state: Any
) -> tuple[Any, Any]:
    """A task's initial variables with the backbone's replaced by published ones, if given."""
    if backbone is None:
        return params, model_state
    variables = into_embedding_net({"params": params["net"], **model_state}, backbone)
    return {**params, "net": variables.pop("params")}, variables


def step_of_stage(
    experiment: Experiment,
    stage: Stage,
    params: Any,
    *,
    seed: int,
    ema_decay: float,
    accumulate: int = 1,
    streams: int = STREAMS,
) -> TrainStep:
    """The training step while a stage lasts; what is frozen is known when it is compiled."""
    frozen = frozen_blocks(stage, experiment.blocks)
    task: Any = experiment.task
    if frozen:  # a task with a backbone, then
        task = replace(task, frozen=frozen)
    return make_train_step(
        task,
        experiment.optimizer,
        seed=seed,
        ema_decay=ema_decay,
        accumulate=accumulate,
        streams=streams,
        rates=None
        if stage.blocks < 0 and stage.backbone_rate == 1
        else update_rates(params, stage, frozen),
    )


def make_net(model: ModelConfig) -> EmbeddingNet:
    """The embedding network of a configuration."""
    dtype = jax.numpy.dtype(model.dtype)
    return EmbeddingNet(
        backbone=create_backbone(
            model.backbone, dtype=dtype, drop_path=model.drop_path, remat=model.remat
        ),
        embedding_dim=model.embedding_dim or None,
        pooling=model.pooling,
        normalize=model.normalize,
        bnneck=model.bnneck,
    )


def load_data(config: DataConfig, seed: int) -> tuple[Dataset, Splits]:
    """The data set of a configuration and its division."""
    dataset = load_dataset(config.source, seed=seed)
    splits = make_splits(
        dataset,
        config.split,
        test_fraction=config.test_fraction,
        validation_fraction=config.validation_fraction,
        seed=seed,
    )
    return dataset, splits


def make_sampler(config: DataConfig, labels: np.ndarray, seed: int) -> Sampler:
    """The sampler of a configuration over training photos with these labels."""
    if config.sampler == "pairs":
        return PairSampler(labels, config.batch_size, seed)
    if config.sampler == "uniform":
        return UniformSampler(len(labels), config.batch_size, seed)
    identities = config.batch_size // config.photos_per_identity
    return IdentitySampler(labels, identities, config.photos_per_identity, seed)


def training_set(dataset: Dataset, splits: Splits, *, symmetries: int) -> Dataset:
    """The training photos, their labels counted from 0 without gaps."""
    train = dataset.subset(splits.train)
    if symmetries > 1:
        train = with_symmetries(train, symmetries)
    return relabelled(train)


def build(config: EmbeddingConfig, dataset: Dataset, splits: Splits) -> Experiment:
    """Puts an experiment together.

    Raises:
      UserError: when configuration and data do not fit.
    """
    data, optimizer, train = config.data, config.optimizer, config.train
    _check_patience(train, splits)
    photos = training_set(dataset, splits, symmetries=data.symmetries)
    sampler = make_sampler(data, photos.labels, train.seed)
    schedule = make_schedule(
        optimizer.learning_rate,
        optimizer.final_learning_rate,
        optimizer.warmup_steps,
        train.steps,
        optimizer.schedule,
    )
    validation = None
    if splits.validation is not None:
        validation = make_validation(dataset, splits, data, train.seed)
        if config.model.whiten:
            validation = with_whitening(validation, photos, data, train.seed)
    return Experiment(
        task=make_task(config, len(photos.identities)),
        start=functools.partial(start_from, load_backbone(config.model)),
        stages=config.stages,
        blocks=block_names(config.model.backbone),
        optimizer=make_optimizer(
            optimizer.name,
            schedule,
            momentum=optimizer.momentum,
            weight_decay=optimizer.weight_decay,
            clip_norm=optimizer.clip_norm,
            reducible=train.reduce_patience > 0,
        ),
        schedule=schedule,
        feed=make_feed(
            photos,
            sampler,
            size=data.image_size,
            channels=data.channels,
            input=data.input,
            steps_per_call=train.steps_per_call,
        ),
        example={"image": np.zeros((1, data.image_size, data.image_size, data.channels), np.uint8)},
        batch_size=data.batch_size,
        shared_unit=math.lcm(2 if data.sampler == "pairs" else 1, train.accumulate),
        validation=validation,
        summary=f"{len(photos):,} training photos of {len(photos.identities):,} individuals"
        + about_validation(validation, splits, photos, train.seed),
    )


def _check_patience(train: TrainConfig, splits: Splits) -> None:
    """What waits for a better validation needs one; whether a given split has it is known now."""
    for name in ("patience", "reduce_patience"):
        if getattr(train, name) and splits.validation is None:
            raise UserError(
                f"train.{name} is {getattr(train, name)}, but the split has no validation; set "
                f"data.validation_fraction above 0, or train.{name} to 0."
            )
