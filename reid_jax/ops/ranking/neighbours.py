"""How far two embeddings of the same photos agree on who is near whom."""

import chex
import numpy as np

NEIGHBOURS = 10
_ROWS = 1024  # photos that are compared with all others at a time


def neighbour_agreement(
    first: np.ndarray, second: np.ndarray, *, neighbours: int = NEIGHBOURS
) -> dict[str, float]:
    """Compares the neighbours of each photo, and the cosines of all pairs.

    Args:
      first, second: (N, D) and (N, E) float, at least three photos; they are compared by cosine.
      neighbours: how many of a photo's nearest are looked at, or all others where there are fewer.

    Returns:
      neighbours: the share of a photo's nearest in one that are among its nearest in the other,
        mean over photos.
      nearest: the share of photos whose single nearest photo is the same.
      cosines: Pearson's correlation of the cosines of all pairs of different photos; 0 where those
        of one are all alike.

    Raises:
      AssertionError: on wrong ranks, lengths that differ, or fewer than three photos.

    Example:
      >>> z = np.random.default_rng(0).normal(size=(8, 3))
      >>> rj.metrics.neighbour_agreement(z, 2 * z, neighbours=3)["neighbours"]
      1.0
    """
    chex.assert_rank([first, second], 2)
    chex.assert_equal_shape_prefix([first, second], 1)
    number = len(first)
    assert number > 2, f"{number} photos have no neighbours to compare."
    units = [_unit(each) for each in (first, second)]
    most = min(neighbours, number - 1)
    shared = same = 0
    sums = np.zeros(5)  # of x, y, xx, yy, xy
    for start in range(0, number, _ROWS):
        rows = np.arange(start, min(start + _ROWS, number))
        cosines = [unit[rows] @ unit.T for unit in units]
        own = np.ones((len(rows), number), bool)
        own[np.arange(len(rows)), rows] = False
        x, y = (each[own].astype(np.float64) for each in cosines)
        sums += [x.sum(), y.sum(), x @ x, y @ y, x @ y]
        for each in cosines:
            each[~own] = -np.inf
        order = [np.argsort(-each, axis=1, kind="stable")[:, :most] for each in cosines]
        near = np.zeros((2, *own.shape), bool)
        for each, found in zip(near, order, strict=True):
            np.put_along_axis(each, found, True, axis=1)
        shared += np.sum(near[0] & near[1])
        same += np.sum(order[0][:, 0] == order[1][:, 0])
    pairs = number * (number - 1)
    mean_x, mean_y, xx, yy, xy = sums / pairs
    spread = max(xx - mean_x**2, 0.0) * max(yy - mean_y**2, 0.0)
    together = xy - mean_x * mean_y
    return {
        "neighbours": float(shared / (number * most)),
        "nearest": float(same / number),
        "cosines": float(together / spread**0.5) if spread > 1e-18 else 0.0,
    }


def _unit(embeddings: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(embeddings, axis=1, keepdims=True)
    return np.asarray(embeddings / np.where(length > 0, length, 1.0), np.float32)
