"""From a configuration and its photos to what the loop runs."""

import functools
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from reid_jax.data.photos import Dataset, Splits, make_splits
from reid_jax.data.photos.samplers import IdentitySampler, PairSampler, UniformSampler
from reid_jax.data.photos.splits import split_unnamed
from reid_jax.data.photos.stream import Sampler
from reid_jax.data.photos.transforms import relabelled, with_mirror_images, with_symmetries
from reid_jax.individuals.config import DataConfig, EmbeddingConfig, ModelConfig, own_options
from reid_jax.individuals.glossary import SPLITS
from reid_jax.individuals.sources import load_dataset
from reid_jax.individuals.task import EmbeddingTask
from reid_jax.individuals.validation import (
    about_validation,
    by_teacher,
    make_validation,
    with_whitening,
)
from reid_jax.individuals.watch import watch
from reid_jax.models import EmbeddingNet, block_names, create_backbone
from reid_jax.ops.losses.distilled import Distilled
from reid_jax.ops.losses.objectives import Objective
from reid_jax.training.experiment import (
    Experiment,
    Start,
    Validation,
    make_experiment,
    start_from,
    unchanged,
)
from reid_jax.training.feed import imagined_feed, make_feed
from reid_jax.training.teaching import Teacher
from reid_jax.weights import input_info, load_pretrained
from reid_jax.weights.convert import load_behind
from reid_jax.weights.published import published_of


def make_task(config: EmbeddingConfig, num_classes: int, taught: int = 0) -> EmbeddingTask:
    """The task of a configuration for a number of training individuals.

    Args:
      taught: numbers of the embedding of a teacher from which it learns; 0 for none.
    """
    channels = config.data.channels
    mean, std = (0.5,) * channels, (0.5,) * channels
    if config.model.pretrained:
        inputs = input_info(config.model.backbone, config.model.pretrained)
        mean, std = inputs.mean, inputs.std
    objective: Objective = config.loss
    if config.data.sampler == "identities":
        objective = objective.for_batches(config.data.photos_per_identity - 1)
    if taught:
        objective = Distilled(objective, taught, config.distill)
    return EmbeddingTask(
        net=make_net(config.model, standing="standing" in objective.wants),
        objective=objective,
        augmentation=config.augment,
        num_classes=num_classes,
        views=config.model.views,
        whiten=config.model.whiten,
        mean=mean,
        std=std,
        metric="cosine" if config.model.normalize else "euclidean",
        monitor="neighbours" if config.data.unnamed else "mAP",
    )


def load_backbone(model: ModelConfig) -> Mapping[str, Any] | None:
    """The published variables that a configuration starts from, or None."""
    return load_pretrained(model.backbone, model.pretrained) if model.pretrained else None


def published_start(model: ModelConfig) -> Start:
    """Puts the published numbers that a configuration starts from, if any, into drawn ones.

    Raises:
      UserError: they cannot be had, or do not fit.
    """
    if not model.pretrained:
        return unchanged
    backbone = load_backbone(model)
    behind = load_behind(model.backbone, model.pretrained)
    return functools.partial(start_from, backbone, behind=behind)


def make_net(model: ModelConfig, *, standing: bool = False) -> EmbeddingNet:
    """The embedding network of a configuration; `standing` where its loss wants that."""
    dtype = jax.numpy.dtype(model.dtype)
    published = published_of(model.pretrained)
    return EmbeddingNet(
        backbone=create_backbone(
            model.backbone,
            dtype=dtype,
            drop_path=model.drop_path,
            remat=model.remat,
            norm_groups=model.batch_norm_parts,
            **own_options(model),
        ),
        hidden=model.hidden,
        dropout=model.dropout,
        embedding_dim=model.embedding_dim or None,
        pooling=model.pooling,
        normalize=model.normalize,
        bnneck=model.bnneck,
        neck_bias=published is not None and published.neck,
        standing=standing,
    )


def net_as_published(model: ModelConfig) -> EmbeddingNet:
    """The network of a configuration as far as it was published: nothing is projected."""
    published = published_of(model.pretrained)
    alone = ModelConfig(
        backbone=model.backbone,
        backbone_options=model.backbone_options,
        dtype=model.dtype,
        embedding_dim=0,
        pooling="avg" if published is None else published.pooling,
        bnneck=published is not None and published.neck,
        pretrained=model.pretrained,
    )
    return make_net(alone)


