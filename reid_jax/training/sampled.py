"""Steps of a loss that looks at a sample of the classes: only their centres are touched.

The rows drawn are taken out of the parameters, the optimiser's moments and the moving average, the
step is that of a small head, and they are put back. A class that is not drawn keeps all of that as
it is: no momentum, no weight decay and no average moves it, as in Partial FC's own code (An et al.
2021). So a step reads and writes the sample, not the head.

Where a mesh divides the centres, each device looks at all of its share instead, with the same
outcome: taking the moments out would send them to all devices.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp

from reid_jax.ops.losses.term import Objective
from reid_jax.training.parallel import divides_centers, is_centers
from reid_jax.training.state import TrainState
from reid_jax.training.task import Batch, Task, Tree

Step = Callable[..., tuple[TrainState, Any]]


@runtime_checkable
class ClassifyingTask(Task, Protocol):
    """A dataclass of a network and an objective, which may have class centres."""

    objective: Objective
    num_classes: int


def on_drawn_classes(make_step: Callable[[Any], Step], task: Task) -> Step:
    """`make_step(task)`, or where the task's objective draws classes, that of the drawn ones.

    A step is `step(state, batch, *, axis_name=None) -> (state, metrics)`, the batch with "label"
    and "mask".
    """
    sampling = task.objective.sampling if isinstance(task, ClassifyingTask) else None
    if sampling is None:
        return make_step(task)
    whole: Any = task
    step, everywhere = make_step(replace(whole, objective=sampling.objective)), make_step(task)

    def sampled_step(
        state: TrainState, batch: Batch, *, axis_name: str | None = None
    ) -> tuple[TrainState, Any]:
        label, mask = batch["label"], batch["mask"]
        classes, places = sampling.draw(whole.num_classes, label, mask, axis_name)
        if divides_centers(whole.num_classes):
            now, metrics = everywhere(state, batch, axis_name=axis_name)
            is_drawn = jnp.zeros(whole.num_classes, bool).at[classes].set(True, **_IN_ORDER)

            def choose(before: jax.Array, after: jax.Array) -> jax.Array:
                return jnp.where(is_drawn.reshape(-1, *(1,) * (after.ndim - 1)), after, before)

            return _map_centers(choose, state, now, default=_second), metrics
        drawn = _map_centers(lambda leaf: leaf.at[classes].get(**_IN_ORDER), state)
        drawn, metrics = step(drawn, {**batch, "label": places}, axis_name=axis_name)

        def put(leaf: jax.Array, rows: jax.Array) -> jax.Array:
            return leaf.at[classes].set(rows, **_IN_ORDER)

        return _map_centers(put, state, drawn, default=_second), metrics

    return sampled_step


_IN_ORDER: Any = {
    "mode": "promise_in_bounds",
    "unique_indices": True,
    "indices_are_sorted": True,
}


def _second(before: Tree, after: Tree) -> Tree:
    del before
    return after


def _map_centers(
    function: Callable[..., Any], *trees: Tree, default: Callable[..., Any] = lambda leaf: leaf
) -> Any:
    return jax.tree_util.tree_map_with_path(
        lambda path, *leaves: (function if is_centers(path) else default)(*leaves), *trees
    )
