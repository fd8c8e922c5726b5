"""A training step before there is anything to train on: its function, and shapes that it takes."""

from collections.abc import Callable
from typing import Any

import jax

from reid_jax.training.experiment import Experiment, step_of_stage
from reid_jax.training.loop import initial_state
from reid_jax.training.parallel import Layout
from reid_jax.training.stages import Stage, frozen_blocks


def step_ahead(
    experiment: Experiment, config: Any, layout: Layout
) -> tuple[Any, Callable[[int], tuple[Any, Any, Any]]]:
    """The step as the layout compiles it, and a function batch size -> shapes of its arguments.

    Where training goes in stages, that of the stage that needs most.
    """
    feed, train = experiment.feed, config.train
    decay = config.optimizer.ema_decay
    state = jax.eval_shape(
        lambda: initial_state(experiment, train.seed, ema=decay > 0, streams=train.streams)
    )
    step = step_of_stage(
        experiment,
        hungriest_stage(experiment),
        state.params,
        seed=train.seed,
        ema_decay=decay,
        layout=layout,
        accumulate=train.accumulate,
        streams=train.streams,
    )
    compiled = layout.compile(feed.make_step(step), batch_axis=feed.batch_axis, donate=True)
    batch, _ = next(iter(feed.calls(0, train.steps)))

    def arguments(size: int) -> tuple[Any, Any, Any]:
        def resized(leaf: Any) -> jax.ShapeDtypeStruct:
            shape = list(leaf.shape)
            shape[feed.batch_axis] = size
            return layout.divided_shape(shape, leaf.dtype, feed.batch_axis)

        return layout.shapes(state), layout.shapes(feed.shared), jax.tree.map(resized, batch)

    return compiled, arguments


def hungriest_stage(experiment: Experiment) -> Stage:
    """The stage whose step needs most memory: that with the fewest frozen blocks.

    Of what trains, activations are kept for the backward pass; a run must not end at a later stage.
    """
    stages = experiment.stages or (Stage(),)
    return min(stages, key=lambda stage: len(frozen_blocks(stage, experiment.blocks)))
