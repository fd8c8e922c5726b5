"""From which link on groups are one: by names, by what stands out from chance, or by hand."""

from typing import NamedTuple

import numpy as np

from reid_jax.individuals.gallery.grouping.constraints import NOBODY
from reid_jax.ops.grouping.agreement import agreement
from reid_jax.ops.grouping.linkage import Merges, groups_at

STANDING_OUT, ALIKE = 0.12, 0.45
"""Without names: the threshold, as a part of the score of the strongest pairs; and of the
similarity that half of the photos have to their nearest one, where the network alone is asked.
Chosen on other turtles and characters than any table tells of."""

_CUTS = 100  # thresholds that are tried on photos with names
_STRONGEST = 0.999  # of the pairs are below this score
_LEAST = 1e-6  # nobody is joined for nothing
_CLEAR = 0.5  # of the strongest pairs; below it chance explains more than half of them


class Threshold(NamedTuple):
    """Attributes:
    value: of the link.
    how: a sentence: how it was chosen, and how sure that is.
    """

    value: float
    how: str


def by_hand(value: float) -> Threshold:
    """As a person said it."""
    return Threshold(value, f"The threshold {value:.2f} was given by hand.")


def by_names(free: Merges, whose: np.ndarray) -> Threshold:
    """By which photos with names are divided best: the highest B-cubed F1.

    Args:
      free: joined without knowing the names.
      whose: ``(N,)`` of whom a photo is known to be, :data:`NOBODY` where nobody knows.
    """
    rows = np.flatnonzero(whose != NOBODY)
    heights = free.similarities[np.isfinite(free.similarities)]
    places = np.linspace(0, 1, _CUTS)
    tried = np.unique(np.quantile(heights, places)).tolist() if len(heights) else []
    values = [cut for cut in tried if cut <= 1.0] or [STANDING_OUT]  # nobody was joined
    found = [agreement(groups_at(free, cut)[rows], whose[rows]).bcubed_f1 for cut in values]
    best = values[int(np.argmax(found))]
    return Threshold(
        best,
        f"The threshold {best:.2f} divides the {len(rows):,} photos with names best (B-cubed F1 "
        f"{max(found):.2f}, flattered a little, as it was chosen by it); the fewer names, the more "
        "of that is luck.",
    )


def standing_out(scores: np.ndarray) -> Threshold:
    """Where nobody has a name.

    Args:
      scores: ``(E,)`` of the pairs, one minus the share that chance explains.
    """
    strongest = _strongest(scores)
    value = max(STANDING_OUT * strongest, _LEAST)
    said = f"The threshold {value:.2f} was chosen without names"
    if strongest < _CLEAR:
        return Threshold(
            value,
            f"{said}, and is not to be relied on: even of the strongest pairs chance explains "
            f"{1 - strongest:.0%}. Groups are guesses, none is called sure.",
        )
    clear = scores >= _CLEAR
    return Threshold(
        value,
        f"{said}: {clear.sum():,} of {len(scores):,} pairs stand out, of which chance explains "
        "less than half. That counts chance alone: photos of one place or one moment agree, too, "
        "whoever is on them. Look at the doubtful pairs; where many photos have names, the "
        "threshold is chosen by these.",
    )


def stands_out(scores: np.ndarray) -> bool:
    """Whether the strongest pairs are mostly not chance, so that groups can be sure at all."""
    return _strongest(scores) >= _CLEAR


def _strongest(scores: np.ndarray) -> float:
    return float(np.quantile(scores, _STRONGEST)) if len(scores) else 0.0


def alike(pairs: np.ndarray, scores: np.ndarray, number: int) -> Threshold:
    """Where nobody has a name and the network alone is asked.

    Args:
      pairs, scores: ``(E, 2)`` and ``(E,)`` of `number` photos.
    """
    best = np.zeros(number)
    for end in pairs.T:
        np.maximum.at(best, end, scores)
    value = max(ALIKE * float(np.median(best)) if number else 0.0, _LEAST)
    return Threshold(
        value,
        f"The threshold {value:.2f} was chosen without names, as {ALIKE:.0%} of how alike half "
        "of the photos are to their nearest. What a network holds for alike need not be one "
        "individual: groups are guesses, none is called sure. Local features (OpenCV) or some "
        "names make them more.",
    )
