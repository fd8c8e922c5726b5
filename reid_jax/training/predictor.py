"""Predictions for many examples: blocks of one size, the last one padded, over all devices."""

import collections
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from flax.errors import ScopeCollectionNotFound, ScopeParamNotFoundError, ScopeParamShapeError

from reid_jax.errors import UserError
from reid_jax.ops.batching import blocks, filled
from reid_jax.training.parallel import Layout
from reid_jax.training.task import Batch, Task

Tree = Any
Predict = Callable[[Tree, Tree, Iterable[Batch]], np.ndarray]

_AHEAD = 2  # batches that the device has before the result of one is waited for


def make_predictor(task: Task, layout: Layout, *, batch_size: int = 64) -> Predict:
    """Returns `predict(params, model_state, examples) -> (N, ...)` float32.

    `examples` are dicts of arrays (b, ...), of any number b each; they are cut and padded to one
    static shape, so that there is one compilation.
    """
    batch_size = max(batch_size, layout.size) // layout.size * layout.size

    def predict_block(variables: tuple[Tree, Tree], batch: Batch) -> Any:
        params, model_state = variables
        try:
            return task.predict(params, model_state, batch)
        except (ScopeParamShapeError, ScopeParamNotFoundError, ScopeCollectionNotFound) as error:
            first = str(error).split(" (https")[0]
            raise UserError(
                "What was trained does not fit the network of the configuration; was the run's "
                f"config.json changed, or this program? {first}"
            ) from error

    compiled = layout.compile_map(predict_block)

    def predict(params: Tree, model_state: Tree, examples: Iterable[Batch]) -> np.ndarray:
        variables = layout.everywhere((params, model_state))
        results: list[np.ndarray] = []
        under_way: collections.deque[tuple[Any, int]] = collections.deque()
        for block in examples:
            for rows in blocks(len(next(iter(block.values()))), batch_size):
                batch = {name: filled(array[rows], batch_size) for name, array in block.items()}
                under_way.append((compiled(variables, batch), rows.stop - rows.start))
                if len(under_way) > _AHEAD:
                    results.append(_on_host(*under_way.popleft()))
        return np.concatenate([*results, *(_on_host(*each) for each in under_way)])

    return predict


def _on_host(result: Any, count: int) -> np.ndarray:
    return np.array(result)[:count]  # on a CPU `asarray` would hold on to the padded one
