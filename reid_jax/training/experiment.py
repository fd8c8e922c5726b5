"""From a configuration to what the loop runs: the task, its data, its optimiser, its validation."""

from collections.abc import Mapping
from dataclasses import dataclass

import jax
import numpy as np
import optax

from reid_jax.data import Dataset, Splits, load_dataset, make_splits
from reid_jax.data.samplers import IdentitySampler, PairSampler, UniformSampler
from reid_jax.data.stream import Sampler
from reid_jax.data.transforms import relabelled, with_rotations
from reid_jax.models import EmbeddingNet, create_backbone
from reid_jax.tasks.base import Task
from reid_jax.tasks.embedding import EmbeddingTask
from reid_jax.training.config import DataConfig, EmbeddingConfig, ModelConfig
from reid_jax.training.feed import Feed, make_feed
from reid_jax.training.optimizer import make_optimizer, make_schedule


@dataclass(frozen=True)
class Validation:
    """Examples that decide which checkpoint is the best.

    Attributes:
      images: uint8 (N, H, W, C).
      examples: what the task's `evaluate` needs to know of them.
    """

    images: np.ndarray
    examples: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Experiment:
    """All that the loop needs."""

    task: Task
    optimizer: optax.GradientTransformation
    schedule: optax.Schedule
    feed: Feed
    example: Mapping[str, np.ndarray]
    batch_size: int
    shared_unit: int
    validation: Validation | None
    summary: str


def make_task(config: EmbeddingConfig, num_classes: int) -> EmbeddingTask:
    """The task of a configuration for a number of training individuals."""
    channels = config.data.channels
    return EmbeddingTask(
        net=make_net(config.model),
        objective=config.loss,
        augmentation=config.augment,
        num_classes=num_classes,
        mean=(0.5,) * channels,
        std=(0.5,) * channels,
        metric="cosine" if config.model.normalize else "euclidean",
    )


def make_net(model: ModelConfig) -> EmbeddingNet:
    """The embedding network of a configuration."""
    dtype = jax.numpy.dtype(model.dtype)
    return EmbeddingNet(
        backbone=create_backbone(model.backbone, dtype=dtype, drop_path=model.drop_path),
        embedding_dim=model.embedding_dim or None,
        pooling=model.pooling,
        normalize=model.normalize,
        bnneck=model.bnneck,
        dtype=dtype,
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


def training_set(dataset: Dataset, splits: Splits, *, rotations: bool) -> Dataset:
    """The training photos, their labels counted from 0 without gaps."""
    train = dataset.subset(splits.train)
    if rotations:
        train = with_rotations(train)
    return relabelled(train)


def build(config: EmbeddingConfig, dataset: Dataset, splits: Splits) -> Experiment:
    """Puts an experiment together.

    Raises:
      UserError: when configuration and data do not fit.
    """
    data, optimizer, train = config.data, config.optimizer, config.train
    photos = training_set(dataset, splits, rotations=data.rotations)
    sampler = make_sampler(data, photos.labels, train.seed)
    schedule = make_schedule(
        optimizer.learning_rate,
        optimizer.final_learning_rate,
        optimizer.warmup_steps,
        train.steps,
    )
    validation = None
    if splits.validation is not None:
        validation = make_validation(dataset, splits, data.image_size, data.channels)
    return Experiment(
        task=make_task(config, len(photos.identities)),
        optimizer=make_optimizer(
            optimizer.name,
            schedule,
            momentum=optimizer.momentum,
            weight_decay=optimizer.weight_decay,
            clip_norm=optimizer.clip_norm,
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
        shared_unit=2 if data.sampler == "pairs" else 1,
        validation=validation,
        summary=f"{len(photos):,} training photos of {len(photos.identities):,} individuals",
    )


def make_validation(dataset: Dataset, splits: Splits, size: int, channels: int) -> Validation:
    """The validation photos in memory, with query and gallery counted within them."""
    assert splits.validation is not None
    query, gallery = splits.validation
    rows = np.union1d(query, gallery)
    return Validation(
        images=dataset.load(rows, size, channels, progress="validation photos"),
        examples={
            "label": dataset.labels[rows],
            "query": np.searchsorted(rows, query),
            "gallery": np.searchsorted(rows, gallery),
        },
    )
