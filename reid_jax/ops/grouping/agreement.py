"""How well groups agree with who the photos are of."""

from typing import NamedTuple

import numpy as np


class Agreement(NamedTuple):
    """Of groups with the truth; each from 0 (ARI may be below) to 1.

    Attributes:
      groups: how many there are.
      ari: adjusted Rand index (Hubert and Arabie 1985).
      nmi: mutual information over the mean of both entropies.
      pair_precision, pair_recall: of two photos in one group, how often they are of one individual;
        of two photos of one individual, how often they are in one group. NaN where there are none.
      bcubed_precision, bcubed_recall, bcubed_f1: the same for a photo, mean over photos, itself
        among its group (Bagga and Baldwin 1998; Amigo et al. 2009).
    """

    groups: int
    ari: float
    nmi: float
    pair_precision: float
    pair_recall: float
    bcubed_precision: float
    bcubed_recall: float
    bcubed_f1: float


def agreement(found: np.ndarray, truth: np.ndarray) -> Agreement:
    """Compares groups with the truth.

    Args:
      found: ``(N,)`` int, the group of each photo; N > 0.
      truth: ``(N,)`` int, its individual.

    Example:
      >>> round(rj.metrics.agreement(np.array([0, 0, 1]), np.array([5, 5, 5])).bcubed_recall, 3)
      0.556
    """
    both = np.stack([np.unique(each, return_inverse=True)[1] for each in (found, truth)])
    cells, shared = np.unique(both, axis=1, return_counts=True)
    of_group, of_individual = (np.bincount(each) for each in both)
    count = both.shape[1]
    together, in_group, in_truth = (
        float(np.sum(sizes * (sizes - 1) / 2)) for sizes in (shared, of_group, of_individual)
    )
    pairs = count * (count - 1) / 2
    chance = in_group * in_truth / pairs if pairs else 0.0
    most = (in_group + in_truth) / 2
    precision = float(np.sum(shared**2 / of_group[cells[0]]) / count)
    recall = float(np.sum(shared**2 / of_individual[cells[1]]) / count)
    entropies = [_entropy(sizes / count) for sizes in (of_group, of_individual, shared)]
    mutual = entropies[0] + entropies[1] - entropies[2]
    return Agreement(
        groups=len(of_group),
        ari=(together - chance) / (most - chance) if most != chance else 1.0,
        nmi=2 * mutual / (entropies[0] + entropies[1]) if entropies[0] + entropies[1] else 1.0,
        pair_precision=together / in_group if in_group else np.nan,
        pair_recall=together / in_truth if in_truth else np.nan,
        bcubed_precision=precision,
        bcubed_recall=recall,
        bcubed_f1=2 * precision * recall / (precision + recall),
    )


def _entropy(shares: np.ndarray) -> float:
    return float(-np.sum(shares * np.log(shares)))
