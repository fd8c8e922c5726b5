"""Photos to groups: by pairs, names and what else is known of them; and which groups are sure."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from reid_jax.individuals.evidence.features import Evidence
from reid_jax.individuals.gallery.grouping.groups import Groups, groups_of
from reid_jax.individuals.gallery.grouping.near import Near
from reid_jax.individuals.gallery.grouping.scores import scored
from reid_jax.individuals.gallery.grouping.threshold import (
    alike,
    by_hand,
    by_names,
    standing_out,
    stands_out,
)
from reid_jax.ops.grouping.linkage import average_linkage

SURE_LINK, SURE_MARGIN = 0.3, 0.1
"""A group is sure whose lowest link is so high, and so far above its best link outside; never by
the network alone."""

_LIKELY = 0.5  # the lowest link where links are probabilities


@dataclass(frozen=True)
class Grouped:
    """N photos in groups.

    Attributes:
      groups: with their links and doubts.
      sure: ``(K,)`` bool.
      threshold: the link from which on groups are one.
      notes: sentences: how alike photos are was found, and how the threshold was.
    """

    groups: Groups
    sure: np.ndarray
    threshold: float
    notes: tuple[str, ...]

    @property
    def firmness(self) -> np.ndarray:
        """``(K,)`` by how much the lowest link inside is above the best one outside."""
        return np.nan_to_num(self.groups.inside - self.groups.outside, nan=-1.0)

    @cached_property
    def members(self) -> list[np.ndarray]:
        """The photos of each group, in their order."""
        order = np.argsort(self.groups.of, kind="stable")
        return np.split(order, np.cumsum(self.groups.sizes)[:-1])


def group(
    near: Near,
    kind: Evidence,
    *,
    metric: str,
    whose: np.ndarray,
    apart: np.ndarray,
    together: np.ndarray,
    threshold: float | None = None,
    sides: np.ndarray | None = None,
) -> Grouped:
    """Joins photos by average linkage, see :mod:`reid_jax.ops.grouping.linkage`.

    Args:
      kind: by what pairs are compared.
      metric: of the network's similarities.
      whose: ``(N,)`` int, of whom a photo is known to be, -1 where nobody knows; it is kept to.
      apart: ``(A, 2)`` photos that are never in one group.
      together: ``(T, 2)`` photos that are joined first, unless names or `apart` are against it.
      threshold: by hand; None chooses it.
      sides: ``(N,)`` int of the sides that photos show, -1 where not known; those of two say
        nothing of each other, for or against. None for one.
    """
    found = scored(near, kind, whose, metric)
    pairs, scores = _with_bursts(near.pairs, found.scores, together)
    if threshold is not None:
        chosen = by_hand(threshold)
    elif found.basis == "names":
        free = average_linkage(pairs, scores, near.number, missing=0.0, apart=apart, kinds=sides)
        chosen = by_names(free, whose)
    elif found.basis == "chance":
        chosen = standing_out(found.scores)
    else:
        chosen = alike(near.pairs, found.scores, near.number)
    merges = average_linkage(
        pairs, scores, near.number, missing=0.0, apart=apart, whose=whose, kinds=sides
    )
    groups = groups_of(merges, chosen.value, pairs, scores, 0.0)
    margin = groups.inside - groups.outside
    lowest = _LIKELY if found.basis == "names" else SURE_LINK
    sure = (groups.sizes > 1) & (groups.inside >= lowest) & (margin >= SURE_MARGIN)
    sure &= kind != "none" and (found.basis == "names" or stands_out(found.scores))
    return Grouped(groups, sure, chosen.value, (found.how, chosen.how))


def _with_bursts(
    pairs: np.ndarray, scores: np.ndarray, together: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The pairs, and those of bursts, which are above all others, the more alike the more."""
    if not len(together):
        return pairs, scores
    known = dict(zip(map(tuple, pairs.tolist()), scores.tolist(), strict=True))
    above = [1 + known.get(pair, 0.0) for pair in map(tuple, np.sort(together, axis=1).tolist())]
    return np.concatenate([pairs, together]), np.concatenate([scores, above])
