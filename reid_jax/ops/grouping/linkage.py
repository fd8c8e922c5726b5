"""Average linkage of many photos, each compared with few others."""

import heapq
from typing import NamedTuple

import numpy as np

from reid_jax.errors import UserError

_NOBODY = -1  # nobody knows of whom a photo is


class Merges(NamedTuple):
    """Which groups were joined, the most alike first.

    Attributes:
      number: N photos, that begin as groups of their own.
      photos: ``(M, 2)`` int, a photo of each of the two groups that were joined.
      similarities: ``(M,)`` float64, the groups' mean similarity; it falls, but behind photos that
        were said to be together, which come first at infinity.
    """

    number: int
    photos: np.ndarray
    similarities: np.ndarray


def average_linkage(
    pairs: np.ndarray,
    similarities: np.ndarray,
    number: int,
    *,
    missing: float,
    apart: np.ndarray | None = None,
    together: np.ndarray | None = None,
    whose: np.ndarray | None = None,
    kinds: np.ndarray | None = None,
) -> Merges:
    """Joins the two groups whose photos are the most alike on average, again and again.

    Average linkage (Sokal and Michener 1958, "A statistical method for evaluating systematic
    relationships"; UPGMA): the similarity of two groups is the mean over all pairs of photos of one
    and the other. Pairs that are not given count as `missing`, so that memory and time grow with
    the pairs that are given, and never with N x N. With all pairs given it is exact.

    A mean of two means is not above both. So what a heap once said of two groups is a bound of what
    holds later, and is looked at again only when it comes up (lazy evaluation).

    Args:
      pairs: ``(E, 2)`` int, rows of two photos; a pair given twice counts once, as its higher.
      similarities: ``(E,)``, higher is more alike.
      number: N photos.
      missing: the similarity of photos that are in no pair, also below it nothing is joined.
      apart: ``(A, 2)`` int, photos that are never in one group.
      together: ``(T, 2)`` int, photos that are in one group from the beginning.
      whose: ``(N,)`` int, of whom a photo is known to be, -1 where nobody knows: photos of one are
        together, those of two apart.
      kinds: ``(N,)`` int, -1 where it is not known: pairs of two kinds do not count, neither for
        nor against; groups that have no other pairs are not joined.

    Raises:
      UserError: photos that are to be together are to be apart.

    Example:
      >>> pairs, alike = np.array([[0, 1], [1, 2], [0, 2]]), np.array([0.9, 0.6, 0.2])
      >>> rj.metrics.average_linkage(pairs, alike, 3, missing=0.0).similarities.tolist()
      [0.9, 0.4]
    """
    groups = _Groups(number, whose, kinds)
    for first, second in _rows(apart):
        groups.keep_apart(first, second)
    merged: list[tuple[int, int]] = []
    heights: list[float] = []

    def join(first: int, second: int, height: float) -> None:
        merged.append((first, second))
        heights.append(height)

    for first, second in [*_of_one(whose), *_rows(together)]:
        one, other = groups.of(first), groups.of(second)
        if one != other and groups.are_apart(one, other):
            raise UserError(f"Photos {first} and {second} are to be in one group, and apart.")
        if one != other:
            groups.join(one, other)
            join(first, second, np.inf)
    for first, second, similarity in _strongest(pairs, similarities, missing):
        groups.add(groups.of(first), groups.of(second), similarity - missing)
    heap = [
        (-groups.mean(one, other), one, other)
        for one, others in enumerate(groups.excess)
        for other in others
        if one < other
    ]
    heapq.heapify(heap)
    while heap:
        bound, one, other = heapq.heappop(heap)
        if groups.of(one) != one or groups.of(other) != other or groups.are_apart(one, other):
            continue
        mean = groups.mean(one, other)
        if mean < -bound:
            heapq.heappush(heap, (-mean, one, other))
            continue
        if mean > -bound:  # it was pushed again when it rose
            continue
        kept, changed = groups.join(one, other)
        join(one, other, missing + mean)
        for neighbour in changed:
            ends = (kept, neighbour) if kept < neighbour else (neighbour, kept)
            heapq.heappush(heap, (-groups.mean(*ends), *ends))
    return Merges(number, np.array(merged, int).reshape(-1, 2), np.array(heights, float))


def groups_at(merges: Merges, threshold: float) -> np.ndarray:
    """``(N,)`` int, the group of each photo when groups of that similarity and more are joined.

    Groups are numbered by their first photo.

    Example:
      >>> pairs, alike = np.array([[0, 1], [1, 2], [0, 2]]), np.array([0.9, 0.6, 0.2])
      >>> merges = rj.metrics.average_linkage(pairs, alike, 3, missing=0.0)
      >>> rj.metrics.groups_at(merges, 0.5).tolist()
      [0, 0, 1]
    """
    groups = _Groups(merges.number)
    for first, second in merges.photos[merges.similarities >= threshold]:
        groups.join(groups.of(int(first)), groups.of(int(second)))
    roots = np.array([groups.of(photo) for photo in range(merges.number)], int)
    _, first_photo, group = np.unique(roots, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first_photo))[group]


