"""Open-set measures against loops written from their definitions."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reid_jax import UserError
from reid_jax.individuals import rejection as ops
from reid_jax.individuals.open_set import evaluate_open_set


def queries(seed, number=80):
    """Quantised scores, so that known and unknown ones tie."""
    rng = np.random.default_rng(seed)
    true = rng.integers(0, 12, number)
    known = true < 8
    correct = known & (rng.random(number) < 0.7)
    scores = np.round(rng.standard_normal(number) + known + correct, 1)
    return scores, correct, true, known


@pytest.mark.parametrize("seed", range(4))
def test_measures_match_loops(seed):
    scores, correct, _, known = queries(seed)
    points = [(0.0, 0.0)]
    for t in sorted(set(scores), reverse=True):
        points.append(
            (np.mean(scores[~known] >= t), np.mean((scores >= t)[known] & correct[known]))
        )
    area = sum((x2 - x1) * (y1 + y2) / 2 for (x1, y1), (x2, y2) in itertools.pairwise(points))
    split = scores[known], correct[known], scores[~known]
    far, rate, ours = ops.oscr(*split)
    np.testing.assert_allclose(np.stack([far, rate], axis=1), points)
    assert ours == pytest.approx(area)
    for limit in (0.0, 0.05, 0.3, 1.0):
        best = max([y for x, y in points if x <= limit])
        assert ops.detection_identification_rate(*split, limit)[0] == pytest.approx(best)

    wins = [(k > u) + 0.5 * (k == u) for k in scores[known] for u in scores[~known]]
    assert ops.known_unknown_auroc(scores[known], scores[~known]) == pytest.approx(np.mean(wins))


def wildlife_balanced(true, answer, individuals, right):
    """As wildlife-datasets defines BAKS and BAUS: a mean over individuals of means over photos."""
    shares = []
    for individual in individuals:
        photos = [i for i in range(len(true)) if true[i] == individual]
        if photos:
            shares.append(sum(right(true[i], answer[i]) for i in photos) / len(photos))
    return sum(shares) / len(shares)


@pytest.mark.parametrize("seed", range(3))
def test_baks_and_baus(seed):
    scores, correct, true, known = queries(seed)
    answer = np.where(correct, true, (true + 1) % 8)
    answer = np.where(scores >= 1.0, answer, ops.UNKNOWN)
    expected = wildlife_balanced(true, answer, range(8), lambda t, a: t == a)
    assert ops.baks(true, answer, known) == pytest.approx(expected)
    expected = wildlife_balanced(true, answer, range(8, 12), lambda t, a: a == ops.UNKNOWN)
    assert ops.baus(true, answer, known) == pytest.approx(expected)
    assert np.isnan(ops.baks(true[~known], answer[~known], known[~known]))


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_calibrated_threshold_is_the_best_of_all(seed):
    scores, correct, true, known = queries(seed, 40)
    if known.all() or not known.any():
        return
    threshold, reached = ops.calibrate_threshold(scores, correct, true, known)

    def mean(t):
        answer = np.where(scores >= t, np.where(correct, true, 99), ops.UNKNOWN)
        return np.sqrt(ops.baks(true, answer, known) * ops.baus(true, answer, known))

    assert mean(threshold) == pytest.approx(reached, abs=1e-9)
    candidates = [*scores, scores.max() + 1, scores.min() - 1, *np.linspace(-4, 6, 50)]
    assert reached >= max(mean(t) for t in candidates) - 1e-9


def test_threshold_lies_in_the_gap():
    scores = np.array([0.9, 0.8, 0.3, 0.2])
    known = np.array([1, 1, 0, 0], bool)
    threshold, reached = ops.calibrate_threshold(scores, known, np.arange(4), known)
    assert threshold == pytest.approx(0.55)
    assert reached == 1.0
    with pytest.raises(UserError, match="of others"):
        ops.calibrate_threshold(scores, known, np.arange(4), np.ones(4, bool))


def test_evaluate_open_set_on_a_worked_example():
    gallery = np.eye(4)[:2]
    embeddings = np.array(
        [[1, 0, 0, 0], [0.6, 0, 0.8, 0], [1, 2, 0, 0], [0, 0, 0, 1], [0.8, 0, 0, 0.6]]
    )
    result = evaluate_open_set(
        embeddings,
        gallery,
        ["a", "a", "a", "new", "newer"],
        ["a", "b"],
        threshold=0.7,
        return_per_query=True,
    )
    np.testing.assert_allclose(
        result["per_query"]["score"], [1, 0.6, 2 / np.sqrt(5), 0, 0.8], atol=1e-6
    )
    np.testing.assert_array_equal(result["per_query"]["correct"], [1, 1, 0, 0, 0])
    assert result["baks"] == pytest.approx(1 / 3)  # one below the threshold, one taken for b
    assert result["baus"] == pytest.approx(1 / 2)
    assert result["geometric_mean"] == pytest.approx(np.sqrt(1 / 6))
    assert result["auroc"] == pytest.approx(5 / 6)
    assert result["dir@far=0.01"] == pytest.approx(1 / 3)
    assert result["closed_rank1"] == pytest.approx(2 / 3)
    assert (result["num_known"], result["num_unknown_individuals"]) == (3, 2)
    without = evaluate_open_set(embeddings, gallery, [0, 0, 0, 5, 6], [0, 1])
    assert "baks" not in without
    assert without["auroc"] == result["auroc"]


def test_evaluate_open_set_refuses():
    with pytest.raises(UserError, match="known and of unknown"):
        evaluate_open_set(np.eye(2), np.eye(2), ["a", "b"], ["a", "b"])
    with pytest.raises(UserError, match="ids"):
        evaluate_open_set(np.eye(2), np.eye(2), ["a"], ["a", "b"])
    with pytest.raises(UserError, match="text"):
        evaluate_open_set(np.eye(2), np.eye(2), [1, 2], ["a", "b"])


def test_an_individual_of_one_photo_that_is_searched_in_all_others_is_unknown():
    ids, rows = np.array([0, 0, 1, 2, 2]), np.arange(5)
    found = evaluate_open_set(
        np.eye(3)[ids],
        np.eye(3)[ids],
        ids,
        ids,
        threshold=0.5,
        query_index=rows,
        gallery_index=rows,
        return_per_query=True,
    )
    assert found["per_query"]["known"].tolist() == [True, True, False, True, True]
    assert found["num_unknown"] == 1
    assert found["closed_rank1"] == found["baks"] == found["baus"] == found["auroc"] == 1
