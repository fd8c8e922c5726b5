"""Time and memory of scoring with a trained keyframe network."""

import numpy as np

from reid_jax.keyframes.inputs import prepare_video
from reid_jax.keyframes.model import TrainedScorer
from reid_jax.keyframes.task import PREPARATION
from reid_jax.reporting.cost import ForwardCost, forward_cost


def scoring_cost(scorer: TrainedScorer, batch: int, frames: int) -> ForwardCost:
    """Of scoring `batch` sequences of `frames` frames at once, compiled beforehand.

    The frames are prepared features, or for a network with a backbone images.
    """
    rng = np.random.default_rng(0)
    inputs: dict[str, np.ndarray] = {"mask": np.ones((batch, frames), bool)}
    if scorer.width is None:
        size = scorer.config.data.image_size
        shape = (batch, frames, size, size, 3)
        inputs["image"] = rng.integers(0, 256, shape, np.uint8)
    else:
        features = rng.random((batch * frames, scorer.width), np.float32)
        prepared = prepare_video(scorer.model_state[PREPARATION], features)
        inputs["features"] = np.asarray(prepared).reshape(batch, frames, -1)
    return forward_cost(scorer.task.predict, scorer.params, scorer.model_state, inputs)
