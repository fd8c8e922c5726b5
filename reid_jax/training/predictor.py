"""Predictions for many examples: blocks of one size, the last one padded, over all devices."""

import collections
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from flax.errors import ScopeCollectionNotFound, ScopeParamNotFoundError, ScopeParamShapeError

from reid_jax.errors import UserError
from reid_jax.training.parallel import Layout
from reid_jax.training.question import Batch, Task

Tree = Any
Predict = Callable[[Tree, Tree, Iterable[Batch]], np.ndarray]

_AHEAD = 2  # batches that the device has before the result of one is waited for


def make_predictor(task: Task, layout: Layout, *, batch_size: int = 64) -> Predict:
    """Returns `predict(params, model_state, blocks) -> (N, ...)` float32.

    `blocks` are dicts of arrays (b, ...), of any number of examples b each; they are cut and padded
    to one static shape, so that there is one compilation.
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

    def predict(params: Tree, model_state: Tree, blocks: Iterable[Batch]) -> np.ndarray:
        variables = layout.everywhere((params, model_state))
        results: list[np.ndarray] = []
        under_way: collections.deque[tuple[Any, int]] = collections.deque()
        for block in blocks:
            for rows, count in _batches(block, batch_size):
                under_way.append((compiled(variables, rows), count))
                if len(under_way) > _AHEAD:
                    results.append(_on_host(*under_way.popleft()))
        return np.concatenate([*results, *(_on_host(*each) for each in under_way)])

    return predict


def _on_host(result: Any, count: int) -> np.ndarray:
    return np.array(result)[:count]  # on a CPU `asarray` would hold on to the padded one


def _batches(block: Batch, size: int) -> Iterator[tuple[Batch, int]]:
    """Batches of `size` examples, the last one filled up with zeros, and how many are real."""

    def filled(rows: np.ndarray) -> np.ndarray:
        padded = np.zeros((size, *rows.shape[1:]), rows.dtype)
        padded[: len(rows)] = rows
        return padded

    length = len(next(iter(block.values())))
    for start in range(0, length, size):
        stop = min(start + size, length)
        yield {name: filled(rows[start:stop]) for name, rows in block.items()}, stop - start
