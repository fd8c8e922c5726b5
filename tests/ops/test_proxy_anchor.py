import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reid_jax.errors import UserError
from reid_jax.ops.losses.objectives import ProxyAnchor
from reid_jax.ops.losses.proxy_anchor import proxy_anchor_loss
from tests.loss_cases import numeric_gradient, unit


def _reference(embeddings, proxies, labels, mask, margin=0.1, scale=32.0):
    """Kim et al. 2020, eq. 4, times the number of proxies."""
    pull, push, with_positive = 0.0, 0.0, 0
    for c, proxy in enumerate(proxies):
        similar = [unit(x) @ unit(proxy) for x in embeddings]
        own = [s for s, y, m in zip(similar, labels, mask, strict=True) if m and y == c]
        others = [s for s, y, m in zip(similar, labels, mask, strict=True) if m and y != c]
        if own:
            pull += np.log(1 + sum(np.exp(-scale * (s - margin)) for s in own))
            with_positive += 1
        push += np.log(1 + sum(np.exp(scale * (s + margin)) for s in others))
    if not mask.any():
        return 0.0, 0
    return len(proxies) * (pull / with_positive + push / len(proxies)), len(proxies)


def _batch(seed=0):
    rng = np.random.default_rng(seed)
    embeddings, proxies = rng.normal(size=(9, 4)), rng.normal(size=(6, 4))
    labels = np.array([0, 0, 1, 1, 1, 3, 3, 5, 0], np.int32)  # none of 2 and 4
    mask = np.array([1, 1, 1, 0, 1, 1, 1, 0, 1], bool)
    return [x.astype(np.float32).astype(np.float64) for x in (embeddings, proxies)], labels, mask


@pytest.mark.parametrize("options", [{}, {"margin": 0.3, "scale": 8.0}])
def test_value_and_gradients_are_those_of_the_loop(options):
    (embeddings, proxies), labels, mask = _batch()

    def total(x, w):
        return proxy_anchor_loss(x, w, labels, mask=jnp.asarray(mask), **options)

    got, gradients = jax.jit(jax.value_and_grad(total, (0, 1), has_aux=True))(
        jnp.float32(embeddings), jnp.float32(proxies)
    )
    np.testing.assert_allclose(
        got, _reference(embeddings, proxies, labels, mask, **options), rtol=1e-5
    )
    numeric = (
        numeric_gradient(lambda x: _reference(x, proxies, labels, mask, **options)[0], embeddings),
        numeric_gradient(lambda w: _reference(embeddings, w, labels, mask, **options)[0], proxies),
    )
    for gradient, expected in zip(gradients, numeric, strict=True):
        np.testing.assert_allclose(gradient, expected, rtol=1e-3, atol=2e-3)
    assert not np.asarray(gradients[0])[~mask].any()


def test_padding_alone_is_zero():
    (embeddings, proxies), labels, mask = _batch()

    def total(x, w):
        return proxy_anchor_loss(x, w, labels, mask=jnp.zeros_like(mask))

    (value, count), gradients = jax.value_and_grad(total, (0, 1), has_aux=True)(
        jnp.float32(embeddings), jnp.float32(proxies)
    )
    assert (value, count) == (0.0, 0.0)
    assert not any(g.any() for g in gradients)


def test_large_scales_do_not_overflow():
    (embeddings, proxies), labels, _ = _batch()
    value, gradient = jax.value_and_grad(
        lambda x: proxy_anchor_loss(x, jnp.float32(proxies), labels, scale=1e4)[0]
    )(jnp.float32(embeddings))
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()


def test_the_objective_compares_what_is_classified_with_its_proxies():
    (embeddings, _), labels, mask = _batch()
    objective = ProxyAnchor(margin=0.2)
    params = objective.init(jax.random.key(0), 6, 4)
    outputs = {"embedding": jnp.zeros((9, 4)), "neck": jnp.float32(embeddings)}
    (term,) = objective.terms(
        params, outputs, jnp.asarray(labels), jnp.asarray(mask), None
    ).values()
    expected = _reference(embeddings, np.asarray(params["centers"], np.float64), labels, mask, 0.2)
    np.testing.assert_allclose(term[:2], expected, rtol=1e-5)
    assert objective.sampling is None


def test_wrong_arguments_are_refused():
    x, w, y = jnp.ones((3, 2)), jnp.ones((4, 2)), jnp.zeros(3, jnp.int32)
    with pytest.raises(UserError, match="scale"):
        proxy_anchor_loss(x, w, y, scale=0.0)
    with pytest.raises(UserError, match=r"loss.margin of ProxyAnchor is -1"):
        ProxyAnchor(margin=-1.0)
    for bad in [(x[0], w, y), (x, w[0], y), (x, w[:, :1], y), (x, w, y[:2]), (x, w, y[:, None])]:
        with pytest.raises(AssertionError):
            proxy_anchor_loss(*bad)


def test_it_is_that_of_pytorch_metric_learning():
    """Loss and length of its gradient by version 2.9.0 in float64."""
    rng = np.random.default_rng(7)
    x, w = (rng.normal(size=(n, 5)).astype(np.float32) for n in (12, 4))

    def mean(x):
        total, count = proxy_anchor_loss(x, w, np.repeat(np.arange(4), 3))
        return total / count

    got, gradient = jax.value_and_grad(mean)(jnp.asarray(x))
    np.testing.assert_allclose(got, 41.30115359814013, rtol=1e-6)
    np.testing.assert_allclose(jnp.linalg.norm(gradient), 9.038378447686934, rtol=5e-6)
