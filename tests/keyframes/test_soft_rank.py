"""Losses by value and by order: against SciPy, plain loops and finite differences."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata, spearmanr

from reid_jax.keyframes import soft_rank

LENGTH = 7
ALL = np.ones((1, LENGTH), bool)
LOSSES = {
    "spearman": lambda s, t, m: soft_rank.spearman_loss(s, t, m, temperature=0.3),
    "listnet": lambda s, t, m: soft_rank.listnet_loss(s, t, m, temperature=0.3),
    "pairwise": lambda s, t, m: soft_rank.pairwise_loss(s, t, m, temperature=0.3),
    "mse": soft_rank.squared_error,
}
COMPILED = {name: jax.jit(loss) for name, loss in LOSSES.items()}
GRADIENTS = {
    name: jax.jit(jax.grad(lambda s, t, m, loss=loss: loss(s, t, m)[0]))
    for name, loss in LOSSES.items()
}
levels = st.lists(st.integers(0, 4), min_size=LENGTH, max_size=LENGTH)
soft_ranks = jax.jit(lambda s, m: soft_rank.soft_ranks(s, m, temperature=1e-4))
soft_spearman = jax.jit(lambda s, t, m: soft_rank.soft_spearman(s, t, m, temperature=1e-4))
exact_ranks = jax.jit(soft_rank.exact_ranks)


def row(values):
    return jnp.asarray(values, jnp.float32)[None]


@settings(deadline=None, max_examples=30)
@given(levels, levels, st.integers(1, LENGTH))
def test_soft_ranks_become_exact_ranks_and_rho_becomes_spearmans(scores, targets, length):
    mask = jnp.arange(LENGTH)[None] < length
    expected = rankdata(scores[:length])
    np.testing.assert_allclose(exact_ranks(row(scores), mask)[0, :length], expected)
    np.testing.assert_allclose(soft_ranks(row(scores), mask)[0, :length], expected, atol=1e-3)
    assert not np.any(exact_ranks(row(scores), mask)[0, length:])
    rho, defined = soft_spearman(row(scores), row(targets), mask)
    assert defined[0] == (len(set(targets[:length])) > 1)
    if len(set(targets[:length])) > 1 and len(set(scores[:length])) > 1:
        published = spearmanr(scores[:length], targets[:length]).statistic
        np.testing.assert_allclose(rho[0], published, atol=1e-3)
    else:
        np.testing.assert_allclose(rho[0], 0.0, atol=1e-3)


def reference(name, scores, targets):
    """The four losses of one sequence by plain loops: (sum, count)."""
    n, tau = len(scores), 0.3
    if name == "mse":
        return sum((s - t) ** 2 for s, t in zip(scores, targets, strict=True)), n
    if name == "listnet":
        wanted = np.exp(targets / tau) / np.exp(targets / tau).sum()
        predicted = np.exp(scores / tau) / np.exp(scores / tau).sum()
        return -sum(w * math.log(p) for w, p in zip(wanted, predicted, strict=True)), 1
    if name == "pairwise":
        terms = [
            math.log1p(math.exp(-(scores[i] - scores[j]) / tau))
            for i in range(n)
            for j in range(n)
            if targets[i] > targets[j]
        ]
        return (sum(terms) / len(terms), 1) if terms else (0.0, 0)
    ranks = [
        0.5 + sum(1 / (1 + math.exp(-(scores[i] - scores[j]) / tau)) for j in range(n))
        for i in range(n)
    ]
    return 1 - np.corrcoef(ranks, rankdata(targets))[0, 1], 1


@pytest.mark.parametrize("name", LOSSES)
def test_losses_equal_plain_loops(name, key):
    scores = jax.random.uniform(key, (3, LENGTH))
    targets = jnp.round(jax.random.uniform(jax.random.fold_in(key, 1), (3, LENGTH)) * 4) / 4
    total, count = COMPILED[name](scores, targets, jnp.ones((3, LENGTH), bool))
    rows = [
        reference(name, np.asarray(s, np.float64), np.asarray(t, np.float64))
        for s, t in zip(scores, targets, strict=True)
    ]
    np.testing.assert_allclose(total, sum(r[0] for r in rows), rtol=1e-4)
    assert count == sum(r[1] for r in rows)


@pytest.mark.parametrize("name", LOSSES)
def test_padding_changes_nothing_and_gets_no_gradient(name, key):
    scores = jax.random.uniform(key, (2, LENGTH))
    targets = jax.random.uniform(jax.random.fold_in(key, 1), (2, LENGTH))
    mask = jnp.asarray([[True] * 5 + [False] * 2, [False] * LENGTH])
    other = jnp.where(mask, scores, 9.0), jnp.where(mask, targets, -3.0)
    np.testing.assert_allclose(
        COMPILED[name](scores, targets, mask), COMPILED[name](*other, mask), rtol=1e-6
    )
    alone = LOSSES[name](scores[:1, :5], targets[:1, :5], mask[:1, :5])
    np.testing.assert_allclose(COMPILED[name](scores, targets, mask), alone, rtol=1e-5)
    gradient = GRADIENTS[name](scores, targets, mask)
    assert not np.any(np.asarray(gradient)[~np.asarray(mask)])
    assert np.any(np.asarray(gradient)[np.asarray(mask)])


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_equal_finite_differences(name):
    with jax.enable_x64(True):
        rng = np.random.default_rng(0)
        scores, targets = jnp.asarray(rng.random((1, LENGTH))), jnp.asarray(rng.random((1, LENGTH)))
        mask = jnp.asarray(ALL).at[0, -1].set(False)
        gradient = jax.grad(lambda s: LOSSES[name](s, targets, mask)[0])(scores)
        for i in range(LENGTH):
            step = np.zeros((1, LENGTH))
            step[0, i] = 1e-6
            up, down = (LOSSES[name](scores + sign * step, targets, mask)[0] for sign in (1, -1))
            np.testing.assert_allclose(gradient[0, i], (up - down) / 2e-6, atol=1e-7)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("scores", [[0.5] * LENGTH, [0.0, 1.0] + [0.5] * 5])
def test_nothing_to_order_is_no_loss_and_never_nan(name, scores):
    targets = row([0.25] * LENGTH)
    total, count = COMPILED[name](row(scores), targets, jnp.asarray(ALL))
    gradient = GRADIENTS[name](row(scores), targets, jnp.asarray(ALL))
    assert np.all(np.isfinite(total))
    assert np.all(np.isfinite(gradient))
    if name in ("spearman", "pairwise"):
        assert total == count == 0
        assert not np.any(gradient)


def test_equal_scores_still_learn_an_order():
    targets = row(np.arange(LENGTH))
    gradient = GRADIENTS["spearman"](row([0.5] * LENGTH), targets, jnp.asarray(ALL))
    assert np.all(np.isfinite(gradient))
    assert gradient[0, 0] > 0 > gradient[0, -1]
