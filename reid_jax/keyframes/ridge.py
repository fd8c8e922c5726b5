"""The linear function that a scorer starts as: ridge regression of how people order the frames."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from reid_jax.data.videos.features import VideoFeatures
from reid_jax.keyframes.targets import importance, mean_ranks


class LinearStart(NamedTuple):
    """logit = inputs @ weights + bias, the sigmoid of which is near the importance. Float32."""

    weights: np.ndarray
    bias: np.ndarray


def linear_start(
    inputs: Sequence[np.ndarray], videos: Sequence[VideoFeatures], penalty: float
) -> LinearStart:
    """Fits the linear path of a scorer in closed form.

    Minimises the mean over videos of mean_t (y - w x)^2, plus penalty |w|^2 (Hoerl and Kennard,
    "Ridge regression", Technometrics 12, 1970). y is the annotators' mean rank of a frame, with
    mean 0 and variance 1 a video: only what distinguishes a video's frames is to be learned, and
    long videos and generous annotators weigh no more than others. A second regression, of one
    number, then scales w x so that the sigmoid of the logit fits the importance.

    Args:
      inputs: (T, K), one array a video.
      penalty: above 0.
    """
    gram, products = normal_equations(inputs, videos)
    weights = np.linalg.solve(gram + penalty * np.eye(len(gram)), products)

    truth = np.concatenate([importance(video) for video in videos]).astype(np.float64)
    level = float(np.clip(truth.mean(), 0.01, 0.99))
    said = np.concatenate([rows @ weights for rows in inputs])
    said, truth = said - said.mean(), truth - truth.mean()
    slope = float(said @ truth) / max(float(said @ said), 1e-12)
    slope /= level * (1 - level)  # the sigmoid's at that level
    if slope <= 0:  # the importance contradicts the annotators' order
        slope = 1.0
    offset = np.log(level / (1 - level)) - slope * np.mean(np.concatenate(list(inputs)) @ weights)
    return LinearStart((slope * weights).astype(np.float32), np.asarray(offset, np.float32))


def normal_equations(
    inputs: Sequence[np.ndarray], videos: Sequence[VideoFeatures]
) -> tuple[np.ndarray, np.ndarray]:
    """Means over videos of x x^T (K, K) and x y (K,), with `linear_start`'s x and y; float64."""
    width = inputs[0].shape[1]
    gram, products = np.zeros((width, width)), np.zeros(width)
    for rows, video in zip(inputs, videos, strict=True):
        x, y = rows.astype(np.float64), mean_ranks(video)
        y = (y - y.mean()) / max(float(y.std()), 1e-12)
        gram += x.T @ x / len(x) / len(inputs)
        products += x.T @ y / len(x) / len(inputs)
    return gram, products
