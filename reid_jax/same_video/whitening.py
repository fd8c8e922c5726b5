"""A linear map of frame features under which clips of one video lie close, in closed form."""

from collections.abc import Sequence
from importlib.resources import files

import numpy as np

from reid_jax.ops.whitening import inverse_root

FILE = "installed.npz"
_SHRINKAGE = 0.3


def installed_whitening() -> dict[str, np.ndarray]:
    """Mean (D,) and matrix (D, K), float32, that come with the package.

    `python -m scripts.installed` has fitted them to 40 of TVSum's videos (CC-BY 3.0).
    """
    with files("reid_jax.same_video").joinpath(FILE).open("rb") as file, np.load(file) as kept:
        return {name: kept[name].astype(np.float32) for name in kept.files}


def fit_whitening(videos: Sequence[np.ndarray], components: int) -> dict[str, np.ndarray]:
    """Linear discriminants of training videos (Fukunaga 1990, ch. 10; for retrieval Mikolajczyk and
    Matas, ICCV 2007, "learned whitening").

    What varies within videos is made equally strong in all directions, after its covariance was
    shrunk by 0.3 towards a sphere (Ledoit and Wolf 2004), since a video has fewer frames than
    features; then the directions in which all frames vary most are kept.

    Args:
      videos: features (P, D) of each.
      components: how many directions are kept, at most D.

    Returns:
      "mean" (D,) and "matrix" (D, components), float32: (x - mean) @ matrix.
    """
    frames = np.concatenate(list(videos)).astype(np.float64)
    mean = frames.mean(axis=0)
    residuals = np.concatenate([v.astype(np.float64) - v.mean(axis=0) for v in videos])
    within = residuals.T @ residuals / len(residuals)
    directions, scales = inverse_root(within, _SHRINKAGE, 1 - _SHRINKAGE)
    whiten = directions * scales
    whitened = (frames - mean) @ whiten
    _, kept = np.linalg.eigh(whitened.T @ whitened / len(whitened))
    kept = kept[:, ::-1][:, :components]
    # An eigenvector's sign is arbitrary; a fixed one makes runs on two machines alike.
    kept = kept * np.sign(kept[np.abs(kept).argmax(axis=0), np.arange(kept.shape[1])])
    return {"mean": mean.astype(np.float32), "matrix": (whiten @ kept).astype(np.float32)}
