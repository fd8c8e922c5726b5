"""When is an answer believed? A threshold and probabilities from photos whose answer is known."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from reid_jax.errors import UserError
from reid_jax.ops.individuals import GallerySearch, Rule
from reid_jax.ops.matching import has_match
from reid_jax.ops.open_set import (
    ProbabilityCalibration,
    calibrate_probability,
    calibrate_threshold,
)

CANDIDATES = 5
"""Individuals on a list of suggestions."""


@dataclass(frozen=True)
class Calibration:
    """What the scores of one rule are worth.

    Attributes:
      threshold: best scores below it mean "unknown".
      first: probability that the first of a list is right.
      rest: probability that one further down is.
      geometric_mean: of the balanced accuracies on known and unknown individuals that the threshold
        reaches on the calibration photos.
      num_known, num_unknown: how many answers it was calibrated on.
    """

    threshold: float
    first: ProbabilityCalibration
    rest: ProbabilityCalibration
    geometric_mean: float
    num_known: int
    num_unknown: int

    def probabilities(self, scores: np.ndarray) -> np.ndarray:
        """Probabilities that each individual of a list is the right one.

        They fall, and add up to at most 1; what is missing is the chance that it is somebody else.

        Args:
          scores: ``(Q, K)``, falling in each row, minus infinity where there is no more.

        Returns:
          ``(Q, K)`` float64.
        """
        there = np.isfinite(scores)
        safe = np.where(there, scores, 0.0)
        first = self.first(safe[:, :1])
        rest = np.minimum(self.rest(safe[:, 1:]), first)
        probability = np.concatenate([first, rest], axis=1) * there
        left, claimed = 1 - probability[:, 0], probability[:, 1:].sum(axis=1)
        probability[:, 1:] *= np.minimum(1, left / np.maximum(claimed, 1e-12))[:, None]
        return probability


def calibrate(
    embeddings: Any,
    labels: np.ndarray,
    query: np.ndarray,
    gallery: np.ndarray,
    *,
    encounter: np.ndarray,
    metric: str,
    rule: Rule = "max",
) -> Calibration:
    """Asks for each query twice: with its individual in the gallery, and with it taken out.

    So known and unknown individuals are alike in everything else, and for the probabilities equally
    frequent; queries without a match in the gallery serve the threshold as unknown ones. Photos of
    the query's own encounter never count: the next photo will be of another day.

    Args:
      embeddings: ``(N, D)``; labels: ``(N,)`` individuals; encounter: ``(N,)``, see
        :func:`encounters`.
      query, gallery: indices into the N photos; they may overlap.

    Raises:
      UserError: no query has a photo of its individual from another encounter in the gallery, or
        all photos of the gallery are of one individual.
    """
    embeddings, labels = np.asarray(embeddings), np.asarray(labels)
    individual = np.unique(labels, return_inverse=True)[1]
    if len(np.unique(individual[gallery])) < 2:
        raise UserError("A threshold needs photos of at least two individuals to calibrate with.")
    search = GallerySearch(embeddings[gallery], individual[gallery], metric)
    known = has_match(labels, encounter, query, gallery)
    if not known.any():
        raise UserError(
            "A threshold needs individuals that were photographed more than once (on different "
            "days, where there are dates) to calibrate with."
        )
    same_encounter = encounter[query], encounter[gallery]
    same_individual = individual[query], individual[gallery]
    matched = query[known]
    scores, answers = search.individuals_like(
        embeddings[matched], CANDIDATES, rule, [(encounter[matched], encounter[gallery])]
    )
    strange, _ = search.individuals_like(
        embeddings[query], CANDIDATES, rule, [same_encounter, same_individual]
    )
    right = answers == individual[matched][:, None]
    scores = np.concatenate([scores, strange]).astype(np.float64)
    right = np.concatenate([right, np.zeros(strange.shape, bool)])
    asked = np.concatenate([individual[matched], individual[query]])
    is_known = np.arange(len(asked)) < len(matched)
    in_pairs = np.concatenate([known[known], known])
    answered = np.isfinite(scores[:, 0])
    scores, right, asked = scores[answered], right[answered], asked[answered]
    is_known, in_pairs = is_known[answered], in_pairs[answered]
    threshold, mean = calibrate_threshold(scores[:, 0], right[:, 0], asked, is_known)
    paired, paired_right = scores[in_pairs], right[in_pairs]
    listed = np.isfinite(paired[:, 1:])
    if listed.any():
        rest = calibrate_probability(paired[:, 1:][listed], paired_right[:, 1:][listed])
    else:
        rest = ProbabilityCalibration(0.0, 0.0, 0.0, 0.0)
    return Calibration(
        threshold=threshold,
        first=calibrate_probability(paired[:, 0], paired_right[:, 0]),
        rest=rest,
        geometric_mean=mean,
        num_known=int(is_known.sum()),
        num_unknown=int((~is_known).sum()),
    )
