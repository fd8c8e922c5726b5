"""Predictions for many examples: blocks of one size, the last one padded, over all devices."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from reid_jax.tasks.base import Task
from reid_jax.training.parallel import Layout

Tree = Any
Predict = Callable[[Tree, Tree, Iterable[np.ndarray]], np.ndarray]


def make_predictor(task: Task, layout: Layout, *, batch_size: int = 64) -> Predict:
    """Returns `predict(params, model_state, blocks) -> (N, ...)` float32.

    `blocks` are arrays uint8 (b, H, W, C) of any lengths; they are cut and padded to one static
    shape, so that there is one compilation.
    """
    batch_size = max(batch_size, layout.size) // layout.size * layout.size

    def predict_block(variables: tuple[Tree, Tree], image: Any) -> Any:
        params, model_state = variables
        return task.predict(params, model_state, {"image": image})

    compiled = layout.compile_map(predict_block)

    def predict(params: Tree, model_state: Tree, blocks: Iterable[np.ndarray]) -> np.ndarray:
        variables = layout.everywhere((params, model_state))
        pending = []  # results stay on the device until the next block is on its way
        for block in blocks:
            for rows in _rows(block, batch_size):
                padded = np.zeros((batch_size, *rows.shape[1:]), rows.dtype)
                padded[: len(rows)] = rows
                pending.append((compiled(variables, padded), len(rows)))
        return np.concatenate([np.asarray(result)[:count] for result, count in pending])

    return predict


def _rows(block: np.ndarray, size: int) -> Iterator[np.ndarray]:
    for start in range(0, len(block), size):
        yield block[start : start + size]
