"""The CPU lowering of convolutions against XLA's: values and both gradients."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from reid_jax.ops.convolution import conv_general_dilated, plain_lowering

NHWC = ("NHWC", "HWIO", "NHWC")
# (kernel, channels, features, groups)
KINDS = [
    (1, 6, 8, 1),
    (3, 6, 6, 6),
    (3, 8, 12, 4),
    (3, 1, 5, 1),
    (2, 264, 33, 33),
    (1, 8, 8, 8),
    (3, 6, 12, 6),
    (3, 4, 6, 1),
]
GEOMETRIES = [
    ((1, 1), "SAME", (1, 1)),
    ((2, 2), "SAME", (1, 1)),
    ((2, 1), ((0, 3), (2, 0)), (1, 1)),
    ((1, 2), ((2, 2), (2, 2)), (2, 2)),
    ((3, 3), ((-1, 0), (0, 0)), (1, 1)),
]
CASES = [
    *itertools.product(KINDS[:4], GEOMETRIES),
    *((kind, GEOMETRIES[i % 4]) for i, kind in enumerate(KINDS[4:], start=1)),
]


@pytest.mark.parametrize(("kind", "geometry"), CASES, ids=str)
def test_equals_xla(kind: tuple, geometry: tuple) -> None:
    kernel, channels, features, groups = kind
    strides, padding, dilation = geometry
    keys = jax.random.split(jax.random.key(0), 3)
    x = jax.random.normal(keys[0], (2, 7, 8, channels))
    weights = jax.random.normal(keys[1], (kernel, kernel, channels // groups, features))
    options = {
        "rhs_dilation": dilation,
        "dimension_numbers": NHWC,
        "feature_group_count": groups,
    }

    @jax.jit
    def both(x: jax.Array, weights: jax.Array) -> list:
        results = []
        for f in (lax.conv_general_dilated, conv_general_dilated):
            y, pull = jax.vjp(lambda x, w, f=f: f(x, w, strides, padding, **options), x, weights)
            results.append((y, *pull(jax.random.normal(keys[2], y.shape))))
        return results

    expected, ours = both(x, weights)
    for a, b in zip(ours, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=2e-4)


def test_bfloat16_is_rounded_once() -> None:
    keys = jax.random.split(jax.random.key(0), 2)
    x = jax.random.normal(keys[0], (2, 9, 9, 6), jnp.bfloat16)
    weights = jax.random.normal(keys[1], (3, 3, 1, 6), jnp.bfloat16)
    arguments = ((1, 1), "SAME")
    options = {"dimension_numbers": NHWC, "feature_group_count": 6}
    y = conv_general_dilated(x, weights, *arguments, **options)
    exact = lax.conv_general_dilated(
        x.astype(jnp.float32), weights.astype(jnp.float32), *arguments, **options
    )
    assert y.dtype == jnp.bfloat16
    np.testing.assert_array_equal(y, exact.astype(jnp.bfloat16))


def test_other_platforms_get_the_convolution() -> None:
    def f(x: jax.Array, weights: jax.Array) -> jax.Array:
        return conv_general_dilated(
            x, weights, (1, 1), "SAME", dimension_numbers=NHWC, feature_group_count=6
        )

    arguments = (jnp.ones((2, 9, 9, 6)), jnp.ones((3, 3, 1, 6)))
    traced = jax.jit(f).trace(*arguments)
    assert "stablehlo.convolution" in traced.lower(lowering_platforms=("tpu",)).as_text()
    assert "stablehlo.convolution" not in traced.lower(lowering_platforms=("cpu",)).as_text()
    with plain_lowering():
        plain = jax.jit(lambda x, w: f(x, w)).lower(*arguments).as_text()
    assert "stablehlo.convolution" in plain


def test_maps_over_a_batch() -> None:
    x, weights = jnp.ones((3, 2, 5, 5, 4)), jnp.ones((3, 3, 1, 4))
    f = lambda x: conv_general_dilated(  # noqa: E731
        x, weights, (1, 1), "SAME", dimension_numbers=NHWC, feature_group_count=4
    )
    np.testing.assert_allclose(jax.vmap(f)(x)[1], f(x[1]))
