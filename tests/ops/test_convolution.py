"""The CPU forms of convolutions, oneDNN's and ours, against XLA's: values and both gradients."""

import importlib.metadata
import itertools
import platform

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from reid_jax.ops.convolution import lax as convolution
from reid_jax.ops.convolution import onednn
from reid_jax.ops.convolution.lax import conv_general_dilated, plain_lowering

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


LINUX = (platform.system(), platform.machine()) == ("Linux", "x86_64")


@pytest.fixture
def by_onednn(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a process with one device."""
    reason = onednn.missing()
    if not LINUX or (reason and "not installed" in reason):
        pytest.skip(f"oneDNN: {reason}")
    assert reason is None
    monkeypatch.setattr(convolution, "uses_onednn", lambda: True)


@pytest.mark.parametrize(("kind", "geometry"), CASES, ids=str)
def test_equals_xla(kind: tuple, geometry: tuple) -> None:
    assert_equals_xla(kind, geometry)


@pytest.mark.usefixtures("by_onednn")
@pytest.mark.parametrize(
    ("kind", "geometry"), [*CASES, ((3, 16, 32, 1), GEOMETRIES[0]), ((7, 3, 16, 1), GEOMETRIES[1])]
)
def test_onednn_equals_xla(kind: tuple, geometry: tuple) -> None:
    assert_equals_xla(kind, geometry)


def assert_equals_xla(kind: tuple, geometry: tuple) -> None:
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


@pytest.mark.parametrize("library", ["ours", "onednn"])
def test_bfloat16_is_rounded_once(library: str, request: pytest.FixtureRequest) -> None:
    if library == "onednn":
        request.getfixturevalue("by_onednn")
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


@pytest.mark.usefixtures("by_onednn")
@pytest.mark.parametrize("kind", [(1, 16, 24, 1), (3, 16, 32, 1), (3, 16, 16, 16), (3, 3, 16, 1)])
def test_bfloat16_by_onednn_is_that_of_float32(kind: tuple, key: jax.Array) -> None:
    kernel, channels, features, groups = kind
    x = jax.random.normal(key, (2, 8, 8, channels), jnp.bfloat16)
    weights = jax.random.normal(key, (kernel, kernel, channels // groups, features), jnp.bfloat16)

    def passes(dtype: type) -> tuple[jax.Array, ...]:
        f = lambda x, w: conv_general_dilated(  # noqa: E731
            x, w, (2, 2), "SAME", dimension_numbers=NHWC, feature_group_count=groups
        )
        y, pull = jax.vjp(f, x.astype(dtype), weights.astype(dtype))
        twice = jax.grad(
            lambda w: jnp.sum(
                jnp.square(jax.grad(lambda w: jnp.sum(f(x.astype(dtype), w) ** 2))(w))
            )
        )
        return y, *pull(jnp.ones_like(y)), twice(weights.astype(dtype))

    for ours, wide in zip(passes(jnp.bfloat16), passes(jnp.float32), strict=True):
        assert ours.dtype == jnp.bfloat16
        error = np.abs(np.asarray(ours, np.float32) - wide)
        assert error.max() <= 0.02 * np.abs(wide).max()


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


@pytest.mark.usefixtures("by_onednn")
def test_onednn_is_called_for_what_it_is_fast_at() -> None:
    def text(dtype: type, padding: object) -> str:
        f = lambda x, w: conv_general_dilated(x, w, (1, 1), padding, dimension_numbers=NHWC)  # noqa: E731
        arguments = (jnp.ones((2, 9, 9, 6), dtype), jnp.ones((3, 3, 6, 8), dtype))
        return jax.jit(f).lower(*arguments).as_text()

    assert "reid_jax.onednn" in text(jnp.float32, "SAME")
    assert "reid_jax.onednn" in text(jnp.bfloat16, "SAME")
    assert "stablehlo.convolution" in text(jnp.float32, ((-1, 0), (0, 0)))
    with jax.enable_x64(True):
        assert "stablehlo.convolution" in text(jnp.float64, "SAME")


@pytest.mark.usefixtures("by_onednn")
def test_onednn_can_be_differentiated_twice(key: jax.Array) -> None:
    x = jax.random.normal(key, (2, 7, 7, 4))
    weights = jax.random.normal(key, (3, 3, 4, 6))

    def slope(f) -> tuple[jax.Array, jax.Array]:
        y = lambda x, w: jnp.sum(jnp.sin(f(x, w, (2, 1), "SAME", dimension_numbers=NHWC)))  # noqa: E731
        first = jax.grad(y, argnums=(0, 1))
        both = lambda x, w: sum(jnp.sum(jnp.square(g)) for g in first(x, w))  # noqa: E731
        return jax.jit(jax.grad(both, argnums=(0, 1)))(x, weights)

    for ours, xla in zip(slope(conv_general_dilated), slope(lax.conv_general_dilated), strict=True):
        np.testing.assert_allclose(ours, xla, rtol=1e-3, atol=1e-2)


@pytest.mark.usefixtures("by_onednn")
@pytest.mark.parametrize("dtype", [jnp.int32, jnp.complex64])
def test_what_is_no_float_is_left_to_xla(dtype: type) -> None:
    x = jnp.full((1, 4, 4, 1), 2**24 + 1 if dtype == jnp.int32 else 1 + 2j, dtype)
    weights = jnp.ones((1, 1, 1, 2), dtype)
    y = conv_general_dilated(x, weights, (1, 1), "SAME", dimension_numbers=NHWC)
    np.testing.assert_array_equal(y, jnp.broadcast_to(x, y.shape))


def test_several_devices_do_without_onednn() -> None:
    assert jax.device_count() == 8
    assert not convolution.uses_onednn()


@pytest.mark.usefixtures("by_onednn")
def test_onednn_gives_the_same_bits_again(key: jax.Array) -> None:
    x = jax.random.normal(key, (8, 14, 14, 32))
    weights = jax.random.normal(key, (3, 3, 32, 48))

    @jax.jit
    def gradients(x: jax.Array, weights: jax.Array) -> tuple[jax.Array, jax.Array]:
        f = lambda x, w: conv_general_dilated(x, w, (1, 1), "SAME", dimension_numbers=NHWC)  # noqa: E731
        return jax.grad(lambda x, w: jnp.sum(jnp.sin(f(x, w))), argnums=(0, 1))(x, weights)

    for first, second in zip(gradients(x, weights), gradients(x, weights), strict=True):
        np.testing.assert_array_equal(first, second)


@pytest.mark.usefixtures("by_onednn")
def test_onednn_maps_over_a_batch(key: jax.Array) -> None:
    x, weights = jax.random.normal(key, (3, 2, 5, 5, 4)), jnp.ones((3, 3, 4, 8))
    f = lambda x: conv_general_dilated(x, weights, (1, 1), "SAME", dimension_numbers=NHWC)  # noqa: E731
    np.testing.assert_allclose(jax.vmap(f)(x)[1], f(x[1]), rtol=1e-5)


def test_says_why_there_is_no_onednn(monkeypatch: pytest.MonkeyPatch, cache) -> None:
    load = onednn._load_once.__wrapped__
    with monkeypatch.context() as changed:
        changed.setenv("REID_JAX_ONEDNN", "0")
        assert onednn.missing() == "REID_JAX_ONEDNN is 0"
    with monkeypatch.context() as changed:
        changed.setattr(platform, "system", lambda: "Darwin")
        assert "Linux" in load()
    if not LINUX:
        return
    with monkeypatch.context() as changed:
        changed.setattr(importlib.metadata, "files", lambda _: [])
        assert load() == "package onednn-cpu-gomp is not installed"
    for compiler, said in (("no-such-compiler", "no C\\+\\+ compiler no-such"), ("false", "false")):
        monkeypatch.setenv("CXX", compiler)
        with pytest.warns(UserWarning, match=f"slower, without oneDNN.*{said}"):
            assert isinstance(load(), str)
    assert not list(cache.rglob("*.so"))


def test_a_compiled_onednn_needs_no_compiler_again(monkeypatch: pytest.MonkeyPatch) -> None:
    if onednn.missing():
        pytest.skip(f"oneDNN: {onednn.missing()}")
    monkeypatch.setenv("CXX", "no-such-compiler")
    folders = [onednn._folder_above(end, package) for package, end in onednn._PACKAGES.items()]
    assert onednn._compile(*folders).exists()
