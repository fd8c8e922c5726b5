"""What is tried for a question: networks, heads and losses, as changes of one configuration."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from reid_jax import configurations
from reid_jax.errors import UserError
from reid_jax.fields import with_values
from reid_jax.individuals.config import DataConfig, EmbeddingConfig, ModelConfig
from reid_jax.keyframes.config import AUTO
from reid_jax.models.temporal.registry import temporal_encoder_names
from reid_jax.ops.images.augment import Augmentation
from reid_jax.ops.losses.objectives import (
    Joint,
    MarginSoftmax,
    MultiSimilarity,
    SupervisedContrastive,
    Triplet,
)
from reid_jax.training.config import OptimizerConfig
from reid_jax.weights.sources import PYPI, is_here

MARGINS = (0.1, 0.2, 0.3, 0.5)


@dataclass(frozen=True)
class Candidate:
    """Something to try: `changes` of the field's configuration by dotted names."""

    name: str
    changes: Mapping[str, Any] = field(default_factory=dict)

    def of(self, base: Any) -> Any:
        """The configuration with the changes."""
        return with_values(base, self.changes)


@dataclass(frozen=True, kw_only=True)
class Field:
    """All that is tried for a question.

    Attributes:
      question: "individuals", "keyframes" or "clips".
      base: the configuration that all share.
      candidates: eight or more.
      margins: trainings that differ by a margin alone.
      monitor: what a validation calls the measure that decides who goes on.
      measure: of the finalists on what was held out, and what it is called.
      notes: what must be known to read the numbers.
    """

    question: str
    base: Any
    candidates: tuple[Candidate, ...]
    margins: tuple[Candidate, ...]
    monitor: str
    measure: str
    title: str
    notes: tuple[str, ...]


def field_of(source: str, clips: bool, changes: Mapping[str, Any]) -> Field:
    """What is tried on a source: photos, or an H5 file of videos.

    Args:
      source: of photos, as folder:PATH, or the path of an H5 file.
      clips: of videos whether clips are compared, else frames are scored.
      changes: of the base configuration, by dotted names.

    Raises:
      UserError: clips are asked of photos.
    """
    if source.endswith((".h5", ".hdf5")):
        path = Path(source).absolute().as_posix()
        return _clips(path, changes) if clips else _keyframes(path, changes)
    if clips:
        raise UserError(f"--clips is for videos; {source} is no H5 file of them.")
    return _individuals(source, changes)


def _individuals(source: str, changes: Mapping[str, Any]) -> Field:
    base = EmbeddingConfig(
        data=DataConfig(
            source=source,
            image_size=96,
            batch_size=32,
            photos_per_identity=4,
            validation_fraction=0.2,
            validation_photos=500,
        ),
        augment=Augmentation(crop=0.3, rotation=15.0, brightness=0.2, contrast=0.2, saturation=0.2),
        model=ModelConfig(embedding_dim=128),
        optimizer=OptimizerConfig(
            learning_rate=1e-3, schedule="constant", warmup_steps=5, ema_decay=0.95
        ),
    )
    lite0, v2 = ("tf_efficientnet_lite0", "mobilenet_v2")
    here = [name for name in (lite0, v2) if is_here(PYPI[name])]
    network = {name: {"model.backbone": name, "model.pretrained": "pypi"} for name in here}
    first = network.get(lite0, {"model.backbone": "mobilenet_v3_small"})
    losses = {
        "hard triplets": Triplet(margin=0.3, mining="hard"),
        "all triplets": Triplet(margin=0.3, mining="all"),
        "ArcFace": MarginSoftmax(margin=0.3, scale=30.0),
        "triplets and softmax, BNNeck": Joint(),
        "multi-similarity": MultiSimilarity(),
    }
    neck = {"triplets and softmax, BNNeck": {"model.bnneck": True}}
    name = "EfficientNet-Lite0" if network else "MobileNetV3-small"
    candidates = [
        Candidate(f"{name}, {loss}", {**first, "loss": each, **neck.get(loss, {})})
        for loss, each in losses.items()
    ]
    triplets = {"loss": losses["hard triplets"]}
    others = {
        "MobileNetV2": network.get(v2, {"model.backbone": v2}),
        "MobileNetV3-small, drawn weights": {"model.backbone": "mobilenet_v3_small"},
        "ResNet-18, drawn weights": {"model.backbone": "resnet18"},
        "small network, drawn weights": {"model.backbone": "small_cnn"},
    }
    candidates += [
        Candidate(f"{name}, hard triplets", {**each, **triplets})
        for name, each in others.items()
        if each != first
    ]
    margins = tuple(
        Candidate(f"margin {margin:g}", {**first, "loss": Triplet(margin=margin, mining="hard")})
        for margin in MARGINS
    )
    return Field(
        question="individuals",
        base=with_values(base, changes),
        candidates=tuple(candidates),
        margins=margins,
        monitor="mAP",
        measure="rank1",
        title="Rank-1",
        notes=(
            "Networks with published weights start from ImageNet, those with drawn weights from "
            "nothing; in so short a training that is most of the difference.",
        ),
    )


