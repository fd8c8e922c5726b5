import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reid_jax.ops.distances import (
    cosine_similarity,
    euclidean,
    normalize,
    paired_euclidean,
    squared_euclidean,
)
from tests.loss_cases import distance, numeric_gradient


def _points(seed, rows, width=5):
    return np.random.default_rng(seed).normal(size=(rows, width)).astype(np.float32)


def test_euclidean_is_the_loop():
    a, b = _points(0, 4), _points(1, 6)
    expected = [[distance(x, y) for y in b.astype(float)] for x in a.astype(float)]
    np.testing.assert_allclose(euclidean(a, b), expected, rtol=1e-5)
    np.testing.assert_allclose(squared_euclidean(a, b), np.square(expected), rtol=1e-5)


def test_paired_euclidean_is_the_diagonal():
    a, b = _points(2, 6), _points(3, 6)
    expected = [distance(x, y) for x, y in zip(a.astype(float), b.astype(float), strict=True)]
    np.testing.assert_allclose(paired_euclidean(a, b), expected, rtol=1e-6)


def test_cosine_is_the_loop():
    a, b = _points(4, 4), _points(5, 6)
    expected = [[x @ y / np.sqrt((x @ x) * (y @ y)) for y in b] for x in a]
    np.testing.assert_allclose(cosine_similarity(a, b), expected, atol=1e-6)


def test_gradient_is_that_of_the_loop():
    a, b = _points(6, 3), _points(7, 4)
    weights = _points(8, 3, 4).astype(float)

    def reference(x):
        return sum(
            weights[i, j] * distance(x[i], b[j].astype(float)) for i in range(3) for j in range(4)
        )

    gradient = jax.grad(lambda x: jnp.sum(jnp.float32(weights) * euclidean(x, b)))(jnp.asarray(a))
    np.testing.assert_allclose(gradient, numeric_gradient(reference, a.astype(float)), atol=1e-4)


@pytest.mark.parametrize("width", [1, 2, 64, 512, 2048])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 100.0])
def test_duplicates_are_at_distance_zero_with_gradient_zero(width, scale):
    points = scale * (_points(9, 20, width) + 1.0)
    both = jnp.asarray(np.concatenate([points, points]))
    distances, vjp = jax.vjp(euclidean, both, both)
    same = np.arange(40)[:, None] % 20 == np.arange(40)[None, :] % 20
    assert not np.asarray(distances)[same].any()
    for gradient in vjp(jnp.asarray(same, jnp.float32)):
        assert not np.asarray(gradient).any()


@pytest.mark.parametrize("points", [np.zeros((3, 2)), np.outer([1.0, 2.0, 4.0], [1.0, 1.0])])
def test_degenerate_points_have_finite_gradients(points):
    x = jnp.asarray(points, jnp.float32)
    for function in (euclidean, squared_euclidean, cosine_similarity):
        gradient = jax.grad(lambda y, f=function: jnp.sum(f(y, y)))(x)
        assert np.isfinite(gradient).all()


def test_normalize_zero_is_zero_with_gradient_zero():
    x = jnp.asarray([[0.0, 0.0], [3.0, 4.0]])
    np.testing.assert_allclose(normalize(x), [[0.0, 0.0], [0.6, 0.8]], rtol=1e-6)
    gradient = np.asarray(jax.grad(lambda y: jnp.sum(normalize(y)))(x))
    assert not gradient[0].any()
    np.testing.assert_allclose(gradient[1], [0.032, -0.024], atol=1e-6)


@pytest.mark.parametrize("tiny", [1e-30, 1e-13, 1e-11, 1e-6, 1e15])
def test_normalize_is_finite_at_any_length(tiny):
    x = jnp.asarray([[tiny, -tiny]], jnp.float32)
    assert np.isfinite(normalize(x)).all()
    assert np.isfinite(jax.grad(lambda y: jnp.sum(normalize(y)[:, 0]))(x)).all()


def test_bfloat16_is_computed_in_float32():
    a = jnp.asarray(_points(10, 4), jnp.bfloat16)
    assert euclidean(a, a).dtype == cosine_similarity(a, a).dtype == jnp.float32
    assert normalize(a).dtype == paired_euclidean(a, a).dtype == jnp.float32


@hypothesis.given(st.integers(0, 2**16), st.floats(0.01, 100.0))
@hypothesis.settings(max_examples=20, deadline=None)
def test_distances_are_a_metric(seed, scale):
    x = np.random.default_rng(seed).normal(size=(6, 4)) * scale
    distances = np.asarray(euclidean(jnp.float32(x), jnp.float32(x)), np.float64)
    assert (distances >= 0).all()
    np.testing.assert_allclose(distances, distances.T, rtol=1e-4, atol=1e-3 * scale)
    through = (distances[:, :, None] + distances[None, :, :]).min(axis=1)
    assert (distances <= through + 1e-3 * scale).all()


@pytest.mark.parametrize("function", [euclidean, squared_euclidean, cosine_similarity])
def test_wrong_shapes_are_refused(function):
    with pytest.raises(AssertionError):
        function(jnp.zeros((2, 3)), jnp.zeros((2, 4)))
    with pytest.raises(AssertionError):
        function(jnp.zeros(3), jnp.zeros((2, 3)))
