"""A name for what turns a photo into an embedding: embeddings with another one never mix."""

import dataclasses
import hashlib
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from reid_jax.individuals.config import ModelConfig
from reid_jax.ops.images.augment import Augmentation

# What every fingerprint has named from the first one on. Fields that came later are named when they
# are set, so that galleries and whitenings which exist stay those of their network.
_MODEL = (
    *("backbone", "embedding_dim", "pooling", "normalize", "bnneck", "pretrained", "views"),
    *("whiten", "dtype", "drop_path"),
)
_VIEWS = (
    *("crop", "crop_ratio", "flip", "rotation", "shear", "scale", "translation", "elastic"),
    *("border", "underwater", "underwater_metres", "brightness", "contrast", "saturation", "hue"),
    *("blur", "blur_sigma", "erasing"),
)


def fingerprint(
    model: ModelConfig,
    augment: Augmentation,
    shape: tuple[int, int, int],
    mean: tuple[float, ...],
    std: tuple[float, ...],
    variables: Any,
) -> str:
    """16 hexadecimal digits of a SHA-256 over the network's numbers and how its input is prepared.

    How it was trained (where it started from, what was dropped or computed again) does not count.

    Args:
      augment: counts where the model averages over views.
      shape: of a photo, (H, W, C).
      mean, std: its normalisation.
      variables: pytree of arrays.
    """
    used = dataclasses.replace(model, pretrained="", drop_path=0.0, remat=False)
    views = said(augment, _VIEWS) if model.views else None
    prepared = f"({shape}, {mean}, {std}, {said(used, _MODEL)}, {views})"
    digest = hashlib.sha256(prepared.encode())
    for path, leaf in jax.tree_util.tree_leaves_with_path(variables):
        digest.update(jax.tree_util.keystr(path).encode())
        digest.update(np.ascontiguousarray(leaf).tobytes())
    return digest.hexdigest()[:16]


def said(config: Any, always: Sequence[str]) -> str:
    """A dataclass in words: these fields, and of the others those that are not at their default."""
    named = [
        f"{field.name}={getattr(config, field.name)!r}"
        for field in dataclasses.fields(config)
        if field.name in always or getattr(config, field.name) != field.default
    ]
    return f"{type(config).__name__}({', '.join(named)})"
