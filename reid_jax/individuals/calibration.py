"""When is an answer believed? Probabilities and verdicts from photos whose answer is known."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

import numpy as np

from reid_jax.errors import UserError
from reid_jax.individuals.choice import ChoiceCalibration, calibrate_choice, tail_quantile
from reid_jax.individuals.rejection import calibrate_threshold
from reid_jax.individuals.search import gallery_search
from reid_jax.ops.ranking.blocks import Codes
from reid_jax.ops.ranking.individuals import Rule
from reid_jax.ops.ranking.matching import has_match

CANDIDATES = 5
"""Individuals on a list of suggestions."""

STRANGERS = 0.5
"""The share of photos of individuals that are not in the gallery, where nobody says otherwise."""

FALSE_NAMES = 0.05
"""Photos of strangers that may get a name, for each photo of somebody in the gallery."""

_MAJORITY = 0.5

Verdict = Literal["named", "close", "unknown", "unlike"]
"""Somebody of the gallery; one of several; nobody of it; or no photo of the kind that the network
was trained on."""


@dataclass(frozen=True)
class Calibration:
    """What the scores of one rule are worth in a gallery of this size.

    Attributes:
      choice: scores of a list -> probabilities.
      name_from: the probability from which the first of a list is the answer; 1/2 or more.
      strangers: the assumed share of photos of individuals that are not in the gallery.
      individuals: how many are in the gallery.
      right, wrong: of the calibration photos of known individuals, the shares that get their own
        name and another one's.
      false: of those of unknown ones, the share that gets a name.
      num_known, num_unknown: how many answers it was calibrated on.
    """

    choice: ChoiceCalibration
    name_from: float
    strangers: float
    individuals: int
    right: float
    wrong: float
    false: float
    num_known: int
    num_unknown: int

    @property
    def geometric_mean(self) -> float:
        """Of the accuracies on known and on unknown individuals."""
        return float(np.sqrt(self.right * (1 - self.false)))

    @property
    def threshold(self) -> float:
        """The score from which an individual that nobody else comes near is the answer."""
        if not self.choice.slope > 0:
            return float("inf")
        odds = np.log(self.name_from) - np.log1p(-self.name_from)
        usual = self.choice.intercept + self.choice.last_slope * self.choice.last
        return float((odds - usual) / self.choice.slope)

    def verdicts(self, probabilities: np.ndarray) -> list[Verdict]:
        """One for each row of ``(Q, K)`` probabilities, so that it never contradicts them.

        The first has a majority, and enough of it; or nobody in the gallery has one together; or it
        is too close to call.
        """
        return [
            "named"
            if row[0] >= self.name_from
            else ("unknown" if 1 - row.sum() >= _MAJORITY else "close")
            for row in np.asarray(probabilities)
        ]


@dataclass(frozen=True)
class Asked:
    """Lists of scores for photos whose individual is known.

    Attributes:
      scores: ``(Q, K)``, falling, minus infinity where there is no more.
      right: ``(Q, K)`` bool.
      individuals: ``(Q,)``: whose photos they are.
      known: ``(Q,)`` bool: asked with its individual in the gallery; else as a stranger.
      among, beside: with how many individuals known ones and strangers were compared.
      photos: ``(Q,)`` int64, the row of each in what was asked about.
    """

    scores: np.ndarray
    right: np.ndarray
    individuals: np.ndarray
    known: np.ndarray
    among: int
    beside: int
    photos: np.ndarray

    def take(self, rows: np.ndarray) -> "Asked":
        """The lists at ``rows``."""
        return replace(
            self,
            scores=self.scores[rows],
            right=self.right[rows],
            individuals=self.individuals[rows],
            known=self.known[rows],
            photos=self.photos[rows],
        )


class Search(Protocol):
    """What photos can be looked up in."""

    @property
    def individuals(self) -> Any:
        """``(G,)`` integers from 0, of the photos of the gallery."""

    def individuals_like(
        self, queries: Any, k: int, rule: Rule = "max", exclude: Sequence[Codes] = ()
    ) -> tuple[np.ndarray, np.ndarray]:
        """See :meth:`reid_jax.ops.ranking.individuals.GallerySearch.individuals_like`."""


def ask(
    search: Search,
    queries: np.ndarray,
    individuals: np.ndarray,
    known: np.ndarray,
    strange: np.ndarray,
    *,
    rule: Rule,
    apart: Sequence[Codes],
) -> Asked:
    """Looks photos up, once with their individual in the gallery and once with it taken out.

    So known and unknown individuals are alike in everything else, and are compared with the gallery
    as it is.

    Args:
      queries: ``(Q, D)`` embeddings, or what the search takes for each photo.
      individuals: ``(Q,)``: as the search numbers them, -1 or another number that it does not have
        for somebody else.
      known, strange: ``(Q,)`` bool: asked about as known ones and as strangers; both is possible.
      apart: pairs of codes, ``(Q,)`` and ``(G,)``: where they agree, photos are never compared.
    """

    def lists(rows: np.ndarray, more: Sequence[Codes]) -> tuple[np.ndarray, np.ndarray]:
        exclude = [(codes[rows], gallery) for codes, gallery in (*apart, *more)]
        return search.individuals_like(queries[rows], CANDIDATES, rule, exclude)

    scores, found = lists(known, ())
    right = found == individuals[known][:, None]
    others, _ = lists(strange, [(individuals, np.asarray(search.individuals))])
    scores = np.concatenate([scores, others]).astype(np.float64)
    right = np.concatenate([right, np.zeros(others.shape, bool)])
    whose = np.concatenate([individuals[known], individuals[strange]])
    is_known = np.arange(len(scores)) < int(known.sum())
    answered = np.isfinite(scores[:, 0])
    present = len(np.unique(search.individuals))
    inside = np.isin(individuals[strange], np.asarray(search.individuals)).any()
    asked = Asked(
        scores=scores,
        right=right,
        individuals=whose,
        known=is_known,
        among=present,
        beside=present - int(inside),
        photos=np.concatenate([np.flatnonzero(known), np.flatnonzero(strange)]),
    )
    return asked.take(np.flatnonzero(answered))


def calibrate(asked: Asked, *, individuals: int, strangers: float = STRANGERS) -> Calibration:
    """Probabilities and the level from which a name is given, for a gallery of some size.

    The best score of a stranger is a maximum over the individuals of the gallery, so both follow
    its size: the odds of a score fall as 1 / individuals, and among m individuals a rate r of a
    maximum over n is a rate ``1 - (1 - r) ** (m / n)`` of the observed one.

    A stranger gets a name in at most :data:`FALSE_NAMES` of cases when strangers are as frequent as
    known ones; in proportionally more where they are rarer, since what counts is how many false
    names come with the right ones. A majority is needed in any case.

    Raises:
      UserError: there are no answers about known, or none about unknown individuals.
    """
    known = asked.known
    if not known.any():
        raise UserError(
            "Probabilities need individuals that were photographed more than once (on different "
            "days, where there are dates) to calibrate with."
        )
    if known.all():
        raise UserError("Probabilities need photos of at least two individuals to calibrate with.")
    choice = calibrate_choice(asked.scores, asked.right, known, asked.individuals, strangers)
    probability = choice(asked.scores)
    odds = choice.odds(asked.scores)
    rate = min(FALSE_NAMES * (1 - strangers) / strangers, 1.0)

    def name_from(compared: int, smaller: float) -> float:
        seen = 1 - (1 - rate) ** (asked.beside / max(compared, 1))
        level = tail_quantile(odds[~known], asked.individuals[~known], seen) - smaller
        return max(float(1 / (1 + np.exp(-level))), _MAJORITY)

    named = probability[:, 0] >= name_from(asked.beside, 0.0)
    first = asked.right[:, 0]
    smaller = float(np.log(individuals / asked.among))
    return Calibration(
        choice=replace(choice, intercept=choice.intercept - smaller),
        name_from=name_from(individuals, smaller),
        strangers=strangers,
        individuals=individuals,
        right=float(np.mean((named & first)[known])),
        wrong=float(np.mean((named & ~first)[known])),
        false=_share(named[~known], asked.individuals[~known]),
        num_known=int(known.sum()),
        num_unknown=int((~known).sum()),
    )


def _share(true: np.ndarray, individuals: np.ndarray) -> float:
    """Of each individual's photos, averaged over the individuals."""
    individual = np.unique(individuals, return_inverse=True)[1]
    return float(np.mean(np.bincount(individual, true) / np.bincount(individual)))


