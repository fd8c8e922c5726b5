"""Embeddings in a space where photos of one individual vary alike in every direction."""

import numpy as np

from reid_jax.errors import UserError
from reid_jax.ops.distances import normalize


def within_class_whitening(
    embeddings: np.ndarray, labels: np.ndarray, floor: float
) -> tuple[np.ndarray, np.ndarray]:
    """The mean (D,) and the matrix (D, D), float32, by which `(x - mean) @ matrix` is whitened.

    Within-class covariance normalisation (Hatch, Kajarekar and Stolcke 2006, "Within-class
    covariance normalization for SVM-based speaker recognition", equation 12): the matrix is the
    inverse square root of W + floor * tr(W) / D, where W (D, D) is the covariance of embeddings
    around the mean of their individual. Directions in which one individual's photos differ count
    less afterwards. The matrix is the symmetric root, so that embeddings turn as little as can be.

    Args:
      embeddings: ``(N, D)`` float32.
      labels: ``(N,)`` int; individuals of a single photo say nothing and are left out.
      floor: what is added to each variance, as a multiple of the mean one; above 0.

    Raises:
      UserError: no individual has two photos, or floor is not above 0.

    Example:
      >>> z = np.random.default_rng(0).normal(size=(8, 3)).astype(np.float32)
      >>> found = rj.metrics.within_class_whitening(z, np.repeat(np.arange(4), 2), floor=0.5)
      >>> rj.metrics.whitened(z, *found, "cosine").shape
      (8, 3)
    """
    if not floor > 0:
        raise UserError(f"The floor of a whitening is {floor}; it must be above 0.")
    _, individual, counts = np.unique(labels, return_inverse=True, return_counts=True)
    if counts.max(initial=0) < 2:
        raise UserError("No individual has two photos, so how its photos vary is not known.")
    x = np.asarray(embeddings, np.float64)
    sums = np.zeros((len(counts), x.shape[1]))
    np.add.at(sums, individual, x)
    within = (x - (sums / counts[:, None])[individual])[counts[individual] > 1]
    freedom = len(within) - np.sum(counts > 1)
    directions, scales = inverse_root(within.T @ within / freedom, floor)
    matrix = (directions * scales) @ directions.T
    return x.mean(axis=0).astype(np.float32), matrix.astype(np.float32)


def whitened(
    embeddings: np.ndarray, mean: np.ndarray, matrix: np.ndarray, metric: str
) -> np.ndarray:
    """``(N, D)`` float32, by what :func:`within_class_whitening` found; unit length for cosine.

    Example:
      >>> z, mean, matrix = np.ones((2, 3)), np.zeros(3), np.eye(3)
      >>> rj.metrics.whitened(z, mean, matrix, "cosine").shape
      (2, 3)
    """
    white = (embeddings - mean) @ matrix
    return np.asarray(normalize(white)) if metric == "cosine" else white


def inverse_root(
    covariance: np.ndarray, floor: float, kept: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvectors (D, D), in columns, of a covariance, and 1 / root of each one's variance (D,).

    Variances count `kept` times, with `floor` times their mean added: with the two adding up to 1
    that is shrinkage towards a sphere (Ledoit and Wolf 2004).
    """
    values, directions = np.linalg.eigh(covariance)
    raised = kept * values + floor * np.trace(covariance) / len(covariance)
    return directions, np.maximum(raised, 1e-12) ** -0.5


def some_of_each(labels: np.ndarray, most: int, seed: int) -> np.ndarray:
    """Rising indices of at most about `most` photos: of each individual as many, at least two.

    Where two of each are too many, individuals are drawn. Those of a single photo are left out.

    Args:
      labels: ``(N,)`` int.
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    _, starts, counts = np.unique(labels[order], return_index=True, return_counts=True)
    rank = np.arange(len(labels)) - np.repeat(starts, counts)
    several = np.flatnonzero(counts > 1)
    if 2 * len(several) > most:
        several = rng.choice(several, max(most // 2, 1), replace=False)
    each = max(most // max(len(several), 1), 2)
    taken = np.isin(np.repeat(np.arange(len(counts)), counts), several) & (rank < each)
    return np.sort(order[taken])
