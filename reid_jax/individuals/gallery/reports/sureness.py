"""How sure a gallery is: are its probabilities right, and what follows from the one that it asks.

By answers about photos whose individual is known, as they were found when the gallery was
calibrated.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from math import sqrt
from typing import Any

import numpy as np

from reid_jax.individuals.choice import evenly
from reid_jax.individuals.gallery.reports.judging import NAMED_BY

LEVELS = tuple(level / 100 for level in range(50, 100))
"""Probabilities from which a name may be given: a majority or more."""

_MAJORITY = 0.5
_FEWEST = 30  # answers about confirmed photos, for a curve of their own
_NORMAL = 1.959963984540054
_CLASSES = 10


@dataclass(frozen=True)
class Judged:
    """Q answers about photos whose individual is known.

    Attributes:
      photos: ``(Q,)`` str, what the photos hold, see `judging`; "" for one in no gallery.
      first: ``(Q,)`` probability of the first of the list.
      nobody: ``(Q,)`` probability that it is nobody of the gallery.
      right: ``(Q,)`` bool, whether the first is who it is.
      known: ``(Q,)`` bool, asked with its individual in the gallery; else as a stranger.
      individuals: ``(Q,)`` int64, whose photos they are.
      strangers: the share of photos to come of individuals that are not in the gallery, as assumed.
      how: in words, by which photos.
      apart: whether each was judged by a calibration that had not seen its individual.
    """

    photos: np.ndarray
    first: np.ndarray
    nobody: np.ndarray
    right: np.ndarray
    known: np.ndarray
    individuals: np.ndarray
    strangers: float
    how: str
    apart: bool

    def __len__(self) -> int:
        return len(self.first)

    @staticmethod
    def of_settings(settings: Mapping[str, Any], evidence: str) -> "Judged | None":
        """What the settings of a gallery keep of answers by an evidence; None for nothing."""
        kept = settings if evidence == "none" else settings.get("evidence", {})
        found = kept.get("judged", {}).get(evidence)
        if found is None:
            return None
        return Judged(
            photos=np.array(found["photos"], np.str_),
            first=np.array(found["first"], np.float64),
            nobody=np.array(found["nobody"], np.float64),
            right=np.array(found["right"], bool),
            known=np.array(found["known"], bool),
            individuals=np.array(found["individuals"], np.int64),
            strangers=float(settings["strangers"]),
            how=settings["calibrated_with"],
            apart=found["apart"],
        )

    def take(self, rows: np.ndarray) -> "Judged":
        """The answers at ``rows``."""
        return replace(
            self,
            photos=self.photos[rows],
            first=self.first[rows],
            nobody=self.nobody[rows],
            right=self.right[rows],
            known=self.known[rows],
            individuals=self.individuals[rows],
        )

    def about(self, digests: Collection[str]) -> "Judged | None":
        """The answers about photos of these contents; None where they are too few for a curve."""
        part = self.take(np.isin(self.photos, [each[:NAMED_BY] for each in digests if each]))
        kinds = int(part.known.sum()), int((~part.known).sum())
        return part if min(kinds) >= _FEWEST else None


@dataclass(frozen=True)
class Class:
    """Answers with nearly the same probability.

    Attributes:
      low, high: of the probabilities.
      promised: the mean of the probabilities.
      kept: how often the first was right.
      least, most: of a 95% interval of that.
      answers: how many.
    """

    low: float
    high: float
    promised: float
    kept: float
    least: float
    most: float
    answers: int


def curve(judged: Judged) -> tuple[Class, ...]:
    """How often answers are right whose probability is 0 to 10%, 10 to 20%, and so on.

    A reliability diagram (DeGroot and Fienberg 1983, "The comparison and evaluation of
    forecasters"). Known and unknown individuals weigh as the gallery assumes that they come, and
    each unknown one as another, as in the calibration. Intervals are Wilson's (1927), of as many
    answers as the weights are worth, ``sum(w)^2 / sum(w^2)``. Classes without an answer are left
    out.
    """
    weight = weights(judged)
    places = np.minimum((judged.first * _CLASSES).astype(int), _CLASSES - 1)
    found = []
    for place in range(_CLASSES):
        rows = np.flatnonzero(places == place)
        w = weight[rows]
        if not w.sum() > 0:
            continue
        kept = float(w @ judged.right[rows] / w.sum())
        least, most = wilson(kept, float(w.sum() ** 2 / (w**2).sum()))
        found.append(
            Class(
                low=place / _CLASSES,
                high=(place + 1) / _CLASSES,
                promised=float(w @ judged.first[rows] / w.sum()),
                kept=kept,
                least=least,
                most=most,
                answers=len(rows),
            )
        )
    return tuple(found)


def weights(judged: Judged) -> np.ndarray:
    """``(Q,)``, of known ones together 1 less the share of strangers, of strangers that share."""
    share = np.where(judged.known, 1 - judged.strangers, judged.strangers)
    each = 1 / max(int(judged.known.sum()), 1)
    return share * np.where(judged.known, each, evenly(judged.known, judged.individuals))


def wilson(share: float, number: float) -> tuple[float, float]:
    """The 95% interval of a share of so many (Wilson 1927, "Probable inference")."""
    square = _NORMAL**2
    centre = (share + square / (2 * number)) / (1 + square / number)
    half = _NORMAL * sqrt(share * (1 - share) / number + square / (4 * number**2))
    half /= 1 + square / number
    return min(max(centre - half, 0.0), share), max(min(centre + half, 1.0), share)  # rounding


def difference(classes: Sequence[Class], judged: Judged) -> float:
    """By how much probabilities are wrong on average (expected calibration error).

    Naeini, Cooper and Hauskrecht 2015, "Obtaining well calibrated probabilities using Bayesian
    binning", section 2.
    """
    weight = weights(judged)
    places = np.minimum((judged.first * _CLASSES).astype(int), _CLASSES - 1)
    total = sum(
        float(weight[places == round(each.low * _CLASSES)].sum()) * abs(each.promised - each.kept)
        for each in classes
    )
    return total / float(weight.sum())


@dataclass(frozen=True)
class Consequences:
    """What is said of the judged photos where a name is given from a probability on.

    Attributes:
      level: the probability.
      own, other, close, unknown: photos of known individuals that get their name, that of another
        one, are too close to call, or are called unknown.
      named, stranger_close, stranger_unknown: the same of strangers; any name is wrong.
    """

    level: float
    own: int
    other: int
    close: int
    unknown: int
    named: int
    stranger_close: int
    stranger_unknown: int


def consequences(judged: Judged, levels: Sequence[float] = LEVELS) -> tuple[Consequences, ...]:
    """What follows from each level, as :meth:`Calibration.verdicts` has it."""
    found = []
    strange = ~judged.known
    for level in levels:
        named = judged.first >= level
        unknown = ~named & (judged.nobody >= _MAJORITY)
        close = ~named & ~unknown
        counts = (
            *(judged.known & named & judged.right, judged.known & named & ~judged.right),
            *(judged.known & close, judged.known & unknown),
            *(strange & named, strange & close, strange & unknown),
        )
        found.append(Consequences(level, *(int(each.sum()) for each in counts)))
    return tuple(found)
