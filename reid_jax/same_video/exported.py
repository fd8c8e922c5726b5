"""An encoder of clips as one function: frames, or their features, to what clips are compared by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from reid_jax.export.pictures import drawn_films
from reid_jax.export.program import Answers, Program
from reid_jax.same_video.config import VideoSimilarityConfig
from reid_jax.same_video.task import WHITENING, VideoSimilarityTask, whiten

_FRAMES = 40  # of a film of features, on which an engine is checked


def clip_program(
    config: VideoSimilarityConfig,
    task: VideoSimilarityTask,
    variables: tuple[Any, Any],
    describe: Callable[[np.ndarray], np.ndarray] | None,
    facts: Mapping[str, Any],
) -> Program:
    """What is exported of a similarity of videos.

    Args:
      task: in float32.
      variables: parameters, None for what is installed and has no network, and model state.
      describe: the run's own features of images; None for a run on features.
    """
    params, state = variables
    whitening = {name: np.asarray(state[WHITENING][name]) for name in ("mean", "matrix")}

    def embed(frames: jax.Array) -> dict[str, jax.Array]:
        features = frames if describe is None else task.image_features(params, state, frames)
        found = {"frames": whiten(state[WHITENING], features)}
        if params is not None:
            mask = jnp.ones((1, frames.shape[0]), bool)
            found["embedding"] = task.embed(params, state, features[None], mask)
        return found

    embedded = jax.jit(task.embed)

    def answers(frames: np.ndarray) -> Answers:
        features = frames if describe is None else describe(frames)
        found = {"frames": (features - whitening["mean"]) @ whitening["matrix"]}
        if params is not None:
            mask = np.ones((1, len(frames)), bool)
            found["embedding"] = np.asarray(embedded(params, state, features[None], mask))
        return found

    if describe is None:
        mean, rng = whitening["mean"], np.random.default_rng(19)
        scene = np.repeat(rng.normal(size=(5, len(mean))), 8, axis=0)
        rows = (mean + scene + 0.3 * rng.normal(size=(_FRAMES, len(mean)))).astype(np.float32)
    else:
        rows = drawn_films(config.data.image_size)
    head = {} if params is None or task.net.head is None else _head(params["net"]["head"])
    return Program(
        function=embed,
        name="features" if describe is None else "image",
        rows=rows,
        answers=answers,
        apart=False,
        facts={**facts, **_facts(config, task, describe is not None)},
        example="reid_jax.same_video.example",
        # A graph joins each frame to so many others.
        least=getattr(task.net.encoder, "neighbours", 1) if params is not None else 1,
        beside={"head.npz": head} if head else {},
    )


def _head(params: Mapping[str, Any]) -> Answers:
    """What `PairHead` has learnt, as the example computes it."""
    hidden, last = params["Dense_0"], params["Dense_1"]
    found = {"scale": params["scale"], "kernel": hidden["kernel"], "bias": hidden["bias"]}
    found |= {"last_kernel": last["kernel"], "last_bias": last["bias"]}
    return {name: np.asarray(array, np.float32) for name, array in found.items()}


def _facts(config: VideoSimilarityConfig, task: VideoSimilarityTask, sees: bool) -> dict[str, Any]:
    data = config.data
    maker = " ".join(filter(None, (data.backbone, data.pretrained)))
    given: dict[str, Any] = {"meaning": f"features of frames in order, by {maker or 'training'}"}
    if sees:
        given = {
            "mean": list(task.mean),
            "std": list(task.std),
            "meaning": "frames in order, RGB, 0 to 255, squashed to a square by bilinear "
            "interpolation; mean and std are of values from 0 to 1, and inside",
        }
    return {
        "about": "Clips are of one video where the Chamfer similarity of their frames is above the "
        "threshold; embeddings are compared by cosine, of at most `clip` frames.",
        "distance": "cosine",
        "clip": data.clip,
        "input": given,
    }