def _keyframes(path: str, changes: Mapping[str, Any]) -> Field:
    base = configurations.get("tvsum")
    base = replace(
        base,
        data=replace(base.data, path=path, validation_fraction=0.25),
        optimizer=replace(base.optimizer, schedule="constant", warmup_steps=5),
    )
    shapes = {
        "scorer of Model 1 and 2, 512 x 3": (512, 3, 8, 16, 256, 8, 128),
        "scorer 256 x 2": (256, 2, 8, 16, 128, 8, 64),
        "scorer 128 x 1": (128, 1, 4, 16, 128, 8, 64),
        "scorer 64 x 1": (64, 1, 4, 8, 64, 8, 32),
    }
    names = ("width", "depth", "heads", "head_dim", "mlp", "dual_head_dim", "hidden")
    candidates = []
    for shape, values in shapes.items():
        size = {f"model.{name}": value for name, value in zip(names, values, strict=True)}
        plain = {**size, "model.ridge": 0.0, "optimizer.learning_rate": 5e-4}
        candidates += [
            Candidate(f"{shape}, linear start", {**size, "model.ridge": AUTO}),
            Candidate(shape, plain),
        ]
    return Field(
        question="keyframes",
        base=with_values(base, changes),
        candidates=tuple(candidates),
        margins=(),
        monitor="spearman",
        measure="kendall_users",
        title="Kendall, annotators",
        notes=(
            "Models 1 and 2 share their scorer and differ in the backbone that makes features "
            "(ResNet-50, EfficientNet-B0); on the features of a file they are the first shape.",
        ),
    )


def _clips(path: str, changes: Mapping[str, Any]) -> Field:
    base = configurations.get("video_similarity")
    base = replace(
        base,
        data=replace(base.data, path=path),
        optimizer=replace(base.optimizer, schedule="constant", warmup_steps=5),
    )
    candidates = [
        Candidate(f"{name}, Siamese", {"model.kind": "siamese", "model.encoder": name})
        for name in temporal_encoder_names()
    ]
    candidates += [
        Candidate(f"{name}, triplet", {"model.kind": "triplet", "model.encoder": name})
        for name in ("mean", "attention")
    ]
    candidates.append(Candidate("attention pooling, Siamese", {"model.kind": "attention_siamese"}))
    triplets = {"model.kind": "triplet", "model.encoder": "mean"}
    margins = [
        Candidate(f"margin {margin:g}", {**triplets, "loss": Triplet(margin=margin)})
        for margin in MARGINS
    ]
    assert isinstance(base.loss, SupervisedContrastive)
    return Field(
        question="clips",
        base=with_values(base, changes),
        candidates=tuple(candidates),
        margins=tuple(margins),
        monitor="roc_auc",
        measure="roc_auc",
        title="ROC-AUC",
        notes=(
            "Every network sees features of a file that are whitened first, which is most of what "
            "they all have.",
        ),
    )
