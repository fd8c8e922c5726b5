"""Is it anyone I know? Measures of rejecting unknown individuals, and the best threshold.

Every query has a score, high when it looks like someone in the gallery, and an answer: the most
similar individual if ``score >= threshold``, else :data:`UNKNOWN`. NumPy in float64 on the host, as
for verification: these are sums over 1-D arrays.
"""

import numpy as np

from reid_jax.errors import UserError
from reid_jax.individuals.choice import evenly
from reid_jax.ops.verification import roc_auc

UNKNOWN = -1
"""The answer "nobody I know", where individuals are numbered from 0."""


def known_unknown_auroc(known_scores: np.ndarray, unknown_scores: np.ndarray) -> float:
    """The chance that a photo of a known individual outscores one of an unknown one, ties half."""
    scores = np.concatenate([known_scores, unknown_scores])
    return roc_auc(scores, np.arange(len(scores)) < len(known_scores))


def oscr(
    known_scores: np.ndarray, known_correct: np.ndarray, unknown_scores: np.ndarray
) -> tuple[np.ndarray, np.ndarray, float]:
    """Open-set classification rate (Dhamija, Günther and Boult, NeurIPS 2018, eq. 4 and 5).

    Args:
      known_scores: ``(K,)`` scores of queries whose individual is in the gallery.
      known_correct: ``(K,)`` bool: whether the most similar individual is the right one.
      unknown_scores: ``(U,)`` scores of queries whose individual is not.

    Returns:
      Over falling thresholds: the share of unknown queries accepted, the share of known queries
      accepted *and* identified, both ``(T,)``; and the area below. A perfect system has 1; one
      that identifies everyone, with scores that say nothing about who is unknown, has 1/2.
    """
    known_scores, unknown_scores = _both(known_scores, unknown_scores)
    correct = np.asarray(known_correct, bool)
    thresholds = np.unique(np.concatenate([known_scores, unknown_scores]))[::-1]
    false_positive = np.append(0, _accepted(unknown_scores, thresholds)) / len(unknown_scores)
    identified = np.append(0, _accepted(known_scores[correct], thresholds)) / len(known_scores)
    return false_positive, identified, float(np.trapezoid(identified, false_positive))


def detection_identification_rate(
    known_scores: np.ndarray,
    known_correct: np.ndarray,
    unknown_scores: np.ndarray,
    false_alarm_rate: float,
) -> tuple[float, float]:
    """DIR at rank 1 (Phillips, Grother and Micheals 2011, the watch-list task), and the threshold.

    The largest share of known queries that are accepted and identified while no more than
    ``false_alarm_rate`` of the unknown queries are accepted. Arguments as in :func:`oscr`.
    """
    known_scores, unknown_scores = _both(known_scores, unknown_scores)
    correct = np.asarray(known_correct, bool)
    thresholds = np.unique(np.concatenate([known_scores, unknown_scores]))[::-1]
    allowed = _accepted(unknown_scores, thresholds) <= false_alarm_rate * len(unknown_scores)
    if not allowed.any():
        return 0.0, float("inf")
    threshold = thresholds[allowed][-1]
    return float(np.mean(correct & (known_scores >= threshold))), float(threshold)


def baks(true: np.ndarray, answer: np.ndarray, known: np.ndarray) -> float:
    """Balanced accuracy on known individuals, as in wildlife-datasets.

    The share of right answers of each individual among the ``known`` queries, averaged over the
    individuals. An answer "unknown" is wrong.

    Args:
      true: ``(Q,)`` individuals.
      answer: ``(Q,)`` individuals or :data:`UNKNOWN`.
      known: ``(Q,)`` bool: whether the individual is in the gallery.

    Returns:
      nan without known queries.
    """
    true, answer, known = np.asarray(true), np.asarray(answer), np.asarray(known, bool)
    return _balanced(true[known], (answer == true)[known])


def baus(true: np.ndarray, answer: np.ndarray, known: np.ndarray) -> float:
    """Balanced accuracy on unknown individuals, as in wildlife-datasets.

    As :func:`baks`, over the queries that are not ``known``; right is :data:`UNKNOWN`.
    """
    true, answer, known = np.asarray(true), np.asarray(answer), np.asarray(known, bool)
    return _balanced(true[~known], (answer == UNKNOWN)[~known])


def calibrate_threshold(
    scores: np.ndarray,
    correct: np.ndarray,
    true: np.ndarray,
    known: np.ndarray,
    *,
    larger: float = 1.0,
) -> tuple[float, float]:
    """The threshold with the largest geometric mean of BAKS and BAUS, on validation queries.

    Never give it the queries that are to be measured afterwards.

    Args:
      scores: ``(Q,)``.
      correct: ``(Q,)`` bool: the most similar individual is the right one (False for unknown).
      true: ``(Q,)`` individuals.
      known: ``(Q,)`` bool; both kinds must be present.
      larger: how many times the individuals of the gallery here the threshold is for. A stranger's
        score is a maximum over them, so a share s that is turned away becomes ``s ** larger``.

    Returns:
      The threshold, halfway between two observed scores (of equally good ones the middle one), and
      the geometric mean that it reaches.
    """
    scores, true = np.asarray(scores, np.float64), np.asarray(true)
    correct, known = np.asarray(correct, bool), np.asarray(known, bool)
    if known.all() or not known.any():
        raise UserError(
            "A threshold needs validation photos of individuals in the gallery and of others: "
            f"here {int(known.sum())} of {len(known)} photos are of individuals in the gallery."
        )
    observed = np.unique(scores)[::-1]
    weight = evenly(known, true)
    order = np.argsort(-scores, kind="stable")
    upto = np.searchsorted(-scores[order], -observed, side="right")
    right = np.append(0, np.cumsum((weight * (known & correct))[order])[upto - 1])
    rejected = 1 - np.append(0, np.cumsum((weight * ~known)[order])[upto - 1])
    mean = np.sqrt(right * np.maximum(rejected, 0) ** larger)
    best = np.flatnonzero(mean >= mean.max() - 1e-12)
    middle = best[len(best) // 2]
    margin = max(1e-6, float(observed[0] - observed[-1]) * 1e-3)
    above = observed[middle - 1] if middle > 0 else observed[0] + 2 * margin
    below = observed[middle] if middle < len(observed) else observed[-1] - 2 * margin
    return float((above + below) / 2), float(mean[middle])


def _balanced(individuals: np.ndarray, right: np.ndarray) -> float:
    if not len(individuals):
        return float("nan")
    individual = np.unique(individuals, return_inverse=True)[1]
    return float(np.mean(np.bincount(individual, right) / np.bincount(individual)))


def _accepted(scores: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """How many scores reach each threshold."""
    return len(scores) - np.searchsorted(np.sort(scores), thresholds, side="left")


def _both(known: np.ndarray, unknown: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    known, unknown = np.asarray(known, np.float64), np.asarray(unknown, np.float64)
    if not len(known) or not len(unknown):
        raise UserError(
            f"Open-set measures need photos of known and of unknown individuals: there are "
            f"{len(known)} and {len(unknown)}."
        )
    return known, unknown
