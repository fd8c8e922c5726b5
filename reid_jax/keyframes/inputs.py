"""How features of videos become a scorer's inputs: standardised, reduced, with their context."""

import functools
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from reid_jax.keyframes.context import COLUMNS
from reid_jax.keyframes.task import prepare, raised
from reid_jax.ops.batching import filled

Preparation = dict[str, np.ndarray]
_ROUND = 256  # videos are padded to multiples of this, so that few lengths are compiled
_CONSTANT = 1e-6  # a feature that varies less is not scaled up


def fit_preparation(
    features: Sequence[np.ndarray],
    *,
    components: int,
    context: float,
    power: float = 1.0,
    widths: Sequence[int] = (),
) -> Preparation:
    """What `reid_jax.keyframes.task.prepare` needs, from training videos (T, D).

    Each feature is standardised over all frames, one that is constant only centred; then frames are
    projected to their first principal components, which keep their variances up to a common factor:
    that which would make the mean variance 1, were all the variance in the components that are
    kept. Of fused features each file has the same variance in all, whatever its width, so that the
    wide ones do not decide alone (as in multiple factor analysis, Escofier and Pages 1994).

    Args:
      components: how many, 0 for all.
      context: scale of the descriptors.
      power: see `raised`.
      widths: of the files that are fused, where there are several.

    Returns:
      mean, scale (D,); basis (D, K); context (); deviation (K + 11,): the standard deviation of
      each input; and power (), where it is not 1. Float32.
    """
    frames = np.concatenate(list(features)).astype(np.float64)
    if power != 1:
        frames = np.asarray(raised(frames.astype(np.float32), power), np.float64)
    width = frames.shape[1]
    mean, spread = frames.mean(axis=0), frames.std(axis=0)
    scale = np.where(spread < _CONSTANT, 1.0, spread)
    for own, place in zip(widths, np.cumsum(widths), strict=True):
        scale[place - own : place] *= (own * len(widths) / width) ** 0.5
    scaled = (frames - mean) / scale
    variances, directions = np.linalg.eigh(scaled.T @ scaled / len(scaled))
    kept = min(components or width, width)
    basis = directions[:, ::-1][:, :kept]
    # An eigenvector's sign is arbitrary; a fixed one makes runs on two machines alike.
    basis = basis * np.sign(basis[np.abs(basis).argmax(axis=0), np.arange(kept)])
    factor = (kept / width) ** 0.5
    deviation = factor * np.sqrt(np.maximum(variances[::-1][:kept], 0.0))
    values = {
        "mean": mean,
        "scale": scale,
        "basis": basis * factor,
        "context": np.asarray(context),
        "deviation": np.concatenate([deviation, np.full(COLUMNS, context)]),
    }
    if power != 1:
        values["power"] = np.asarray(power)
    return {name: value.astype(np.float32) for name, value in values.items()}


def prepare_video(preparation: Any, features: np.ndarray) -> np.ndarray:
    """The scorer's inputs (T, K + 11) float32 for a whole video (T, D)."""
    return np.asarray(_compiled()(preparation, *as_batch(features)))[0, : len(features)]


def as_batch(frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A video (T, D) as a batch (1, T', D) float32 of one of few lengths, and its mask (1, T')."""
    length = len(frames)
    whole = filled(np.asarray(frames, np.float32), -(-length // _ROUND) * _ROUND)
    return whole[None], (np.arange(len(whole)) < length)[None]


@functools.cache
def _compiled() -> Any:
    return jax.jit(prepare)
