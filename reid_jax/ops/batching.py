"""Any number of rows through a function that is compiled for one number of them."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np


def blocks(number: int, size: int) -> Iterator[slice]:
    """Cuts `number` rows into blocks of `size`, the last one perhaps shorter."""
    for start in range(0, number, size):
        yield slice(start, min(start + size, number))


def filled(rows: Any, size: int) -> np.ndarray:
    """A copy of rows (N, ...) with zeros behind them, (size, ...); `size` is N or more."""
    rows = np.asarray(rows)
    whole = np.zeros((size, *rows.shape[1:]), rows.dtype)
    whole[: len(rows)] = rows
    return whole


def in_blocks(function: Callable[[np.ndarray], Any], rows: np.ndarray, size: int) -> np.ndarray:
    """`function` of rows (N, ...), applied to blocks (size, ...) of which the last is filled up.

    Args:
      function: gives an array with a row for each of a block's, which no other row has a part in.
      rows: at least one.

    Returns:
      (N, ...), of the dtype of the results.
    """
    found = [
        np.asarray(function(filled(rows[block], size)))[: block.stop - block.start]
        for block in blocks(len(rows), size)
    ]
    return np.concatenate(found)


def padded(arrays: Sequence[np.ndarray], axis: int = 0) -> np.ndarray:
    """Arrays of different lengths along one axis, stacked (N, ...), with zeros behind the end."""
    longest = max(array.shape[axis] for array in arrays)
    return np.stack(
        [np.moveaxis(filled(np.moveaxis(array, axis, 0), longest), 0, axis) for array in arrays]
    )
