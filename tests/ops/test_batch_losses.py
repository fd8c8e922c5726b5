import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reid_jax.errors import UserError
from reid_jax.ops.losses.batch import (
    angular_loss,
    circle_loss,
    log_one_plus_sum_exp,
    logsumexp,
    multi_similarity_loss,
    n_pair_loss,
    supervised_contrastive_loss,
)
from tests.loss_cases import (
    CASES,
    check_against,
    negatives_of,
    positives_of,
    unit,
    value_and_gradient,
)


def _n_pair(embeddings, labels, mask, l2=0.0):
    total, count = 0.0, 0
    for a in range(len(labels)):
        negatives = negatives_of(a, labels, mask)
        for p in positives_of(a, labels, mask) if negatives else ():
            f = embeddings
            summed = sum(np.exp(f[a] @ f[n] - f[a] @ f[p]) for n in negatives)
            total += np.log(1 + summed) + l2 * (f[a] @ f[a] + f[p] @ f[p]) / 2
            count += 1
    return total, count


def _angular(embeddings, labels, mask, angle=45.0):
    x = [unit(row) for row in embeddings]
    squared = np.tan(angle * np.pi / 180) ** 2
    total, count = 0.0, 0
    for a in range(len(labels)):
        negatives = negatives_of(a, labels, mask)
        for p in positives_of(a, labels, mask) if negatives else ():
            f_apn = [
                4 * squared * (x[a] + x[p]) @ x[n] - 2 * (1 + squared) * x[a] @ x[p]
                for n in negatives
            ]
            total += np.log(1 + np.exp(f_apn).sum())
            count += 1
    return total, count


def _multi_similarity(embeddings, labels, mask, alpha=2.0, beta=50.0, base=0.5, epsilon=0.1):
    x = [unit(row) for row in embeddings]
    total, count = 0.0, 0
    for i in range(len(labels)):
        positives, negatives = positives_of(i, labels, mask), negatives_of(i, labels, mask)
        if not positives or not negatives:
            continue
        s = [x[i] @ x[j] for j in range(len(labels))]
        mined_p = [p for p in positives if s[p] < max(s[n] for n in negatives) + epsilon]
        mined_n = [n for n in negatives if s[n] > min(s[p] for p in positives) - epsilon]
        total += np.log(1 + sum(np.exp(-alpha * (s[p] - base)) for p in mined_p)) / alpha
        total += np.log(1 + sum(np.exp(beta * (s[n] - base)) for n in mined_n)) / beta
        count += 1
    return total, count


def _supervised_contrastive(embeddings, labels, mask, temperature=0.1):
    z = [unit(row) for row in embeddings]
    total, count = 0.0, 0
    for i in range(len(labels)):
        positives = positives_of(i, labels, mask)
        everyone = positives + negatives_of(i, labels, mask)
        if not positives:
            continue
        denominator = sum(np.exp(z[i] @ z[a] / temperature) for a in everyone)
        for p in positives:
            total -= np.log(np.exp(z[i] @ z[p] / temperature) / denominator) / len(positives)
        count += 1
    return total, count


def _circle(embeddings, labels, mask, relaxation=0.4, scale=80.0, fixed=None):
    """Eq. 6 with eq. 5 and 8; `fixed`: the embeddings that the weights are taken from."""
    x = [unit(row) for row in embeddings]
    w = x if fixed is None else [unit(row) for row in fixed]
    best_positive, best_negative = 1 + relaxation, -relaxation
    total, count = 0.0, 0
    for i in range(len(labels)):
        positives, negatives = positives_of(i, labels, mask), negatives_of(i, labels, mask)
        if not positives or not negatives:
            continue
        to_negatives = [
            scale * max(0, w[i] @ w[n] - best_negative) * (x[i] @ x[n] - relaxation)
            for n in negatives
        ]
        to_positives = [
            -scale * max(0, best_positive - w[i] @ w[p]) * (x[i] @ x[p] - (1 - relaxation))
            for p in positives
        ]
        summed = np.logaddexp.reduce(to_negatives) + np.logaddexp.reduce(to_positives)
        total += np.logaddexp(0, summed)
        count += 1
    return total, count


@pytest.mark.parametrize("options", [{}, {"relaxation": 0.25, "scale": 16.0}])
def test_circle_loss_and_its_gradient_at_fixed_weights_are_those_of_the_loop(options):
    check_against(
        functools.partial(circle_loss, **options),
        functools.partial(_circle, **options),
        rtol=5e-5,
        atol=2e-3,
        held=lambda embeddings: functools.partial(_circle, fixed=embeddings, **options),
    )


