"""Keyframes and shots against trying everything."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reid_jax import UserError
from reid_jax.keyframes.selection import adaptive, knapsack, select_shots, to_frames, top_share

WHOLE = st.integers(-3, 9)
few = settings(max_examples=60, deadline=None)


@few
@given(
    st.lists(st.tuples(WHOLE, st.integers(1, 6)), min_size=1, max_size=8),
    st.integers(-1, 20),
)
def test_no_other_choice_of_items_is_worth_more(items, capacity):
    values, lengths = (np.array(column) for column in zip(*items, strict=True))
    taken = knapsack(values, lengths, capacity)
    assert lengths[taken].sum() <= max(capacity, 0)
    choices = np.array(list(itertools.product((0, 1), repeat=len(items))))
    fitting = choices[choices @ lengths <= max(capacity, 0)]
    assert values[taken].sum() == (fitting @ values).max()
    assert np.all(values[taken] > 0)


@few
@given(st.integers(0, 10_000))
def test_problems_side_by_side_are_solved_as_one_by_one(seed):
    rng = np.random.default_rng(seed)
    values, lengths = rng.random((2, 3, 7)), rng.integers(1, 6, 7)
    together = knapsack(values, lengths, 12)
    for i, k in np.ndindex(2, 3):
        np.testing.assert_array_equal(together[i, k], knapsack(values[i, k], lengths, 12))


def test_what_no_knapsack_can_be_made_of():
    with pytest.raises(ValueError, match="positive"):
        knapsack(np.ones(2), np.array([1, 0]), 3)
    with pytest.raises(ValueError, match="finite"):
        knapsack(np.array([1, np.nan]), np.array([1, 1]), 3)
    with pytest.raises(ValueError, match="whole lengths"):
        knapsack(np.ones(2), np.array([1.0, 2.0]), 3)
    assert knapsack(np.zeros(0), np.zeros(0, int), 5).shape == (0,)


def test_shots_are_valued_by_their_mean_and_taken_whole():
    shots = np.array([[0, 1], [2, 2], [3, 6], [7, 9]])
    scores = np.array([5, 5, 3, 9, 9, 9, 9, 1, 1, 1])
    summary = select_shots(scores, shots, 0.4)  # 4 frames: 5 + 3 in three frames, or 9 in four
    np.testing.assert_array_equal(np.flatnonzero(summary), [3, 4, 5, 6])
    summary = select_shots(scores, shots, 0.39)  # 3 frames
    np.testing.assert_array_equal(np.flatnonzero(summary), [0, 1, 2])
    assert not select_shots(scores, shots, 0.05).any()
    both = select_shots(np.stack([scores, scores[::-1]]), shots, 0.4)
    np.testing.assert_array_equal(both[0], select_shots(scores, shots, 0.4))
    with pytest.raises(ValueError, match="do not cover"):
        select_shots(scores, shots[:2])


@few
@given(st.lists(WHOLE, min_size=1, max_size=30), st.floats(0.01, 1))
def test_the_top_share_are_the_best(values, share):
    scores = np.array(values)
    top = top_share(scores, share)
    assert len(top) == max(1, round(share * len(scores)))
    assert np.all(np.diff(top) > 0)
    rest = np.setdiff1d(np.arange(len(scores)), top)
    if len(rest):
        worst = scores[top].min()
        assert scores[rest].max() <= worst
        assert not np.any(rest[scores[rest] == worst] < top[scores[top] == worst].max())


@few
@given(st.lists(st.tuples(WHOLE, st.integers(1, 50)), min_size=1, max_size=30), st.floats(0.01, 1))
def test_the_top_share_by_weight(rows, share):
    scores, weights = np.array(rows).T
    top = top_share(scores, share, weights)
    best = sorted(range(len(rows)), key=lambda i: (-scores[i], i))
    sums = [sum(weights[i] for i in best[:n]) for n in range(1, len(rows) + 1)]
    nearest = min(abs(total - share * weights.sum()) for total in sums)
    assert abs(weights[top].sum() - share * weights.sum()) == pytest.approx(nearest)
    assert sorted(best[: len(top)]) == top.tolist()


def test_a_score_holds_until_the_next_pick():
    spread = to_frames(np.array([1.0, 2.0, 3.0]), np.array([1, 3, 4]), 7)
    assert spread.tolist() == [0, 1, 1, 2, 3, 3, 3]
    assert to_frames(np.array([2.0]), np.array([0]), 3).tolist() == [2, 2, 2]


def greedy(scores, positions, scenes, count, per_scene, spacing, deviations):
    """The same in plain words: go through the frames, best first."""
    threshold = min(np.mean(scores) + deviations * np.std(scores), max(scores))
    chosen = []
    for i in sorted(range(len(scores)), key=lambda i: (-scores[i], i)):
        if count is None and scores[i] < threshold:
            continue
        if count is not None and len(chosen) == count:
            break
        own = [s for s, (a, b) in enumerate(scenes) if a <= positions[i] <= b]
        same = [
            j
            for j in chosen
            if [s for s, (a, b) in enumerate(scenes) if a <= positions[j] <= b] == own
        ]
        far = all(abs(positions[i] - positions[j]) >= spacing for j in chosen)
        if far and (per_scene is None or len(same) < per_scene):
            chosen.append(i)
    return sorted(chosen)


@few
@given(
    st.lists(st.integers(0, 6), min_size=1, max_size=25),
    st.lists(st.integers(1, 60), max_size=4, unique=True),
    st.one_of(st.none(), st.integers(1, 8)),
    st.one_of(st.none(), st.integers(1, 3)),
    st.integers(0, 9),
    st.sampled_from([-1.0, 0.0, 1.0, 5.0]),
)
def test_adaptive_keyframes(values, cuts, count, per_scene, spacing, deviations):
    scores = np.array(values, float)
    positions = 3 * np.arange(len(scores))
    starts = [0, *sorted(cuts)]
    scenes = np.array([(a, b - 1) for a, b in zip(starts, [*starts[1:], 100], strict=True)])
    arguments = {"count": count, "per_scene": per_scene, "spacing": spacing}
    found = adaptive(
        scores, positions=positions, scenes=scenes, deviations=deviations, **arguments
    ).tolist()
    assert found == greedy(scores, positions, scenes, **arguments, deviations=deviations)
    assert found


def test_constant_scores_give_the_first_of_each_scene():
    scenes = np.array([[0, 3], [4, 9]])
    assert adaptive(np.ones(10), scenes=scenes, per_scene=1).tolist() == [0, 4]
    assert adaptive(np.ones(1)).tolist() == [0]


@pytest.mark.parametrize("choose", [top_share, adaptive])
def test_scores_that_nothing_can_be_chosen_from(choose):
    with pytest.raises(UserError, match="there is none"):
        choose(np.zeros(0))
    with pytest.raises(UserError, match="1 of 3 scores are not finite"):
        choose(np.array([0, np.nan, 1]))


def test_numbers_out_of_range():
    for share in (0, 1.1, np.nan):
        with pytest.raises(UserError, match="share"):
            top_share(np.ones(3), share)
    with pytest.raises(UserError, match="1 or more"):
        adaptive(np.ones(3), count=0)
    with pytest.raises(UserError, match="spacing"):
        adaptive(np.ones(3), spacing=-1)
