"""Pairs of a query and a gallery photo: which there are, which are drawn, how alike they are."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reid_jax import UserError
from reid_jax.individuals.photo_pairs import choose_pairs, score_pairs
from reid_jax.ops.ranking.matching import retrieval_rules


def allowed(labels, query, gallery, camera, day):
    """All pairs by a loop: unordered, none left out by index, camera or day."""
    several = len({c for c in camera if c}) > 1
    found = {}
    for q in query:
        for g in gallery:
            same = labels[q] == labels[g]
            by_one = several and camera[q] and camera[q] == camera[g]
            one_day = not np.isnat(day[q]) and day[q] == day[g]
            if q != g and not (same and (by_one or one_day)):
                found[min(q, g), max(q, g)] = same
    return found


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_pairs_match_a_loop(data):
    number = data.draw(st.integers(2, 14))

    def column(values):
        return np.array(data.draw(st.lists(values, min_size=number, max_size=number)))

    labels = column(st.integers(0, 3))
    camera = column(st.sampled_from(["", "a", "b"]))
    day = np.datetime64("2020-01-01") + column(st.integers(0, 2)).astype("timedelta64[D]")
    day[column(st.booleans())] = np.datetime64("NaT")
    sides = [
        np.array(sorted(data.draw(st.sets(st.integers(0, number - 1), min_size=1))))
        for _ in range(2)
    ]
    columns = {"camera": camera, "date": day}
    rules = retrieval_rules(labels, *sides, columns, other_day=True)
    pairs, same = choose_pairs(**rules)
    rows = np.stack([sides[0][pairs[:, 0]], sides[1][pairs[:, 1]]], axis=1)
    found = {
        tuple(sorted(pair)): bool(is_same)
        for pair, is_same in zip(rows.tolist(), same, strict=True)
    }
    assert len(found) == len(pairs)
    assert found == allowed(labels, *sides, camera, day)


def test_scores_of_pairs():
    rng = np.random.default_rng(0)
    queries, gallery = rng.standard_normal((12, 5)), rng.standard_normal((9, 5))
    pairs, same = choose_pairs(np.array(list("aabbccddeeff")), np.array(list("abcabcabc")))
    assert len(pairs) == 108
    assert same.sum() == 18
    for metric in ("cosine", "euclidean"):
        for score, (i, j) in zip(score_pairs(queries, gallery, pairs, metric), pairs, strict=True):
            a, b = queries[i], gallery[j]
            cosine = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
            expected = cosine if metric == "cosine" else -np.linalg.norm(a - b)
            assert score == pytest.approx(expected, abs=1e-5)
    with pytest.raises(UserError, match="metric"):
        score_pairs(queries, gallery, pairs, "dot")


@pytest.mark.parametrize("max_pairs", [50, 400])
def test_sampled_pairs_are_distinct_seeded_and_half_same(max_pairs):
    labels = np.random.default_rng(0).integers(0, 15, 90)
    rules = retrieval_rules(labels, np.arange(90), np.arange(90), {})
    pairs, same = choose_pairs(**rules, max_pairs=max_pairs, seed=1)
    assert len(np.unique(np.sort(pairs, axis=1), axis=0)) == len(pairs) == max_pairs
    assert (pairs[:, 0] < pairs[:, 1]).all()
    np.testing.assert_array_equal(same, labels[pairs[:, 0]] == labels[pairs[:, 1]])
    all_same = sum(n * (n - 1) // 2 for n in np.bincount(labels))
    assert same.sum() == min(max_pairs // 2, all_same)
    again, _ = choose_pairs(**rules, max_pairs=max_pairs, seed=1)
    np.testing.assert_array_equal(pairs, again)
    assert (pairs != choose_pairs(**rules, max_pairs=max_pairs, seed=2)[0]).any()


def test_every_same_pair_is_drawn_alike():
    labels = np.repeat(np.arange(4), [1, 2, 5, 30])
    rules = retrieval_rules(labels, np.arange(38), np.arange(38), {})
    drawn = np.zeros((38, 38))
    for seed in range(60):
        pairs, same = choose_pairs(**rules, max_pairs=300, seed=seed)
        assert same.sum() == 150
        drawn[pairs[same, 0], pairs[same, 1]] += 1
    counts = drawn[np.triu(labels[:, None] == labels, 1)]
    assert len(counts) == 1 + 10 + 435
    expected = 60 * 150 / 446
    assert counts.min() > 0
    assert np.sum((counts - expected) ** 2 / expected) < 446 * 1.3  # chi squared


@pytest.mark.parametrize("max_pairs", [19_500, 4_000])
def test_different_pairs_that_are_rare_are_found(max_pairs):
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(21), [480] + [1] * 20))
    rules = retrieval_rules(labels, np.arange(500), np.arange(500), {})
    pairs, same = choose_pairs(**rules, max_pairs=max_pairs, seed=1)
    assert len(np.unique(pairs, axis=0)) == len(pairs) == max_pairs
    np.testing.assert_array_equal(same, labels[pairs[:, 0]] == labels[pairs[:, 1]])
    assert (~same).sum() == min(max_pairs // 2, 480 * 20 + 190)
    reached = np.bincount(pairs[~same].ravel(), minlength=500)
    assert reached[labels > 0].min() > 0.8 * (~same).sum() / 21, "each single one has its share"


def test_a_hundred_thousand_photos_in_bounded_memory():
    labels = np.arange(100_000) // 5
    everything = np.arange(100_000)
    pairs, same = choose_pairs(**retrieval_rules(labels, everything, everything, {}))
    assert len(pairs) == 100_000
    assert same.sum() == 50_000
    one = np.zeros(20_000, int)
    pairs, same = choose_pairs(one, one)
    assert same.all()
    assert len(pairs) == 100_000