def best_threshold(
    embeddings: Any,
    labels: np.ndarray,
    query: np.ndarray,
    gallery: np.ndarray,
    *,
    encounter: np.ndarray,
    metric: str,
    individuals: int | None = None,
) -> float:
    """The score with the largest geometric mean of accuracies on known and unknown individuals.

    Each query is asked twice (:func:`ask`); those without a match serve as strangers. Photos of the
    query's own encounter never count: the next photo will be of another day.

    Args:
      embeddings: ``(N, D)``; labels: ``(N,)`` individuals; encounter: ``(N,)``, see
        :func:`reid_jax.ops.ranking.matching.encounters`.
      query, gallery: indices into the N photos; they may overlap.
      individuals: in the gallery that the score is for; by default as many as in this one.

    Raises:
      UserError: no query has a photo of its individual from another encounter in the gallery, or
        all photos of the gallery are of one individual.
    """
    embeddings, labels = np.asarray(embeddings), np.asarray(labels)
    individual = np.unique(labels, return_inverse=True)[1]
    if len(np.unique(individual[gallery])) < 2:
        raise UserError("A threshold needs photos of at least two individuals to calibrate with.")
    known = has_match(labels, encounter, query, gallery)
    if not known.any():
        raise UserError(
            "A threshold needs individuals that were photographed more than once (on different "
            "days, where there are dates) to calibrate with."
        )
    found = ask(
        gallery_search(embeddings[gallery], individual[gallery], metric),
        embeddings[query],
        individual[query],
        known,
        np.ones(len(query), bool),
        rule="max",
        apart=[(encounter[query], encounter[gallery])],
    )
    return calibrate_threshold(
        found.scores[:, 0],
        found.right[:, 0],
        found.individuals,
        found.known,
        larger=1.0 if individuals is None else individuals / found.beside,
    )[0]