def load_data(config: DataConfig, seed: int) -> tuple[Dataset, Splits]:
    """The data set of a configuration and its division."""
    reading, unnamed = config.reading, config.unnamed
    dataset = load_dataset(config.source, seed=seed, reading=reading, unnamed=unnamed)
    if unnamed:
        fractions = config.test_fraction, config.validation_fraction
        return dataset, split_unnamed(len(dataset), *fractions, seed)
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
    if symmetries == 2:
        train = with_mirror_images(train)
    elif symmetries > 2:
        train = with_symmetries(train, symmetries)
    return relabelled(train)


def whitening_set(dataset: Dataset, splits: Splits, *, symmetries: int) -> Dataset:
    """The training photos that a whitening is made from: without mirror images of files.

    They are never searched for, and would take the time of the others once more.
    """
    return training_set(dataset, splits, symmetries=1 if symmetries == 2 else symmetries)


def build(
    config: EmbeddingConfig, dataset: Dataset, splits: Splits, teacher: Teacher | None = None
) -> Experiment:
    """Puts an experiment together.

    Args:
      teacher: whoever the configuration learns from.

    Raises:
      UserError: when configuration and data do not fit.
    """
    data, train = config.data, config.train
    start = published_start(config.model)
    if not train.steps:  # no batch is drawn, so that there may be too few photos for one
        labels = dataset.labels[splits.train]
        return imagine(config, len(np.unique(labels)), len(labels), start)
    photos = training_set(dataset, splits, symmetries=data.symmetries)
    sampler = make_sampler(data, photos.labels, train.seed)
    whitened_by = whitening_set(dataset, splits, symmetries=data.symmetries)
    validation = None
    if splits.validation is not None:
        validation = make_validation(dataset, splits, data, train.seed)
        if config.model.whiten:
            validation = with_whitening(validation, whitened_by, data, train.seed)
        if teacher is not None and teacher.validated is not None:
            validation = by_teacher(validation, teacher.validated)
    seen = 0 if validation is None else len(np.unique(validation.examples["label"]))
    return _experiment(
        config,
        len(photos.identities),
        start=start,
        feed=make_feed(
            photos,
            sampler,
            size=data.image_size,
            channels=data.channels,
            input=data.input,
            steps_per_call=train.steps_per_call,
            teacher=teacher,
        ),
        validation=validation,
        watch=watch(
            config.loss if teacher is None else None,
            photos.labels[sampler(0)],
            len(photos.identities),
            seen,
        ),
        teacher=teacher,
        summary=f"{len(photos):,} training photos of {len(photos.identities):,} individuals, "
        + SPLITS[data.split].partition(":")[0].lower()
        + about_validation(validation, splits, whitened_by, train.seed)
        + (f"; learns from {config.distill.teacher}" if teacher else ""),
    )


def imagine(
    config: EmbeddingConfig, individuals: int, photos: int, start: Start = unchanged
) -> Experiment:
    """The experiment of a set of so many training individuals and photos that is not read."""
    data = config.data
    return _experiment(
        config,
        individuals * data.symmetries,
        start=start,
        feed=imagined_feed(
            photos * data.symmetries,
            data.batch_size,
            size=data.image_size,
            channels=data.channels,
            input=data.input,
            steps_per_call=config.train.steps_per_call,
        ),
        validation=Validation(inputs=lambda: (), examples={}),
        summary=f"{photos:,} training photos of {individuals:,} individuals, of which none is read",
    )


def _experiment(
    config: EmbeddingConfig, num_classes: int, teacher: Teacher | None = None, **parts: Any
) -> Experiment:
    data = config.data
    return make_experiment(
        config,
        task=make_task(config, num_classes, 0 if teacher is None else teacher.width),
        teacher=teacher,
        blocks=block_names(config.model.backbone, config.model.backbone_options),
        example={"image": np.zeros((1, data.image_size, data.image_size, data.channels), np.uint8)},
        unit=2 if data.sampler == "pairs" else 1,
        counted="images",
        **parts,
    )


def batch_bounds(config: EmbeddingConfig, dataset: Dataset, splits: Splits) -> tuple[int, int]:
    """What a batch is a multiple of, and the photos it can hold without repeating itself."""
    data = config.data
    unit = {"identities": data.photos_per_identity, "pairs": 4, "uniform": 1}[data.sampler]
    labels = training_set(dataset, splits, symmetries=data.symmetries).labels
    if data.sampler == "identities":
        return unit, len(np.unique(labels)) * data.photos_per_identity
    return unit, len(labels)
