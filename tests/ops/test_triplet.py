import functools

import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reid_jax.errors import UserError
from reid_jax.ops.losses.triplet import semi_hard_negatives, triplet_loss
from reid_jax.ops.mining.blockwise import hardest
from tests.loss_cases import (
    CASES,
    check_against,
    distance,
    negatives_of,
    positives_of,
    value_and_gradient,
)


def _mined(embeddings, labels, mask, margin, mining):
    """The triplets (a, p, n), one loop per symbol of the definition."""
    for a in range(len(labels)):
        positives, negatives = positives_of(a, labels, mask), negatives_of(a, labels, mask)
        if not positives or not negatives:
            continue

        def d(i, a=a):
            return distance(embeddings[a], embeddings[i])

        if mining == "hard":
            yield a, max(positives, key=d), min(negatives, key=d)
        for p in positives:
            if mining == "all":
                yield from ((a, p, n) for n in negatives)
            if mining == "semi_hard":
                semi_hard = [n for n in negatives if d(p) < d(n) < d(p) + margin]
                yield a, p, min(semi_hard or negatives, key=d)


def _reference(embeddings, labels, mask, *, margin, mining, mean_over="nonzero"):
    total, count = 0.0, 0
    for a, p, n in _mined(embeddings, labels, mask, margin, mining):
        difference = distance(embeddings[a], embeddings[p]) - distance(embeddings[a], embeddings[n])
        cost = np.logaddexp(0, difference) if margin is None else max(0.0, difference + margin)
        total += cost
        count += cost > 0 or mining != "all" or mean_over == "valid"
    return total, count


VARIANTS = [
    {"mining": "all", "margin": 0.3},
    {"mining": "all", "margin": 2.0, "mean_over": "valid"},
    {"mining": "all", "margin": None},
    {"mining": "hard", "margin": 0.3},
    {"mining": "hard", "margin": None},
    {"mining": "semi_hard", "margin": 0.3},
    {"mining": "semi_hard", "margin": 2.0},
]


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_value_and_gradient_are_those_of_the_loop(variant):
    check_against(
        functools.partial(triplet_loss, **variant), functools.partial(_reference, **variant)
    )


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_gradient_of_a_larger_batch(variant):
    """Analytic gradient, triplet by triplet, on 40 rows: many ranks in every sort."""
    rng = np.random.default_rng(11)
    labels = rng.integers(0, 8, 40).astype(np.int32)
    x = rng.normal(size=(40, 6)).astype(np.float32).astype(np.float64)
    expected = np.zeros_like(x)
    for a, p, n in _mined(x, labels, np.ones(40, bool), variant["margin"], variant["mining"]):
        to_p, to_n = x[a] - x[p], x[a] - x[n]
        to_p, to_n = to_p / np.linalg.norm(to_p), to_n / np.linalg.norm(to_n)
        difference = distance(x[a], x[p]) - distance(x[a], x[n])
        if variant["margin"] is None:
            slope = 1 / (1 + np.exp(-difference))
        else:
            slope = float(difference + variant["margin"] > 0)
        expected[a] += slope * (to_p - to_n)
        expected[p] -= slope * to_p
        expected[n] += slope * to_n
    loss = functools.partial(triplet_loss, **variant)
    gradient = value_and_gradient(loss)(x, labels, np.ones(40, bool))[2]
    np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=2e-4)


def _random_masks(seed, anchors=7, references=12):
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 3, (anchors, references))
    kind[0], kind[:, -1] = 1, 0
    return np.float32(rng.integers(0, 6, kind.shape)), kind == 1, kind == 2


@hypothesis.given(st.integers(0, 2**16))
@hypothesis.settings(max_examples=20, deadline=None)
def test_miners_pick_the_first_of_the_loop(seed):
    """On integer distances, so with ties; anchor 0 has no negative."""
    distances, positives, negatives = _random_masks(seed)
    positive, negative, valid = hardest(distances, positives, negatives)
    semi_hard, some = semi_hard_negatives(jnp.asarray(distances), jnp.asarray(negatives), 2.0)
    for a in range(7):
        p, n = np.flatnonzero(positives[a]), np.flatnonzero(negatives[a])
        assert bool(valid[a]) == (len(p) > 0 and len(n) > 0)
        assert bool(some[a, 0]) == (len(n) > 0)
        if valid[a]:
            assert positive[a] == max(p, key=lambda i, a=a: distances[a, i])
            assert negative[a] == min(n, key=lambda i, a=a: distances[a, i])
        for i in range(12) if len(n) else ():
            d = distances[a]
            within = [j for j in n if d[i] < d[j] < d[i] + 2.0]
            assert semi_hard[a, i] == min(within or n, key=lambda j, d=d: d[j])


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_mask_may_be_left_out(variant):
    embeddings, labels, mask = CASES["three_photos"]
    expected = _reference(embeddings, labels, mask, **variant)
    got = jax.jit(functools.partial(triplet_loss, **variant))(jnp.float32(embeddings), labels)
    np.testing.assert_allclose(got, expected, rtol=1e-5)


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_nothing_cubic_in_the_batch(variant):
    """No array of the compiled gradient holds more than a few (B, B)."""
    size = 64
    jaxpr = jax.make_jaxpr(jax.grad(lambda x, y: triplet_loss(x, y, **variant)[0]))(
        jnp.zeros((size, 4)), jnp.zeros(size, jnp.int32)
    )

    def largest(closed):
        for equation in closed.eqns:
            for out in equation.outvars:
                yield getattr(out.aval, "size", 0)
            for value in jax.tree.leaves(
                equation.params, is_leaf=lambda v: hasattr(v, "eqns") or hasattr(v, "jaxpr")
            ):
                inner = getattr(value, "jaxpr", value)
                if hasattr(inner, "eqns"):
                    yield from largest(inner)

    assert max(largest(jaxpr.jaxpr)) <= 4 * size * size


def test_wrong_arguments_are_refused():
    x, y = jnp.zeros((4, 2)), jnp.zeros(4, jnp.int32)
    with pytest.raises(UserError, match="margin"):
        triplet_loss(x, y, margin=None, mining="semi_hard")
    with pytest.raises(UserError, match="hardest"):
        triplet_loss(x, y, mining="hardest")
    for bad_x, bad_y in [(x[0], y), (x, y[:3]), (x, x[:, 0]), (x, y[:, None])]:
        with pytest.raises(AssertionError):
            triplet_loss(bad_x, bad_y)
    with pytest.raises(AssertionError):
        triplet_loss(x, y, mask=jnp.ones(3, bool))
