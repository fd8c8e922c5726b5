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


def test_bootstrap_mean_covers_and_widens_with_clusters():
    covered = 0
    for trial in range(60):
        values = np.random.default_rng(trial).standard_normal(80) + 2
        low, high = v.bootstrap_mean(values, replicates=400, seed=trial)
        covered += low <= 2 <= high
    assert covered >= 50
    values = np.repeat(np.random.default_rng(0).standard_normal(10), 20)
    alone = v.bootstrap_mean(values)
    clustered = v.bootstrap_mean(values, np.repeat(np.arange(10), 20))
    assert clustered[1] - clustered[0] > 3 * (alone[1] - alone[0])
    assert v.bootstrap_mean(values, seed=3) == v.bootstrap_mean(values, seed=3)
    assert v.bootstrap_mean(np.array([1.0, np.nan])) == (1.0, 1.0)
    assert np.isnan(v.bootstrap_mean(np.array([np.nan]))[0])


def test_pair_scores_of_all_pairs():
    rng = np.random.default_rng(0)
    embeddings, labels = rng.standard_normal((12, 5)), np.array(list("aabbccddeeff"))
    for metric in ("cosine", "euclidean"):
        scores, same, pairs = v.pair_scores(embeddings, labels, metric=metric)
        assert len(scores) == 66
        assert same.sum() == 6
        for score, (i, j) in zip(scores, pairs, strict=True):
            assert i < j
            a, b = embeddings[i], embeddings[j]
            cosine = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
            expected = cosine if metric == "cosine" else -np.linalg.norm(a - b)
            assert score == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("max_pairs", [50, 400])
def test_sampled_pairs_are_distinct_seeded_and_half_same(max_pairs):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 15, 90)
    embeddings = rng.standard_normal((90, 3))
    scores, same, pairs = v.pair_scores(embeddings, labels, max_pairs, seed=1)
    assert len(scores) == len(np.unique(pairs, axis=0)) == max_pairs
    assert (pairs[:, 0] < pairs[:, 1]).all()
    np.testing.assert_array_equal(same, labels[pairs[:, 0]] == labels[pairs[:, 1]])
    all_same = sum(n * (n - 1) // 2 for n in np.bincount(labels))
    assert same.sum() == min(max_pairs // 2, all_same)
    np.testing.assert_array_equal(pairs, v.pair_scores(embeddings, labels, max_pairs, seed=1)[2])
    assert (pairs != v.pair_scores(embeddings, labels, max_pairs, seed=2)[2]).any()


def test_every_same_pair_can_be_drawn():
    labels = np.repeat(np.arange(4), [1, 2, 5, 30])
    _, same, pairs = v.pair_scores(np.eye(38), labels, 600)
    assert same.sum() == 300
    seen = {tuple(p) for p in pairs[same]}
    for seed in range(1, 12):
        _, same, pairs = v.pair_scores(np.eye(38), labels, 600, seed)
        seen |= {tuple(p) for p in pairs[same]}
    assert len(seen) == 1 + 10 + 435


@pytest.mark.parametrize("max_pairs", [19_500, 4_000])
def test_different_pairs_that_are_rare_are_found_at_once(max_pairs, monkeypatch):
    """Where one individual has nearly all photos, draws at random hit a new pair in vain."""
    monkeypatch.setattr(v, "_drawn_different_pairs", None)
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(21), [480] + [1] * 20))
    _, same, pairs = v.pair_scores(np.eye(500, 8), labels, max_pairs, seed=1)
    assert len(np.unique(pairs, axis=0)) == len(pairs) == max_pairs
    assert (pairs[:, 0] < pairs[:, 1]).all()
    np.testing.assert_array_equal(same, labels[pairs[:, 0]] == labels[pairs[:, 1]])
    assert (~same).sum() == min(max_pairs // 2, 480 * 20 + 190)
    reached = np.bincount(pairs[~same].ravel(), minlength=500)
    assert reached[labels > 0].min() > 0.8 * max_pairs / 40, "each single one has its share"


def test_no_different_pairs_and_an_unknown_metric():
    _, same, _ = v.pair_scores(np.eye(30), np.zeros(30), max_pairs=20)
    assert same.all()
    with pytest.raises(UserError, match="metric"):
        v.pair_scores(np.eye(3), np.arange(3), metric="dot")
