"""Groups of drawn embeddings: what is compared, what is known before, what is sure and asked."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reid_jax import UserError
from reid_jax.individuals.gallery.grouping.constraints import (
    NOBODY,
    in_a_burst,
    named,
    of_one_photo,
)
from reid_jax.individuals.gallery.grouping.grouped import group
from reid_jax.individuals.gallery.grouping.groups import groups_of
from reid_jax.individuals.gallery.grouping.near import Near, nearest
from reid_jax.individuals.gallery.grouping.scores import _explained_by_chance, scored
from reid_jax.individuals.gallery.grouping.threshold import by_names
from reid_jax.ops.grouping.linkage import average_linkage

NO_PAIRS = np.zeros((0, 2), np.int64)


def drawn(individuals: int, each: int, noise: float = 0.1, seed: int = 0):
    """Embeddings (N, 64) of photos around a point for each individual, and whose they are."""
    rng = np.random.default_rng(seed)
    whose = np.repeat(np.arange(individuals), each)
    z = rng.normal(size=(individuals, 64))[whose] + noise * rng.normal(size=(len(whose), 64))
    return (z / np.linalg.norm(z, axis=1, keepdims=True)).astype(np.float32), whose


def grouped(near, kind="none", whose=None, apart=NO_PAIRS, together=NO_PAIRS, threshold=None):
    whose = np.full(near.number, NOBODY) if whose is None else whose
    known = {"whose": whose, "apart": apart, "together": together, "threshold": threshold}
    return group(near, kind, metric="cosine", **known)


def same_division(one, other):
    return np.array_equal(one[:, None] == one[None], other[:, None] == other[None])


def test_each_photo_is_compared_with_its_nearest_once():
    z, _ = drawn(4, 5)
    near = nearest(z, "cosine", 3)
    alike = z @ z.T
    np.fill_diagonal(alike, -2)
    wanted = {
        tuple(sorted((row, int(other))))
        for row in range(len(z))
        for other in np.argsort(-alike[row])[:3]
    }
    assert {tuple(pair) for pair in near.pairs.tolist()} == wanted
    np.testing.assert_allclose(near.network, alike[tuple(near.pairs.T)], atol=1e-6)


def test_drawn_animals_are_grouped_exactly():
    z, whose = drawn(12, 6)
    found = grouped(nearest(z, "cosine", 20))
    assert same_division(found.groups.of, whose)
    assert [len(rows) for rows in found.members] == [6] * 12
    assert not found.sure.any()  # a network alone is not believed
    assert "45% of how alike half of the photos are" in found.notes[1]


@pytest.mark.parametrize("number", [1, 2])
def test_one_photo_and_two_equal_ones(number):
    found = grouped(nearest(np.ones((number, 4), np.float32) / 2, "cosine"))
    assert found.groups.of.tolist() == [0] * number
    assert found.groups.sizes.tolist() == [number]


def test_without_neighbours_everybody_is_alone():
    near = Near(3, NO_PAIRS, np.zeros(0, np.float32), np.zeros(5, np.float32))
    found = grouped(near)
    assert sorted(found.groups.of.tolist()) == [0, 1, 2]
    assert found.groups.doubts == ()
    assert not found.sure.any()


PILES = st.integers(0, 10_000).map(np.random.default_rng)


@settings(deadline=None, max_examples=40)
@given(PILES, st.integers(2, 14), st.floats(0.05, 0.95))
def test_names_and_what_is_apart_are_kept_to(rng, number, threshold):
    pairs = np.stack(np.triu_indices(number, 1), axis=1)
    near = Near(number, pairs, rng.uniform(size=len(pairs)).astype(np.float32), np.zeros(1))
    whose = rng.integers(-1, 3, number)
    some = pairs[rng.permutation(len(pairs))[:3]]
    apart = np.array([p for p in some.tolist() if -1 in whose[p]], np.int64).reshape(-1, 2)
    together = pairs[rng.permutation(len(pairs))[:4]]
    of = grouped(near, "none", whose, apart, together, threshold).groups.of
    for one, other in pairs.tolist():
        if NOBODY not in (whose[one], whose[other]):
            assert (of[one] == of[other]) == (whose[one] == whose[other])
    assert all(of[one] != of[other] for one, other in apart.tolist())


def test_bursts_are_joined_unless_names_are_against_it():
    near = Near(4, np.array([[0, 1]]), np.array([0.1], np.float32), np.zeros(1, np.float32))
    together = np.array([[1, 2], [2, 3]])
    assert grouped(near, together=together, threshold=0.5).groups.of.tolist() == [1, 0, 0, 0]
    whose = np.array([NOBODY, 0, NOBODY, 1])
    of = grouped(near, whose=whose, together=together, threshold=0.5).groups.of
    assert of[1] != of[3]
    assert of[2] in (of[1], of[3])


def test_parts_of_one_photo_and_bursts():
    paths = ["a.jpg#xywh=0,0,5,5", "b.jpg", "a.jpg#xywh=5,0,5,5", "c.jpg", "d.jpg", "e.jpg"]
    assert of_one_photo(paths).tolist() == [[0, 2]]
    times = ["2021-05-01T10:00:00", "2021-05-01T10:00:03", "2021-05-01T10:00:00"]
    dates = np.array([*times, "2021-05-01T10:00:09", "2021-05-01", "NaT"], "datetime64[s]")
    cameras = np.full(6, "")
    pairs = in_a_burst(dates, cameras, paths, 3.0)
    assert {tuple(sorted(pair)) for pair in pairs.tolist()} == {(0, 1), (1, 2)}
    pairs = in_a_burst(dates, cameras, paths, 6.0)
    assert (1, 3) in {tuple(sorted(pair)) for pair in pairs.tolist()}
    assert not len(in_a_burst(dates, np.array(list("abcdef")), paths, 6.0))
    assert named(["Luna", "unknown", "Tom", "Luna", ""]).tolist() == [0, -1, 1, 0, -1]


def test_two_names_in_one_photo_that_say_the_same_are_a_contradiction_that_is_named():
    near = nearest(drawn(2, 2)[0], "cosine")
    with pytest.raises(UserError, match="Photos 0 and 1 are to be in one group, and apart"):
        grouped(near, whose=np.array([0, 0, 1, 1]), apart=np.array([[0, 1]]))


def test_links_inside_and_outside_and_what_is_asked_first():
    pairs = np.array([[0, 1], [0, 2], [1, 2], [2, 3], [3, 4], [5, 6]])
    scores = np.array([0.9, 0.5, 0.7, 0.6, 0.8, 0.31])
    merges = average_linkage(pairs, scores, 7, missing=0.0)
    found = groups_of(merges, 0.15, pairs, scores, 0.0)
    assert found.of.tolist() == [0, 0, 0, 1, 1, 2, 2]
    np.testing.assert_allclose(found.inside, [0.6, 0.8, 0.31])
    np.testing.assert_allclose(found.outside, [0.1, 0.1, 0.0])  # 0.6 over six pairs
    (asked,) = found.doubts  # the others are far from the threshold
    assert {asked.first, asked.second} == {2, 3}
    assert (asked.together, asked.changes) == (False, 6)
    assert (asked.link, asked.weight) == (pytest.approx(0.1), pytest.approx(3.0))
    joined = groups_of(merges, 0.05, pairs, scores, 0.0)
    assert joined.of.tolist() == [0, 0, 0, 0, 0, 1, 1]
    assert joined.doubts[0].together
    assert set(joined.doubts[0].part) == {3, 4}
    assert asked.part == ()
    assert joined.doubts[0].changes == 6


def test_what_chance_explains_is_the_slope_of_a_convex_hull():
    rng = np.random.default_rng(3)
    chance, strong = rng.exponential(size=400), -np.sort(-rng.exponential(size=60) * 3)
    start, end = np.quantile(chance, [0.6, 0.8])
    slope = np.log(2) / (end - start)
    tails = [
        0.4 * np.exp(-(value - start) * slope) if value > start else np.mean(chance >= value)
        for value in strong
    ]
    given = [0.0, *(1 + 60 * tail for tail in tails)]
    # The slope of the largest convex curve below, at each place: a max of mins of chords.
    expected = [
        max(
            min((given[b] - given[a]) / (b - a) for b in range(place + 1, 61))
            for a in range(place + 1)
        )
        for place in range(60)
    ]
    found = _explained_by_chance(strong, chance)
    np.testing.assert_allclose(found, np.minimum(expected, 1), rtol=1e-6)


def test_points_that_agree_stand_out_from_chance_and_make_sure_groups():
    z, whose = drawn(10, 4, noise=3.0)
    near = nearest(z, "cosine", 39)
    rng = np.random.default_rng(0)
    same = whose[near.pairs[:, 0]] == whose[near.pairs[:, 1]]
    agreement = rng.exponential(0.1, len(same)) + 2.0 * same
    near = Near(40, near.pairs, near.network, near.drawn, agreement, rng.exponential(0.1, 1000))
    for kind in ("local", "fused"):
        found = grouped(near, kind)
        assert same_division(found.groups.of, whose)
        assert found.sure.all()
        assert "of 780 pairs stand out" in found.notes[1]
    weak = Near(40, near.pairs, near.network, near.drawn, agreement[::-1] * 0, rng.random(1000))
    found = grouped(weak, "local")
    assert not found.sure.any()
    assert "not to be relied on" in found.notes[1]


def test_names_calibrate_evidence_and_choose_the_threshold():
    z, whose = drawn(12, 12, noise=0.4)
    some = np.where(np.arange(len(whose)) % 2, NOBODY, whose)
    near = nearest(z, "cosine", 40)
    found = scored(near, "none", some, "cosine")
    assert found.basis == "names"
    same = whose[near.pairs[:, 0]] == whose[near.pairs[:, 1]]
    assert found.scores[same].mean() > 0.8 > 0.2 > found.scores[~same].mean()
    chosen = grouped(near, "none", some)
    assert same_division(chosen.groups.of, whose)
    assert "divides the 72 photos with names best" in chosen.notes[1]
    merges = average_linkage(near.pairs, found.scores, len(z), missing=0.0)
    assert by_names(merges, whose).value == pytest.approx(chosen.threshold, abs=0.3)
