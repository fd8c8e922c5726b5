"""How fast an experiment runs here: measured once, before anybody says how many steps there are."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import jax
import numpy as np

from reid_jax.errors import UserError
from reid_jax.training.ahead import hungriest_stage
from reid_jax.training.config import TrainConfig
from reid_jax.training.experiment import Experiment, step_of_stage
from reid_jax.training.loop import initial_state
from reid_jax.training.parallel import Layout
from reid_jax.training.predictor import make_predictor

_SECONDS = 6.0  # that steps are timed for, at least
_FEWEST, _MOST = 3, 20  # steps
_BATCH = 64  # examples that are predicted at a time


@dataclass(frozen=True)
class Rate:
    """Seconds that parts of a run take on its devices.

    Attributes:
      step: a training step.
      example: an example predicted, once, with all views that its task takes of it.
      begin: until the first step: the data read, the step compiled.
      compile: another program that predicts.
    """

    step: float
    example: float
    begin: float
    compile: float


def measure(
    build: Callable[[], Experiment],
    config: TrainConfig,
    layout: Layout,
    example: Mapping[str, np.ndarray],
    *,
    ema: bool,
) -> Rate:
    """Makes a few steps that leave no trace, and predicts a few examples.

    Args:
      build: what makes the experiment; `config` is its, with any number of steps.
      example: what is predicted of one example, arrays (1, ...).

    Raises:
      UserError: several processes, which would have to agree.
    """
    if jax.process_count() > 1:
        raise UserError("train.steps is auto; several processes need a number.")
    started = time.perf_counter()
    experiment = build()
    feed, task = experiment.feed, experiment.task
    state = layout.everywhere(initial_state(experiment, config.seed, ema=ema))
    params, model_state = jax.device_get((state.evaluated_params, state.model_state))
    step = layout.compile(
        feed.make_step(
            step_of_stage(
                experiment,
                hungriest_stage(experiment),
                state.params,
                seed=config.seed,
                ema_decay=0.5 if ema else 0.0,
                layout=layout,
                accumulate=config.accumulate,
                streams=config.streams,
            )
        ),
        batch_axis=feed.batch_axis,
        donate=True,
    )
    shared = layout.everywhere(feed.shared)
    made, begun, first = 0, 0.0, 0.0
    for batch, count in feed.calls(0, config.steps):
        divided = layout.divide(batch, feed.batch_axis, own_rows=feed.own_rows)
        state, metrics = step(state, shared, divided)
        jax.block_until_ready(metrics)
        now = time.perf_counter()
        if not begun:  # the call that waited for the compiler
            begun, first = now, now - started
            continue
        made += count
        if made >= _MOST or (made >= _FEWEST and now - begun >= _SECONDS):
            break
    each = (time.perf_counter() - begun) / made
    del state, shared
    predict = make_predictor(task, layout, batch_size=_BATCH)
    examples = {
        name: np.zeros((_BATCH, *array.shape[1:]), array.dtype) for name, array in example.items()
    }
    times = []
    for _ in range(2):
        start = time.perf_counter()
        predict(params, model_state, [examples])
        times.append(time.perf_counter() - start)
    return Rate(each, times[1] / _BATCH, first, max(times[0] - times[1], 0.0))