class _Groups:
    """Disjoint groups; of two that are joined the one with more neighbours gives its number."""

    def __init__(
        self, number: int, whose: np.ndarray | None = None, kinds: np.ndarray | None = None
    ) -> None:
        self.whose = [_NOBODY] * number if whose is None else whose.tolist()
        self.parent = list(range(number))
        self.size = [1] * number
        self.excess: list[dict[int, float]] = [{} for _ in range(number)]
        self.apart: list[set[int]] = [set() for _ in range(number)]
        self.kinds: list[dict[int, int]] | None = None
        if kinds is not None and len(np.unique(kinds[kinds != _NOBODY])) > 1:
            self.kinds = [{kind: 1} if kind != _NOBODY else {} for kind in kinds.tolist()]

    def of(self, photo: int) -> int:
        """The number of its group."""
        while self.parent[photo] != photo:
            self.parent[photo] = self.parent[self.parent[photo]]
            photo = self.parent[photo]
        return photo

    def mean(self, one: int, other: int) -> float:
        """How much the mean similarity of two groups is above `missing`."""
        return self.excess[one][other] / self._pairs(one, other)

    def _pairs(self, one: int, other: int) -> int:
        """Pairs of a photo of the one and a photo of the other that count."""
        pairs = self.size[one] * self.size[other]
        if self.kinds is None:
            return pairs
        mine, theirs = self.kinds[one], self.kinds[other]
        same = sum(number * theirs.get(kind, 0) for kind, number in mine.items())
        return max(pairs - sum(mine.values()) * sum(theirs.values()) + same, 1)

    def add(self, one: int, other: int, excess: float) -> None:
        """A pair of photos of two groups is that much more alike than a missing one."""
        if one != other:
            total = self.excess[one].get(other, 0.0) + excess
            self.excess[one][other] = self.excess[other][one] = total

    def are_apart(self, one: int, other: int) -> bool:
        """Whether two groups are never joined."""
        both = self.whose[one], self.whose[other]
        return other in self.apart[one] or (_NOBODY not in both and both[0] != both[1])

    def keep_apart(self, first: int, second: int) -> None:
        self.apart[first].add(second)
        self.apart[second].add(first)

    def join(self, one: int, other: int) -> tuple[int, list[int]]:
        """The number that is kept, and the neighbours whose sum of similarities changed."""
        kept, gone = (
            (one, other) if len(self.excess[one]) >= len(self.excess[other]) else (other, one)
        )
        self.parent[gone] = kept
        self.size[kept] += self.size[gone]
        self.whose[kept] = max(self.whose[kept], self.whose[gone])
        if self.kinds is not None:
            for kind, number in self.kinds[gone].items():
                self.kinds[kept][kind] = self.kinds[kept].get(kind, 0) + number
        changed = []
        for neighbour, excess in self.excess[gone].items():
            del self.excess[neighbour][gone]
            if neighbour != kept:
                self.add(kept, neighbour, excess)
                changed.append(neighbour)
        self.excess[gone] = {}
        for stranger in self.apart[gone]:
            self.apart[stranger].discard(gone)
            self.keep_apart(kept, stranger)
        self.apart[gone] = set()
        return kept, changed


def _of_one(whose: np.ndarray | None) -> list[tuple[int, int]]:
    """Each photo of whom it is known, with the one before it of the same."""
    last: dict[int, int] = {}
    pairs = []
    for photo, who in enumerate([] if whose is None else whose.tolist()):
        if who != _NOBODY:
            pairs += [(last[who], photo)] if who in last else []
            last[who] = photo
    return pairs


def _rows(pairs: np.ndarray | None) -> list[tuple[int, int]]:
    return [] if pairs is None else [(int(first), int(second)) for first, second in pairs]


def _strongest(
    pairs: np.ndarray, similarities: np.ndarray, missing: float
) -> list[tuple[int, int, float]]:
    """Each pair above `missing` once."""
    low, high = np.sort(np.asarray(pairs, int).reshape(-1, 2), axis=1).T
    alike = np.asarray(similarities, float)
    order = np.lexsort((-alike, high, low))
    low, high, alike = low[order], high[order], alike[order]
    first = np.ones(len(low), bool)
    first[1:] = (low[1:] != low[:-1]) | (high[1:] != high[:-1])
    kept = first & (alike > missing) & (low != high)
    return list(zip(low[kept].tolist(), high[kept].tolist(), alike[kept].tolist(), strict=True))
