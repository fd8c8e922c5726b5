"""How far embeddings lie apart, and in how many directions."""

import numpy as np


def spread(embeddings: np.ndarray) -> float:
    """The share of the embeddings' mean squared length that is not common to all of them.

    ``trace(C) / E |z|^2``, where C is the covariance: of unit vectors 1 minus their mean cosine.
    0 where all are one point, 1 where they lie evenly around the origin.

    Args:
      embeddings: ``(N, D)``.

    Example:
      >>> spread(np.array([[1.0, 0.0], [-1.0, 0.0]])), spread(np.ones((4, 2)))
      (1.0, 0.0)
    """
    z = np.asarray(embeddings, np.float64)
    length = float(np.mean(np.sum(z**2, axis=1)))
    return float(np.mean(np.sum((z - z.mean(axis=0)) ** 2, axis=1)) / length) if length else 0.0


def effective_rank(embeddings: np.ndarray) -> float:
    """In how many directions embeddings vary: the exponential of their variances' entropy.

    Roy and Vetterli (2007), "The effective rank: a measure of effective dimensionality", equations
    2 to 4, of the singular values of the centred embeddings squared, so that it is that of the
    covariance. 1 on a line, D where all directions vary alike, 0 where nothing varies.

    Args:
      embeddings: ``(N, D)``.

    Example:
      >>> round(effective_rank(np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])), 3)
      2.0
    """
    z = np.asarray(embeddings, np.float64)
    variances = np.linalg.svd(z - z.mean(axis=0), compute_uv=False) ** 2
    shares = variances[variances > 0] / max(variances.sum(), np.finfo(float).tiny)
    return float(np.exp(-np.sum(shares * np.log(shares)))) if len(shares) else 0.0
