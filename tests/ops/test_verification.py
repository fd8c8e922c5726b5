"""Verification measures against scikit-learn and plain loops."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reid_jax import UserError
from reid_jax.ops import verification as v


def tied(seed, number=200, levels=12):
    rng = np.random.default_rng(seed)
    same = rng.random(number) < 0.3
    return np.round((rng.standard_normal(number) + same) * levels / 6) / levels, same


@pytest.mark.parametrize("seed", range(5))
def test_curves_match_scikit_learn(seed):
    metrics = pytest.importorskip("sklearn.metrics")
    scores, same = tied(seed)
    far, tar, thresholds = v.roc_curve(scores, same)
    reference = metrics.roc_curve(same, scores, drop_intermediate=False)
    for ours, theirs in zip((far, tar, thresholds), reference, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-12)
    assert v.roc_auc(scores, same) == pytest.approx(metrics.roc_auc_score(same, scores), abs=1e-12)
    assert v.average_precision(scores, same) == pytest.approx(
        metrics.average_precision_score(same, scores), abs=1e-12
    )
    threshold = v.best_f1(scores, same)[1]
    np.testing.assert_array_equal(
        v.confusion_matrix(scores, same, threshold),
        metrics.confusion_matrix(same, scores >= threshold),
    )
    assert v.best_f1(scores, same)[0] == pytest.approx(
        max(metrics.f1_score(same, scores >= t) for t in np.unique(scores)), abs=1e-12
    )


@pytest.mark.parametrize("seed", range(3))
def test_measures_match_plain_loops(seed):
    scores, same = tied(seed, 60)
    positives, negatives = scores[same], scores[~same]
    wins = [(a > b) + 0.5 * (a == b) for a in positives for b in negatives]
    assert v.roc_auc(scores, same) == pytest.approx(np.mean(wins))
    for limit in (0.0, 0.1, 0.5, 1.0):
        best = 0.0
        for threshold in [*np.unique(scores), np.inf]:
            if np.mean(negatives >= threshold) <= limit:
                best = max(best, np.mean(positives >= threshold))
        rate, threshold = v.tar_at_far(scores, same, limit)
        assert rate == pytest.approx(best)
        assert np.mean(positives >= threshold) == pytest.approx(rate)


def test_equal_error_rate():
    assert v.equal_error_rate(np.array([2.0, 1.0]), np.array([True, False])) == 0.0
    assert v.equal_error_rate(np.array([1.0, 2.0]), np.array([True, False])) == 1.0
    assert v.equal_error_rate(np.zeros(4), np.array([1, 0, 1, 0], bool)) == pytest.approx(0.5)
    # One of four false rejects exactly where one of four is falsely accepted.
    scores = np.array([8, 7, 6, 4, 5, 3, 2, 1.0])
    assert v.equal_error_rate(scores, np.array([1, 1, 1, 1, 0, 0, 0, 0], bool)) == pytest.approx(
        0.25
    )


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=15, deadline=None)
def test_order_and_monotone_maps_do_not_matter(seed):
    scores, same = tied(seed, 50)
    same[0], same[1] = True, False
    order = np.random.default_rng(seed).permutation(50)
    for measure in (v.roc_auc, v.average_precision, v.equal_error_rate):
        value = measure(scores, same)
        assert measure(scores[order], same[order]) == pytest.approx(value, abs=1e-12)
        assert measure(np.exp(scores) * 3, same) == pytest.approx(value, abs=1e-12)


def test_one_kind_of_pair_missing_is_nan():
    scores, none = np.arange(4.0), np.zeros(4, bool)
    assert np.isnan(v.roc_auc(scores, none))
    assert np.isnan(v.roc_auc(scores, ~none))
    assert np.isnan(v.average_precision(scores, none))
    assert np.isnan(v.equal_error_rate(scores, none))
    assert np.isnan(v.tar_at_far(scores, none, 0.1)[0])
    with pytest.raises(UserError, match="at least one pair"):
        v.roc_auc(np.zeros(0), np.zeros(0, bool))
