"""One score from 0 to 1 for each pair: by the network, by local features, or by both."""

from typing import Literal, NamedTuple

import numpy as np

from reid_jax.individuals.evidence.features import Evidence
from reid_jax.individuals.evidence.fusion import Fusion, Logistic
from reid_jax.individuals.gallery.grouping.constraints import NOBODY
from reid_jax.individuals.gallery.grouping.near import Near

_START, _END = 0.6, 0.8  # of what chance gives: by these it falls, as an exponential does
_SAME = 1e-5  # from the same picture, by rounding
_FEWEST = 100  # pairs of a kind: with 20 to 30 a threshold by names was worse than none
Basis = Literal["names", "chance", "similarity"]


class Scored(NamedTuple):
    """Attributes:
    scores: ``(E,)`` float64, in [0, 1]; pairs that were not compared count as 0.
    how: in words, how they were made.
    basis: what the scores are: probabilities by names, shares that chance does not explain, or
      similarities.
    """

    scores: np.ndarray
    how: str
    basis: Basis


def scored(near: Near, kind: Evidence, whose: np.ndarray, metric: str) -> Scored:
    """What evidence says of each pair.

    Where enough pairs have names, their probability of showing one individual, logistic, the mean
    of both kinds of evidence. Else the share of pairs just as strong that chance does not explain,
    as pairs drawn at random are mostly of two individuals: one minus the local false discovery rate
    (Efron, Tibshirani, Storey and Tusher 2001). Of the network alone, whose nearest are the most
    alike of all pairs, how far similarities are on the way from such pairs to the same picture.

    Args:
      whose: ``(N,)`` of whom a photo is known to be, :data:`NOBODY` where nobody knows.
      metric: of the network's similarities.
    """
    first, second = whose[near.pairs].T
    known = (first != NOBODY) & (second != NOBODY)
    same = (first == second)[known]
    if min(same.sum(), (~same).sum()) >= _FEWEST:
        how = f"Evidence is calibrated on {known.sum():,} pairs of photos with names."
        return Scored(_by_names(near, kind, known, same), how, "names")
    how = f"Pairs are judged beside {len(near.drawn):,} that were drawn at random."
    if kind == "none" or near.agreement is None or near.drawn_agreement is None:
        return Scored(_on_the_way(near, metric), how, "similarity")
    strong, chance = near.agreement, near.drawn_agreement
    if kind == "fused":
        strong, chance = _with_network(near, strong, chance)
    return Scored(1 - _explained_by_chance(strong, chance), how, "chance")


def _on_the_way(near: Near, metric: str) -> np.ndarray:
    low, high = (
        (float(np.median(near.drawn)) if len(near.drawn) else 0.0),
        float(metric == "cosine"),
    )
    way = np.clip((near.network - low) / max(high - low, 1e-9), 0.0, 1.0).astype(np.float64)
    return np.where(near.network > high - _SAME, 1.0, way)


def _by_names(near: Near, kind: Evidence, known: np.ndarray, same: np.ndarray) -> np.ndarray:
    if kind == "none" or near.agreement is None:
        return Logistic.fitted(near.network[known], same)(near.network)
    if kind == "local":
        return Logistic.fitted(near.agreement[known], same)(near.agreement)
    fusion = Fusion.fitted(near.network[known], near.agreement[known], same)
    assert fusion is not None
    return fusion(near.network, near.agreement)


def _with_network(
    near: Near, agreement: np.ndarray, chance: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Both kinds of evidence in the spread of each; what chance gives beside any pair's network."""
    unit = _spread(chance)
    network = near.network / _spread(near.network)
    other = np.random.default_rng(6).integers(0, max(len(network), 1), len(chance))
    return agreement / unit + network, chance / unit + network[other]


def _spread(values: np.ndarray) -> float:
    if not len(values):
        return 1.0
    middle, upper = np.quantile(values, [0.5, 0.9])
    return max(float(upper - middle), 1e-9)


def _explained_by_chance(strong: np.ndarray, chance: np.ndarray) -> np.ndarray:
    """``(E,)`` of the pairs just as strong as each, the share that chance gives.

    The weaker, the more: the slope of the convex hull of what chance gives, by how many there are
    (Grenander 1956), one pair more than expected, so that no single pair stands out. The end of
    what chance gives follows from its middle, as the strongest pairs that were drawn may show one
    individual.
    """
    from scipy.optimize import isotonic_regression

    if not len(strong) or not len(chance):
        return np.ones(len(strong))
    strong, chance = strong.astype(np.float64), np.sort(chance.astype(np.float64))
    start, end = np.quantile(chance, [_START, _END])
    slope = np.log((1 - _START) / (1 - _END)) / max(end - start, 1e-9)
    beyond = (1 - _START) * np.exp(-np.maximum(strong - start, 0) * slope)
    inside = 1 - np.searchsorted(chance, strong, side="left") / len(chance)
    tail = np.where(strong > start, beyond, inside)
    order = np.argsort(-strong, kind="stable")
    expected = np.diff(1 + len(strong) * tail[order], prepend=0.0)
    found = np.empty(len(strong))
    found[order] = np.clip(isotonic_regression(expected).x, 0.0, 1.0)
    return found
