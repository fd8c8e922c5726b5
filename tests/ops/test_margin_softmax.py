import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reid_jax.errors import UserError
from reid_jax.ops.losses.margin_softmax import margin_softmax_loss
from reid_jax.ops.losses.margins import arcface_cosine, center_cosines, cosface_cosine
from tests.loss_cases import numeric_gradient, unit


def _reference(embeddings, centers, labels, mask, kind, scale, margin):
    centers = centers if centers.ndim == 3 else centers[:, None]
    total = 0.0
    for x, label in zip(embeddings[mask], labels[mask], strict=True):
        logits = []
        for c, subs in enumerate(centers):
            cosine = max(unit(x) @ unit(sub) for sub in subs)
            if c == label and kind == "cosface":
                cosine -= margin
            if c == label and kind == "arcface":
                theta = np.arccos(np.clip(cosine, -1, 1))
                if theta < np.pi - margin:
                    cosine = np.cos(theta + margin)
                else:
                    cosine -= margin * np.sin(np.pi - margin)
            logits.append(scale * cosine)
        total += np.logaddexp.reduce(logits) - logits[label]
    return total, mask.sum()


def _batch(seed, subs=None):
    rng = np.random.default_rng(seed)
    centers = rng.normal(size=(5, 4) if subs is None else (5, subs, 4))
    embeddings = rng.normal(size=(7, 4))
    labels = rng.integers(0, 5, 7).astype(np.int32)
    # One example beyond pi - margin from its centre, where ArcFace falls back.
    own = centers[labels[0]] if subs is None else centers[labels[0]].mean(axis=0)
    embeddings[0] = -own + 0.05 * embeddings[0]
    mask = np.array([1, 1, 1, 0, 1, 1, 0], bool)
    return [a.astype(np.float32).astype(np.float64) for a in (embeddings, centers)], labels, mask


@pytest.mark.parametrize("subs", [None, 1, 3])
@pytest.mark.parametrize(
    ("kind", "scale", "margin"),
    [("arcface", 64.0, 0.5), ("arcface", 8.0, 0.2), ("cosface", 64.0, 0.35), ("cosface", 8.0, 0.1)],
)
def test_value_and_gradient_are_those_of_the_loop(kind, scale, margin, subs):
    (embeddings, centers), labels, mask = _batch(0, subs)
    options = {"kind": kind, "scale": scale, "margin": margin}

    @jax.jit
    def run(x, w):
        def total(x, w):
            return margin_softmax_loss(x, w, labels, mask=jnp.asarray(mask), **options)

        return total(x, w), jax.grad(lambda *a: total(*a)[0], argnums=(0, 1))(x, w)

    got, gradients = run(jnp.float32(embeddings), jnp.float32(centers))
    np.testing.assert_allclose(
        got, _reference(embeddings, centers, labels, mask, **options), rtol=1e-5
    )
    numeric = (
        numeric_gradient(lambda x: _reference(x, centers, labels, mask, **options)[0], embeddings),
        numeric_gradient(lambda w: _reference(embeddings, w, labels, mask, **options)[0], centers),
    )
    for gradient, expected in zip(gradients, numeric, strict=True):
        np.testing.assert_allclose(gradient, expected, rtol=1e-3, atol=2e-3)
    assert not np.asarray(gradients[0])[~mask].any()


def test_defaults_are_those_of_the_papers():
    (embeddings, centers), labels, mask = _batch(1)
    for kind, margin in [("arcface", 0.5), ("cosface", 0.35)]:
        got = margin_softmax_loss(
            jnp.float32(embeddings),
            jnp.float32(centers),
            jnp.asarray(labels),
            kind=kind,
            mask=jnp.asarray(mask),
        )
        expected = _reference(embeddings, centers, labels, mask, kind, 64.0, margin)
        np.testing.assert_allclose(got, expected, rtol=1e-5)


def test_arcface_adds_the_angle_and_falls_monotonically_to_the_end():
    theta = np.linspace(0, np.pi, 2001)
    got = np.asarray(arcface_cosine(jnp.float32(np.cos(theta))), np.float64)
    inside = (theta > 0.01) & (theta < np.pi - 0.501)
    np.testing.assert_allclose(got[inside], np.cos(theta + 0.5)[inside], atol=2e-6)
    outside = theta > np.pi - 0.499
    expected = np.cos(theta) - 0.5 * np.sin(np.pi - 0.5)
    np.testing.assert_allclose(got[outside], expected[outside], atol=2e-6)
    assert (np.diff(got) <= 1e-6).all()
    np.testing.assert_allclose(cosface_cosine(jnp.float32(0.5)), 0.15, rtol=1e-6)


@pytest.mark.parametrize("cosine", [-1.0, -0.9999999, 0.9999999, 1.0, 1.0000001, -1.0000001])
def test_arcface_gradient_is_finite_at_the_poles(cosine):
    slope = jax.grad(arcface_cosine)(jnp.float32(cosine))
    assert np.isfinite(slope)
    assert slope >= 0


@pytest.mark.parametrize("kind", ["arcface", "cosface"])
@pytest.mark.parametrize("centers", [np.eye(3), -np.eye(3), np.ones((3, 3)), np.zeros((3, 3))])
def test_degenerate_embeddings_have_finite_gradients(kind, centers):
    """On, opposite and between the centres; duplicate centres; no direction."""
    embeddings = jnp.asarray([[1, 0, 0], [2, 0, 0], [0, 3, 0], [1, 1, 1], [0, 0, 0]], jnp.float32)
    labels = jnp.asarray([0, 0, 1, 2, 2])
    loss = functools.partial(margin_softmax_loss, labels=labels, kind=kind)
    (total, _), gradients = jax.value_and_grad(
        lambda x, w: loss(x, w), argnums=(0, 1), has_aux=True
    )(embeddings, jnp.float32(centers))
    assert np.isfinite(total)
    assert all(np.isfinite(g).all() for g in gradients)


def test_padding_alone_is_zero():
    x, w, y = jnp.ones((3, 2)), jnp.ones((4, 2)), jnp.zeros(3, jnp.int32)
    (total, count), gradient = jax.value_and_grad(
        lambda z: margin_softmax_loss(z, w, y, mask=jnp.zeros(3, bool)), has_aux=True
    )(x)
    assert (total, count) == (0.0, 0.0)
    assert not gradient.any()


def test_bfloat16_embeddings_are_compared_in_float32():
    x, w = jnp.ones((3, 2), jnp.bfloat16), jnp.ones((4, 2))
    assert center_cosines(x, w).dtype == jnp.float32
    assert margin_softmax_loss(x, w, jnp.zeros(3, jnp.int32))[0].dtype == jnp.float32


def test_wrong_arguments_are_refused():
    x, w, y = jnp.ones((3, 2)), jnp.ones((4, 2)), jnp.zeros(3, jnp.int32)
    with pytest.raises(UserError, match="sphereface"):
        margin_softmax_loss(x, w, y, kind="sphereface")
    for bad in [(x[0], w, y), (x, w[0], y), (x, w[:, :1], y), (x, w, y[:2]), (x, w, y[:, None])]:
        with pytest.raises(AssertionError):
            margin_softmax_loss(*bad)
