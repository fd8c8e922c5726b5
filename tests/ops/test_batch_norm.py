"""Normalisation in one pass beside the plain one, in values and gradients."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reid_jax.compilations import compiling_for
from reid_jax.ops.batch_norm import BatchNormalisation, normalise_batch

EPSILON = 1e-5


def plain(x, scale, bias, shortcut=None, act=None, groups=1):
    """Two passes, and XLA's own gradient; called without a mean that takes the digits."""
    rows = x.reshape(groups, -1, *x.shape[1:])
    axes = tuple(range(1, rows.ndim - 1))
    mean = rows.mean(axes, keepdims=True)
    centred = rows - mean
    y = centred / jnp.sqrt(jnp.square(centred).mean(axes, keepdims=True) + EPSILON)
    y = (y * scale.reshape((1,) * x.ndim + (-1,))).reshape(x.shape)
    y = y + bias.reshape((1,) * (x.ndim - 1) + (-1,))
    y = y if shortcut is None else y + shortcut
    return y if act is None else act(y)


def case(shape, mean=0.0, seed=0):
    rng = np.random.default_rng(seed)
    draw = lambda *shape: rng.normal(size=shape).astype(np.float32)  # noqa: E731
    channels = shape[-1]
    x, weights = draw(*shape) + np.float32(mean), draw(*shape)
    return x, 1 + 0.3 * draw(channels), draw(channels), draw(*shape), weights


def close(got, expected, tolerance):
    for one, other in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(one, other, atol=tolerance * float(np.abs(other).max()))


@pytest.mark.parametrize("with_shortcut", [False, True])
@pytest.mark.parametrize("act", [None, nn.relu, nn.swish])
@pytest.mark.parametrize(
    ("shape", "mean", "groups"),
    [((8, 6, 6, 5), 0, 1), ((8, 6, 6, 5), 1000, 1), ((8, 6, 4, 3), 1000, 4), ((12, 7), 3, 2)],
)
def test_it_equals_two_passes_in_loss_and_gradients(shape, mean, groups, act, with_shortcut):
    if with_shortcut and act is nn.swish:
        pytest.skip("behind a shortcut ReLU")
    x, scale, bias, shortcut, weights = case(shape, mean)
    shortcut = shortcut if with_shortcut else None
    how = BatchNormalisation(EPSILON, jnp.float32, groups, act=act)

    def ours(x, scale, bias, shortcut):
        y = normalise_batch(how, x, scale, bias, None, shortcut)[0]
        return jnp.sum(jnp.square(y) * (1 + weights))

    def reference(x, scale, bias, shortcut):
        return jnp.sum(jnp.square(plain(x, scale, bias, shortcut, act, groups)) * (1 + weights))

    of = (0, 1, 2, 3) if with_shortcut else (0, 1, 2)
    loss, gradients = jax.value_and_grad(ours, of)(x, scale, bias, shortcut)
    expected, expected_gradients = jax.value_and_grad(reference, of)(
        x - mean, scale, bias, shortcut
    )
    np.testing.assert_allclose(loss, expected, rtol=1e-5)
    close(gradients, expected_gradients, 1e-4)


def test_relu_on_a_gpu_has_the_gradient_that_it_has_elsewhere():
    x, scale, bias, _, weights = case((8, 4, 4, 3))
    how = BatchNormalisation(EPSILON, jnp.float32, act=nn.relu)

    def loss(x, scale, bias):
        return jnp.sum(normalise_batch(how, x, scale, bias, None, None)[0] * weights)

    expected = jax.grad(loss, (0, 1, 2))(x, scale, bias)
    with compiling_for("gpu"):
        assert "sign" in str(jax.make_jaxpr(jax.grad(loss))(x, scale, bias))
        close(jax.grad(loss, (0, 1, 2))(x, scale, bias), expected, 1e-6)


def test_statistics_are_those_of_float64_with_a_mean_a_thousand_deviations_away():
    x, scale, bias, _, _ = case((16, 9, 9, 4), 1000)
    how = BatchNormalisation(EPSILON, jnp.float32)
    _, mean, var = normalise_batch(how, x, scale, bias, None, None)
    flat = x.astype(np.float64).reshape(-1, 4)
    np.testing.assert_allclose(mean[0], flat.mean(0), rtol=1e-6)
    np.testing.assert_allclose(var[0], flat.var(0), rtol=1e-5)


def test_devices_share_sums_from_a_value_that_all_of_them_know():
    """A running mean within ten deviations; the mean is a thousand from zero."""
    x, scale, bias, _, weights = case((8, 4, 4, 3), 1000)
    how = BatchNormalisation(EPSILON, jnp.float32, axis_name="devices", act=nn.relu)
    shift = jnp.full(3, 995.0)

    def ours(x, weights):
        y = normalise_batch(how, x, scale, bias, shift, None)[0]
        return jnp.sum(jnp.square(y) * (1 + weights))

    mapped = jax.vmap(jax.value_and_grad(ours), axis_name="devices")
    losses, gradients = mapped(x.reshape(4, 2, 4, 4, 3), weights.reshape(4, 2, 4, 4, 3))

    def reference(x):
        return jnp.sum(jnp.square(plain(x, scale, bias, act=nn.relu)) * (1 + weights))

    expected, expected_gradients = jax.value_and_grad(reference)(x - 1000)
    np.testing.assert_allclose(losses.sum(), expected, rtol=1e-5)
    close(gradients.reshape(x.shape), expected_gradients, 1e-4)


def test_rounded_inputs_have_float32_sums():
    x, scale, bias, shortcut, _ = case((64, 16, 16, 4), 3)
    rounded = jnp.asarray(x, jnp.bfloat16)
    how = BatchNormalisation(EPSILON, jnp.bfloat16, act=nn.relu)
    added = jnp.asarray(shortcut, how.dtype)
    y, mean, var = normalise_batch(how, rounded, scale, bias, None, added)
    assert (y.dtype, mean.dtype, var.dtype) == (jnp.bfloat16, jnp.float32, jnp.float32)
    flat = np.asarray(rounded, np.float64).reshape(-1, 4)
    np.testing.assert_allclose(mean[0], flat.mean(0), rtol=1e-6)
    np.testing.assert_allclose(var[0], flat.var(0), rtol=1e-5)
    expected = plain(np.asarray(rounded, np.float32), scale, bias, shortcut, nn.relu)
    np.testing.assert_allclose(np.asarray(y, np.float32), expected, atol=0.05)
