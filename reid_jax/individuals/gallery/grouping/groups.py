"""Groups at a threshold: how firmly each holds together, and which answers would change most."""

from dataclasses import dataclass

import numpy as np

from reid_jax.ops.grouping.linkage import Merges, groups_at

SPAN = 0.1
"""How far from the threshold a link is still in doubt."""


@dataclass(frozen=True)
class Doubt:
    """Two parts of a group, or two groups, of which it is not sure whether they are one.

    Attributes:
      first, second: photos of the two, the most alike that were compared.
      link: how alike the two are on average.
      together: whether they are one group now.
      part: of one group, the photos of the smaller of the two; else none.
      changes: pairs of photos whose answer would change.
      weight: `changes`, the less the farther the link is from the threshold.
    """

    first: int
    second: int
    link: float
    together: bool
    part: tuple[int, ...]
    changes: int
    weight: float


@dataclass(frozen=True)
class Groups:
    """K groups of N photos.

    Attributes:
      of: ``(N,)`` int64, the group of each photo; the largest is 0.
      inside: ``(K,)`` float64, the lowest link by which a group was joined; NaN of one photo.
      outside: ``(K,)`` float64, its best link to another group; `missing` where there is none.
      doubts: the most urgent first.
    """

    of: np.ndarray
    inside: np.ndarray
    outside: np.ndarray
    doubts: tuple[Doubt, ...]

    @property
    def sizes(self) -> np.ndarray:
        """``(K,)`` photos of each."""
        return np.bincount(self.of, minlength=len(self.inside))


def groups_of(
    merges: Merges, threshold: float, pairs: np.ndarray, scores: np.ndarray, missing: float
) -> Groups:
    """What average linkage joined, cut at a threshold.

    Args:
      pairs, scores: ``(E, 2)`` and ``(E,)``, what was compared.
      missing: what pairs that were not compared count as.
    """
    cut = groups_at(merges, threshold)
    sizes = np.bincount(cut)
    place = np.argsort(np.argsort(-sizes, kind="stable"), kind="stable")
    of = place[cut]
    sizes_of = np.bincount(of)
    inside, outside = np.full(len(sizes), np.nan), np.full(len(sizes), missing)
    members = [[photo] for photo in range(merges.number)]
    root = np.arange(merges.number)
    mixed: set[int] = set()  # of photos of several groups
    best = _Best(pairs, scores)
    doubts = []
    for (first, second), link in zip(merges.photos.tolist(), merges.similarities, strict=True):
        one, other = int(root[first]), int(root[second])
        mine, theirs = members[one], members[other]
        together = link >= threshold
        groups = of[[first, second]]
        if together:
            held = inside[groups[0]]
            inside[groups[0]] = min(link, 1.0) if np.isnan(held) else min(held, link)
        else:
            for each in {one, other} - mixed:  # later links are lower
                outside[of[each]] = link
        near = 1 - abs(link - threshold) / SPAN
        if near > 0:
            photo, alike = best(mine, theirs) or (first, second)
            changes = len(mine) * len(theirs)
            if not together:
                changes = int(sizes_of[of[photo]] * sizes_of[of[alike]])
            weight = float(changes * near)
            smaller = mine if len(mine) <= len(theirs) else theirs
            part = tuple(smaller) if together else ()
            doubts.append(Doubt(photo, alike, float(link), bool(together), part, changes, weight))
        small, large = sorted((one, other), key=lambda each: len(members[each]))
        root[members[small]] = large
        if not together:
            mixed.add(large)
        members[large] += members[small]
        members[small] = []
    doubts.sort(key=lambda doubt: -doubt.weight)
    return Groups(of, inside, outside, tuple(doubts))


class _Best:
    """The most alike photos of two sets, among the pairs that were compared."""

    def __init__(self, pairs: np.ndarray, scores: np.ndarray) -> None:
        self._scores: dict[int, dict[int, float]] = {}
        for (one, other), score in zip(pairs.tolist(), scores.tolist(), strict=True):
            self._scores.setdefault(one, {})[other] = score
            self._scores.setdefault(other, {})[one] = score

    def __call__(self, mine: list[int], theirs: list[int]) -> tuple[int, int] | None:
        swap = len(mine) > len(theirs)
        few, many = (theirs, set(mine)) if swap else (mine, set(theirs))
        found = [
            (score, one, other)
            for one in few
            for other, score in self._scores.get(one, {}).items()
            if other in many
        ]
        if not found:
            return None
        _, one, other = max(found)
        return (other, one) if swap else (one, other)
