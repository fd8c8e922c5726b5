"""Average linkage over few pairs, beside SciPy's over all and a plain loop."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.cluster import hierarchy
from scipy.spatial.distance import squareform

from reid_jax.errors import UserError
from reid_jax.ops.grouping.linkage import average_linkage, groups_at


def drawn(seed: int, number: int) -> np.ndarray:
    """(N, N) similarities between 0 and 1, symmetric, no two the same."""
    alike = np.random.default_rng(seed).uniform(size=(number, number))
    return np.triu(alike, 1) + np.triu(alike, 1).T


def plain(alike, missing, apart=()):
    """Joins the most alike groups, all means anew each time; the groups at each similarity."""
    groups = [{photo} for photo in range(len(alike))]
    heights = []
    while True:
        best = (missing + 1e-9, None, None)
        for one in groups:
            for other in groups:
                if one is other or any({a, b} <= one | other for a, b in apart):
                    continue
                mean = np.mean([alike[a, b] for a in one for b in other])
                if mean > best[0]:
                    best = (mean, one, other)
        if best[1] is None:
            return heights, groups
        heights.append(best[0])
        groups = [one for one in groups if one not in best[1:]] + [best[1] | best[2]]


def as_groups(labels: np.ndarray) -> set[frozenset[int]]:
    return {frozenset(np.flatnonzero(labels == label).tolist()) for label in np.unique(labels)}


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.integers(2, 25), st.floats(0.05, 0.95))
def test_with_all_pairs_it_is_scipys(seed, number, threshold):
    alike = drawn(seed, number)
    pairs = np.stack(np.triu_indices(number, 1), axis=1)
    merges = average_linkage(pairs, alike[tuple(pairs.T)], number, missing=0.0)
    expected = hierarchy.linkage(squareform(1 - alike, checks=False), "average")
    np.testing.assert_allclose(1 - merges.similarities, expected[:, 2], atol=1e-12)
    groups = hierarchy.fcluster(expected, 1 - threshold, "distance")
    assert as_groups(groups_at(merges, threshold)) == as_groups(groups)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.integers(2, 12), st.floats(0.0, 0.6))
def test_what_is_missing_counts_as_missing(seed, number, missing):
    rng = np.random.default_rng(seed)
    alike = drawn(seed, number)
    alike[alike < rng.uniform(0, 0.9)] = missing
    alike = np.maximum(alike, missing)
    pairs = np.stack(np.triu_indices(number, 1), axis=1)
    pairs = pairs[alike[tuple(pairs.T)] > missing]
    apart = rng.integers(0, number, (3, 2))
    apart = apart[apart[:, 0] != apart[:, 1]]
    values = alike[tuple(pairs.T)]
    merges = average_linkage(pairs, values, number, missing=missing, apart=apart)
    heights, groups = plain(alike, missing, [tuple(pair) for pair in apart])
    np.testing.assert_allclose(merges.similarities, heights, atol=1e-12)
    assert as_groups(groups_at(merges, missing)) == {frozenset(group) for group in groups}


def test_together_comes_first_and_apart_holds_through_others():
    pairs, alike = np.array([[0, 1], [1, 2], [2, 3]]), np.array([0.9, 0.8, 0.7])
    kept = average_linkage(pairs, alike, 5, missing=0.0, together=np.array([[0, 4]]))
    assert kept.similarities[0] == np.inf
    assert groups_at(kept, 10.0).tolist() == [0, 1, 2, 3, 0]
    apart = np.array([[0, 2]])
    split = groups_at(average_linkage(pairs, alike, 5, missing=0.0, apart=apart), 0.1)
    assert split.tolist() == [0, 0, 1, 1, 2]
    together = np.array([[0, 1], [1, 2]])
    with pytest.raises(UserError, match="Photos 1 and 2 are to be in one group, and apart"):
        average_linkage(pairs, alike, 5, missing=0.0, together=together, apart=apart)


@pytest.mark.parametrize("number", [0, 1, 3])
def test_nobody_is_like_anybody(number):
    merges = average_linkage(np.zeros((0, 2), int), np.zeros(0), number, missing=0.0)
    assert groups_at(merges, 0.5).tolist() == list(range(number))


def test_a_pair_given_twice_counts_once_as_its_higher():
    pairs = np.array([[0, 1], [1, 0], [1, 1]])
    merges = average_linkage(pairs, np.array([0.3, 0.5, 0.9]), 2, missing=0.0)
    assert merges.similarities.tolist() == [0.5]


def by_loops(alike, kinds):
    """Average linkage in which pairs of two kinds are not counted, group after group."""
    groups, heights = [{n} for n in range(len(alike))], []
    while True:
        best, ends = 0.0, None
        for i, one in enumerate(groups):
            for other in groups[i + 1 :]:
                pairs = [
                    (a, b)
                    for a in one
                    for b in other
                    if -1 in kinds[[a, b]] or kinds[a] == kinds[b]
                ]
                mean = np.mean([alike[pair] for pair in pairs]) if pairs else 0.0
                if mean > best:
                    best, ends = mean, (one, other)
        if ends is None:
            return heights, groups
        heights.append(best)
        groups = [each for each in groups if each not in ends] + [ends[0] | ends[1]]


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.integers(2, 12))
def test_pairs_of_two_kinds_say_nothing(seed, number):
    rng = np.random.default_rng(seed)
    alike, kinds = drawn(seed, number), rng.integers(-1, 2, number)
    pairs = np.stack(np.triu_indices(number, 1), axis=1)
    same = (kinds[pairs[:, 0]] == kinds[pairs[:, 1]]) | (kinds[pairs] == -1).any(axis=1)
    pairs = pairs[same]
    merges = average_linkage(pairs, alike[tuple(pairs.T)], number, missing=0.0, kinds=kinds)
    heights, groups = by_loops(alike, kinds)
    np.testing.assert_allclose(merges.similarities, heights, atol=1e-12)
    assert as_groups(groups_at(merges, 0.0)) == {frozenset(group) for group in groups}
