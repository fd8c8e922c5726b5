"""A network of photos as one function: pixels to what is compared, all in between inside."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from reid_jax.export.pictures import drawn_photos
from reid_jax.export.program import Program
from reid_jax.individuals.config import EmbeddingConfig
from reid_jax.individuals.task import EmbeddingTask
from reid_jax.ops.distances import normalize
from reid_jax.weights.published import published_of

Whitening = tuple[np.ndarray, np.ndarray]


def photo_program(
    config: EmbeddingConfig,
    task: EmbeddingTask,
    variables: tuple[Any, Any],
    whitening: Whitening | None,
    photos: np.ndarray,
    answers: Callable[[np.ndarray], np.ndarray],
    facts: Mapping[str, Any],
    fingerprint: str,
) -> Program:
    """What is exported of a network that embeds photos.

    Args:
      task: in float32.
      whitening: mean (D,) and matrix (D, D).
      photos: uint8 (8, H, W, C).
      answers: what the run makes of photos, (N, D).
    """

    def embed(images: jax.Array) -> dict[str, jax.Array]:
        embeddings = task.predict(*variables, {"image": images})
        if whitening is not None:
            mean, matrix = (jnp.asarray(each, jnp.float32) for each in whitening)
            highest = jax.lax.Precision.HIGHEST
            embeddings = jnp.matmul(embeddings - mean[None], matrix, precision=highest)
            embeddings = normalize(embeddings) if task.metric == "cosine" else embeddings
        return {"embedding": embeddings}

    return Program(
        function=embed,
        name="image",
        rows=photos,
        answers=lambda rows: {"embedding": answers(rows)},
        apart=True,
        facts={**facts, **_facts(config, task)},
        example="reid_jax.individuals.example",
        fingerprint=fingerprint,
    )


def example_photos(size: int, channels: int, resize: Callable[..., np.ndarray]) -> np.ndarray:
    """Drawn photos of many sizes, grey ones too, as the network sees them: uint8 (8, H, W, C)."""
    return np.stack([resize(photo, size, channels) for photo in drawn_photos()])


def _facts(config: EmbeddingConfig, task: EmbeddingTask) -> dict[str, Any]:
    channels = config.data.channels
    published = published_of(config.model.pretrained)
    licence = "that of whoever trained it"
    if config.model.pretrained:
        licence = f"that of the weights it began with, {config.model.pretrained}"
    if published is not None:
        licence = published.licence
    return {
        "about": "Embeds photos of individuals: the more alike two vectors, the likelier one.",
        "distance": "cosine" if task.metric == "cosine" else "euclidean",
        "backbone": config.model.backbone,
        "views": config.model.views,
        "whitened": bool(config.model.whiten),
        "licence": licence,
        "input": {
            "mean": list(task.mean),
            "std": list(task.std),
            "meaning": f"{'grey' if channels == 1 else 'RGB'}, 0 to 255, squashed to a square by "
            "bilinear interpolation; mean and std are of values from 0 to 1, and inside",
        },
        "thresholds": {"unknown": None},
    }
