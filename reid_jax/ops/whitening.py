"""Embeddings in a space where photos of one individual vary alike in every direction."""

import numpy as np

from reid_jax.errors import UserError


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
    covariance = within.T @ within / freedom
    values, vectors = np.linalg.eigh(covariance)
    mean_variance = max(float(values.mean()), 1e-12)  # all photos of each individual alike
    scales = (np.maximum(values, 0) + floor * mean_variance) ** -0.5
    return x.mean(axis=0).astype(np.float32), ((vectors * scales) @ vectors.T).astype(np.float32)


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
