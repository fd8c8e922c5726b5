"""A scorer as one function: the frames of a film, or their features, to how much each matters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from reid_jax.export.pictures import drawn_films
from reid_jax.export.program import Program
from reid_jax.keyframes.config import KeyframeConfig
from reid_jax.keyframes.task import PREPARATION, KeyframeTask, prepare

Scores = Callable[[jax.Array, jax.Array], jax.Array]
"""Prepared features (1, T, D) and mask (1, T) to scores (1, T)."""

_FRAMES = 40  # of a film of features, on which an engine is checked


def frame_program(
    config: KeyframeConfig,
    task: KeyframeTask,
    variables: tuple[Any, Any],
    scores: Scores,
    answers: Callable[[np.ndarray], np.ndarray],
    facts: Mapping[str, Any],
) -> Program:
    """What is exported of a scorer.

    Args:
      task: in float32.
      scores: of its network.
      answers: what the run says of a film, (T,).
    """
    params, state = variables
    sees = bool(config.model.backbone)

    def score(frames: jax.Array) -> dict[str, jax.Array]:
        mask = jnp.ones((1, frames.shape[0]), bool)
        features = (task.image_features(params, state, frames) if sees else frames)[None]
        if PREPARATION in state:
            features = prepare(state[PREPARATION], features, mask)
        return {"score": scores(features, mask)[0]}

    if sees:
        rows = drawn_films(config.data.image_size)
    else:
        rows = walk_of_features(state[PREPARATION], _FRAMES)
    return Program(
        function=score,
        name="image" if sees else "features",
        rows=rows,
        answers=lambda frames: {"score": answers(frames)},
        apart=False,
        facts={**facts, **_facts(config, task)},
        example="reid_jax.keyframes.example",
    )


def walk_of_features(preparation: Mapping[str, Any], length: int) -> np.ndarray:
    """Features (T, D) float32 of a film that there is not, as large as those of the training."""
    rng = np.random.default_rng(19)
    mean = np.asarray(preparation["mean"], np.float32)
    scale = np.asarray(preparation.get("scale", np.ones_like(mean)), np.float32)
    scene = np.repeat(rng.normal(size=(-(-length // 8), len(mean))), 8, axis=0)[:length]
    return (mean + scale * (scene + 0.3 * rng.normal(size=scene.shape))).astype(np.float32)


def _facts(config: KeyframeConfig, task: KeyframeTask) -> dict[str, Any]:
    data, model = config.data, config.model
    if model.backbone:
        given = {
            "mean": list(task.mean),
            "std": list(task.std),
            "meaning": "frames in order, RGB, 0 to 255, squashed to a square by bilinear "
            "interpolation; mean and std are of values from 0 to 1, and inside",
        }
    else:
        maker = " ".join(filter(None, (data.features_backbone, data.features_weights)))
        given = {"meaning": f"features of frames in order, by {maker or 'what training had'}"}
    return {
        "about": "Scores the frames of a film: the more a frame matters, the nearer to 1.",
        "frames_a_second": data.features_rate,
        "input": given,
    }
