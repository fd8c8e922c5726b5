"""Time and memory of scoring with a trained keyframe network."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import jax
import numpy as np

from reid_jax.keyframes.inputs import prepare_video
from reid_jax.keyframes.model import TrainedScorer
from reid_jax.keyframes.task import PREPARATION
from reid_jax.ops.convolution.compilation import compiler_options

_CALLS, _SECONDS = 20, 3.0


@dataclass(frozen=True)
class ForwardCost:
    """What one call takes.

    Attributes:
      seconds: the least of several calls, as other work only slows down.
      memory: bytes of parameters, inputs, results and what is needed meanwhile, as the compiler
        lays them out; None where it does not say.
    """

    seconds: float
    memory: int | None

    @staticmethod
    def one_after_the_other(costs: Sequence["ForwardCost"]) -> "ForwardCost":
        """Of several networks: times add up, memory is that of the largest."""
        memory = [cost.memory for cost in costs if cost.memory is not None]
        return ForwardCost(
            sum(cost.seconds for cost in costs), max(memory) if len(memory) == len(costs) else None
        )


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
    arguments = jax.device_put((scorer.params, scorer.model_state, inputs))
    predict = jax.jit(scorer.task.predict, compiler_options=compiler_options())
    compiled = predict.lower(*arguments).compile()
    jax.block_until_ready(compiled(*arguments))
    seconds: list[float] = []
    while len(seconds) < 3 or (len(seconds) < _CALLS and sum(seconds) < _SECONDS):
        start = time.perf_counter()
        jax.block_until_ready(compiled(*arguments))
        seconds.append(time.perf_counter() - start)
    analysis = compiled.memory_analysis()
    memory = None
    if analysis is not None:
        memory = analysis.argument_size_in_bytes + analysis.output_size_in_bytes
        memory += analysis.temp_size_in_bytes - analysis.alias_size_in_bytes
    return ForwardCost(min(seconds), memory)