VARIANTS = [
    (n_pair_loss, _n_pair, {}),
    (n_pair_loss, _n_pair, {"l2": 0.02}),
    (angular_loss, _angular, {}),
    (angular_loss, _angular, {"angle": 36.0}),
    (multi_similarity_loss, _multi_similarity, {}),
    (multi_similarity_loss, _multi_similarity, {"beta": 10.0, "base": 0.2, "epsilon": 0.5}),
    (supervised_contrastive_loss, _supervised_contrastive, {}),
    (supervised_contrastive_loss, _supervised_contrastive, {"temperature": 0.5}),
]
LOSSES = [
    n_pair_loss,
    angular_loss,
    multi_similarity_loss,
    circle_loss,
    supervised_contrastive_loss,
]


@pytest.mark.parametrize(("loss", "reference", "options"), VARIANTS)
def test_value_and_gradient_are_those_of_the_loop(loss, reference, options):
    check_against(
        functools.partial(loss, **options), functools.partial(reference, **options), rtol=5e-5
    )


@pytest.mark.parametrize("loss", LOSSES)
def test_mask_may_be_left_out(loss):
    embeddings, labels, mask = CASES["three_photos"]
    expected = value_and_gradient(loss)(embeddings, labels, mask)[:2]
    np.testing.assert_allclose(
        loss(jnp.float32(embeddings), jnp.asarray(labels)), expected, rtol=1e-5
    )


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("length", [1e-20, 1e3, 1e6])
def test_long_and_short_embeddings_give_finite_gradients(loss, length):
    embeddings, labels, mask = CASES["three_photos"]
    total, _, gradient = value_and_gradient(loss)(embeddings * length, labels, mask)
    assert np.isfinite(total)
    assert np.isfinite(gradient).all()


def test_masked_logsumexp_is_numpys():
    x = np.random.default_rng(0).normal(size=(4, 5)) * 30
    where = np.random.default_rng(1).random((4, 5)) < 0.5
    where[0], where[1] = False, True
    summed = [np.logaddexp.reduce(row[keep]) for row, keep in zip(x, where, strict=True)]
    one_more = np.logaddexp(0.0, summed)
    summed[0] = 0.0
    got = logsumexp(jnp.float32(x), jnp.asarray(where))
    np.testing.assert_allclose(got, summed, rtol=1e-5)
    got = log_one_plus_sum_exp(jnp.float32(x), jnp.asarray(where))
    np.testing.assert_allclose(got, one_more, rtol=1e-5, atol=1e-6)
    for function in (logsumexp, log_one_plus_sum_exp):
        gradient = jax.grad(lambda y, f=function: f(y, jnp.asarray(where)).sum())(jnp.float32(x))
        assert np.isfinite(gradient).all()
        assert not np.asarray(gradient)[~where].any()


@pytest.mark.parametrize("angle", [0.0, -5.0, 61.0])
def test_impossible_angles_are_refused(angle):
    with pytest.raises(UserError, match="angle"):
        angular_loss(jnp.zeros((4, 2)), jnp.zeros(4, jnp.int32), angle=angle)


@pytest.mark.parametrize("loss", LOSSES)
def test_wrong_shapes_are_refused(loss):
    x, y = jnp.zeros((4, 2)), jnp.zeros(4, jnp.int32)
    for bad_x, bad_y in [(x[0], y), (x, y[:3]), (x, x[:, 0]), (x, y[:, None])]:
        with pytest.raises(AssertionError):
            loss(bad_x, bad_y)


@pytest.mark.parametrize(
    ("relaxation", "scale", "value", "slope"),
    [
        (0.4, 80.0, 145.20132041639505, 42.855085195203436),
        (0.25, 16.0, 32.264417086403775, 7.677213592290311),
    ],
)
def test_circle_loss_is_that_of_pytorch_metric_learning(relaxation, scale, value, slope):
    """Mean and length of its gradient by version 2.9.0 in float64."""
    x = np.random.default_rng(7).normal(size=(12, 5)).astype(np.float32)

    def mean(x):
        total, count = circle_loss(
            x, np.repeat(np.arange(4), 3), relaxation=relaxation, scale=scale
        )
        return total / count

    got, gradient = jax.value_and_grad(mean)(jnp.asarray(x))
    np.testing.assert_allclose(got, value, rtol=1e-6)
    np.testing.assert_allclose(jnp.linalg.norm(gradient), slope, rtol=5e-6)
