"""Networks from which another one learns to see photos: opened, checked, and asked."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from reid_jax.console import say
from reid_jax.data.photos import Dataset, Splits
from reid_jax.data.photos.content import content_digests
from reid_jax.errors import UserError
from reid_jax.individuals.config import EmbeddingConfig
from reid_jax.individuals.experiment import training_set
from reid_jax.individuals.model import TrainedModel
from reid_jax.individuals.published import PublishedModel, open_model
from reid_jax.individuals.split_file import kept_digests
from reid_jax.individuals.validation import validation_rows
from reid_jax.ops.distances import normalize
from reid_jax.ops.images.augment import Augmentation, augment, example_keys
from reid_jax.training.teachers import check_finished, places_of
from reid_jax.training.teaching import Teacher


def open_teachers(config: EmbeddingConfig, workdir: Path | None = None) -> list[TrainedModel]:
    """The networks that `distill.teacher` names, on the devices of the student.

    Args:
      workdir: of the student, which is none of them.

    Raises:
      UserError: one cannot be had, is not finished, or sees other photos.
    """
    found = []
    for place in places_of(config.distill.teacher, workdir):
        model = open_model(place)
        if not isinstance(model, PublishedModel):
            check_finished(model)
        theirs, ours = model.config.data.channels, config.data.channels
        if theirs != ours:
            raise UserError(
                f"{place} sees {_colours(theirs)} photos and data.channels is {ours}: teacher and "
                "network must see the same."
            )
        train = replace(model.config.train, parallel=config.train.parallel)
        found.append(replace(model, config=replace(model.config, train=train)))
    return found


def teacher_of(config: EmbeddingConfig, dataset: Dataset, splits: Splits) -> Teacher | None:
    """Whoever a configuration learns from, ready for its training photos; None for nobody.

    What it says of photos as they are is made now, or read from the user's cache.

    Raises:
      UserError: see `open_teachers`.
    """
    distill, data = config.distill, config.data
    if not distill.teacher or not config.train.steps:
        return None
    teachers = open_teachers(config)
    _say_what_leaks(teachers, dataset, splits)
    validated = None
    if data.unnamed and splits.validation is not None:
        validated = said_of(teachers, dataset.subset(validation_rows(dataset, splits, config)))
    still = config.augment == Augmentation(border=config.augment.border)
    if distill.pixels == "photo" or (distill.pixels == "auto" and still):
        photos = training_set(dataset, splits, symmetries=data.symmetries)
        say(f"{distill.teacher} looks at {len(photos):,} training photos, once")
        kept = said_of(teachers, photos)
        return Teacher(width=kept.shape[1], kept=kept, validated=validated)
    variables, says = _in_step(teachers, config.augment)
    example = {"image": jnp.zeros((1, data.image_size, data.image_size, data.channels), jnp.uint8)}
    shape = jax.eval_shape(says, variables, example, jax.random.key(0), jnp.arange(1))
    return Teacher(width=shape.shape[1], variables=variables, says=says, validated=validated)


def said_of(teachers: Sequence[TrainedModel], photos: Dataset) -> np.ndarray:
    """What teachers make of photos as they are, with their own sizes, views and whitening.

    Returns:
      (N, T) float32; of several side by side, each of unit length over the root of their number, so
      that a cosine is the mean of theirs, and so is a squared distance.
    """
    return np.asarray(_together([each.embed(photos) for each in teachers]))


def _together(embeddings: Sequence[Any]) -> Any:
    if len(embeddings) == 1:
        return embeddings[0]
    units = [normalize(jnp.asarray(each)) for each in embeddings]
    return jnp.concatenate(units, axis=1) / len(units) ** 0.5


def _in_step(teachers: Sequence[TrainedModel], augmentation: Augmentation) -> tuple[Any, Any]:
    """Their variables, and what they say by these of a batch, augmented as the student sees it.

    Without their views, of which one is what is augmented here; at their own size.
    """
    asked = [(each.task, each.config.data.embedded_size) for each in teachers]
    variables = [
        (each.params, each.model_state, each.whitening if each.config.model.whiten else None)
        for each in teachers
    ]

    def says(variables: Any, batch: Any, key: jax.Array, positions: jax.Array) -> jax.Array:
        pixels = augment(example_keys(key, positions), batch["image"], augmentation)
        rows = []
        for (task, side), (params, model_state, white) in zip(asked, variables, strict=True):
            shape = pixels.shape[0], side, side, pixels.shape[3]
            seen = pixels if shape == pixels.shape else jax.image.resize(pixels, shape, "linear")
            embeddings = task.embedded(params, model_state, seen)
            if white is not None:
                embeddings = (embeddings - white[0][None]) @ white[1]
                embeddings = normalize(embeddings) if task.metric == "cosine" else embeddings
            rows.append(embeddings)
        return jnp.asarray(_together(rows))

    return variables, says


def _say_what_leaks(teachers: Sequence[TrainedModel], dataset: Dataset, splits: Splits) -> None:
    """Says how many of the photos that are held out a teacher was trained on."""
    for each in teachers:
        if isinstance(each, PublishedModel) or (known := kept_digests(each.workdir)) is None:
            continue
        judged = np.setdiff1d(np.union1d(*splits.test), splits.train)
        held_out = content_digests(dataset)[judged]
        if leaked := int(np.isin(held_out, known).sum()):
            say(
                f"{each.workdir} was trained on {leaked:,} of {len(held_out):,} photos that this "
                "run is judged by: what it passes on flatters"
            )


def _colours(channels: int) -> str:
    return "colour" if channels == 3 else "grey"
