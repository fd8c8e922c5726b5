"""Intervals that cover what they promise, and p-values that are wrong as seldom as they say."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import permutation_test

from reid_jax.ops import significance as s

GROUPS = (2, 3, 5, 10, 30)


@pytest.mark.parametrize(
    "number", [*GROUPS[:-1], *(pytest.param(n, marks=pytest.mark.exhaustive) for n in (30, 100))]
)
def test_of_equally_good_runs_one_is_called_better_in_five_of_a_hundred(number):
    """Three runs in two measures: six comparisons at once, and none of them is to be wrong."""
    rng = np.random.default_rng(number)
    trials = 1500 if number < 100 else 400
    sizes = 1 + rng.geometric(1 / 6, number)
    runs = rng.standard_normal((number, trials, 3, 2)) * sizes[:, None, None, None]
    pairs = [runs[:, :, i] - runs[:, :, j] for i, j in itertools.combinations(range(3), 2)]
    sums = np.stack(pairs, axis=2).reshape(number, -1)
    single = s.sign_flip_p_values(sums)
    together = s.holm(single.reshape(trials, 6))
    assert np.mean(single <= 0.05) < 0.056
    assert np.mean((together <= 0.05).any(axis=1)) < 0.065
    if number == 30:
        better = s.sign_flip_p_values(sums + sizes[:, None])
        assert np.mean(s.holm(better.reshape(trials, 6)) <= 0.05) > 0.5, "a difference is found"


@pytest.mark.parametrize("number", GROUPS[1:])
@pytest.mark.parametrize("shape", [(4, 2), (0.5, 0.5), (9, 1), None])
def test_intervals_cover_the_mean(number, shape):
    """Of skills between 0 and 1, some near the end, and of differences around 0."""
    rng = np.random.default_rng(number)
    trials = 1500
    sizes = (1 + rng.geometric(1 / 6, (trials, number))).astype(float)
    if shape is None:
        sums = rng.normal(0, 0.1, (trials, number)) * sizes + rng.normal(0, 0.2, sizes.shape)
        mean, bounds = 0.0, (-1.0, 1.0)
    else:
        sums = rng.binomial(sizes.astype(int), rng.beta(*shape, (trials, number))).astype(float)
        mean, bounds = shape[0] / sum(shape), (0.0, 1.0)
    low, high = s.group_interval(sums, sizes, bounds=bounds)
    assert np.mean((low <= mean) & (mean <= high)) > 0.93
    assert (low >= bounds[0]).all()
    assert (high <= bounds[1]).all()
    assert (high - low > 0).all()


def test_p_values_are_those_of_scipy():
    rng = np.random.default_rng(0)
    for number in (3, 6, 9):
        sums = rng.standard_normal((number, 2)) + 0.5
        expected = permutation_test(
            (sums,), np.sum, permutation_type="samples", n_resamples=np.inf, axis=0
        ).pvalue
        np.testing.assert_allclose(s.sign_flip_p_values(sums), expected)
    sums = rng.standard_normal((16, 3)) + 0.4
    exact = np.array(
        [
            np.mean(np.abs(signs @ sums) >= np.abs(sums.sum(axis=0)) - 1e-9, axis=0)
            for signs in [np.array(list(itertools.product([-1, 1], repeat=16)))]
        ]
    )[0]
    np.testing.assert_allclose(s.sign_flip_p_values(sums), exact, atol=0.015)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_is_that_of_the_paper(values):
    p = np.array(values)
    order = np.argsort(p, kind="stable")
    expected, highest = np.empty(len(p)), 0.0
    for step, place in enumerate(order):
        highest = max(highest, min(1.0, (len(p) - step) * p[place]))
        expected[place] = highest
    np.testing.assert_allclose(s.holm(p), expected)


def test_photos_of_one_individual_count_as_a_group():
    values = np.repeat(np.random.default_rng(0).random(10), 20)
    alone = s.mean_interval(values)
    grouped = s.mean_interval(values, np.repeat(np.arange(10), 20))
    assert grouped[1] - grouped[0] > 3 * (alone[1] - alone[0])
    wider = s.mean_interval(values, np.repeat(np.arange(10), 20), confidence=0.99)
    assert wider[0] < grouped[0] < values.mean() < grouped[1] < wider[1]


def test_too_few_groups_have_no_interval_and_agreement_is_no_certainty():
    assert np.isnan(s.mean_interval(np.array([0.4, 0.6]))).all()
    assert np.isnan(s.mean_interval(np.array([np.nan, 0.4, 0.6]))).all()
    assert np.isnan(s.mean_interval(np.array([]))).all()
    assert np.isnan(s.mean_interval(np.ones(50), np.zeros(50))).all()
    low, high = s.mean_interval(np.ones(5))  # as of Clopper and Pearson, one side
    assert (low, high) == (pytest.approx(0.025 ** (1 / 5)), 1.0)
    low, high = s.mean_interval(np.zeros(100), bounds=(-1, 1))
    assert low == pytest.approx(-high)
    assert 0.03 < high < 0.04
