"""Shared layers, pooling, the embedding net and the registry."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reid_jax.errors import UserError
from reid_jax.models import EmbeddingNet, backbone_names, block_names, create_backbone
from reid_jax.models.layers import BatchNorm, Dropout, DropPath, frozen_batch_norm
from reid_jax.models.pooling import GeM, gem_pool
from reid_jax.ops.convolution.max_pool import max_pool

pytestmark = pytest.mark.filterwarnings("ignore:.*pmap.*:DeprecationWarning")


def images(size: int, channels: int = 3, batch: int = 2) -> jax.Array:
    return jax.random.normal(jax.random.key(7), (batch, size, size, channels))


def test_a_misspelt_name_suggests_the_right_one() -> None:
    with pytest.raises(UserError, match=r"'resnet_50'.*resnet50"):
        create_backbone("resnet_50")
    with pytest.raises(UserError, match=r"widht.*width"):
        create_backbone("small_cnn", widht=8)


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("two_conv", 28),
        ("small_cnn", 28),
        pytest.param("resnet18", 64, marks=pytest.mark.exhaustive),
    ],
)
def test_features_maps_and_logits(name: str, size: int, key: jax.Array) -> None:
    x = images(size)
    model = create_backbone(name)
    variables = jax.jit(model.init)(key, x)
    pooled, maps = jax.jit(
        lambda v: (model.apply(v, x), list(model.apply(v, x, features_only=True).values()))
    )(variables)
    assert pooled.dtype == jnp.float32
    assert pooled.ndim == 2
    last = maps[-1]
    if name == "two_conv":
        assert pooled.shape == (2, 256)
    else:
        np.testing.assert_allclose(pooled, last.mean((1, 2)), rtol=1e-5, atol=1e-6)
    assert set(variables["params"]) == set(block_names(name))

    classifier = create_backbone(name, num_classes=5, dtype=jnp.bfloat16)
    logits = jax.jit(lambda x: classifier.apply(classifier.init(key, x), x))(x)
    assert logits.shape == (2, 5)
    assert logits.dtype == jnp.float32


def test_batch_norm_matches_its_formula(key: jax.Array) -> None:
    x = np.asarray(images(4, batch=3)) * 2 + 1
    norm = BatchNorm(use_running_average=False)
    variables = norm.init(key, x)
    y, new = norm.apply(variables, x, mutable=["batch_stats"])
    flat = x.reshape(-1, 3)
    mean, var = flat.mean(0), flat.var(0)
    np.testing.assert_allclose(y.reshape(-1, 3), (flat - mean) / np.sqrt(var + 1e-5), atol=2e-6)
    np.testing.assert_allclose(new["batch_stats"]["mean"], 0.1 * mean, rtol=1e-5)
    unbiased = flat.var(0, ddof=1)
    np.testing.assert_allclose(new["batch_stats"]["var"], 0.9 + 0.1 * unbiased, rtol=1e-5)


def test_batch_norm_over_devices_is_batch_norm_of_the_whole_batch(key: jax.Array) -> None:
    x = images(4, batch=8)
    whole = BatchNorm(use_running_average=False)
    parts = BatchNorm(use_running_average=False, axis_name="batch")
    variables = whole.init(key, x)

    def loss(module: BatchNorm, x: jax.Array) -> tuple[jax.Array, dict]:
        y, new = module.apply(variables, x, mutable=["batch_stats"])
        return jnp.sum(jnp.sin(3.0 * y)), new

    (expected, stats), gradient = jax.value_and_grad(lambda x: loss(whole, x), has_aux=True)(x)
    mapped = jax.vmap(jax.value_and_grad(lambda x: loss(parts, x), has_aux=True), axis_name="batch")
    (values, parts_stats), parts_gradient = mapped(x.reshape(4, 2, 4, 4, 3))
    np.testing.assert_allclose(values.sum(), expected, rtol=1e-5)
    np.testing.assert_allclose(parts_gradient.reshape(x.shape), gradient, atol=2e-5)
    np.testing.assert_allclose(
        parts_stats["batch_stats"]["var"][0], stats["batch_stats"]["var"], rtol=1e-6
    )


def test_frozen_batch_norms_do_not_move(key: jax.Array) -> None:
    x = images(32)
    model = create_backbone("small_cnn", widths=(8,) * 4)
    variables = model.init(key, x)

    def stats_after(*prefixes: tuple[str, ...]) -> dict:
        with frozen_batch_norm(prefixes):
            _, new = model.apply(variables, x, train=True, mutable=["batch_stats"])
        return new["batch_stats"]

    before = variables["batch_stats"]
    after = stats_after(("bn1",), ("bn2",))
    for name in ("bn1", "bn2", "bn3", "bn4"):
        moved = not np.array_equal(after[name]["mean"], before[name]["mean"])
        assert moved == (name in ("bn3", "bn4"))
    jax.tree.map(np.testing.assert_array_equal, stats_after(()), before)


@pytest.mark.parametrize("layer", [Dropout, DropPath])
def test_masks_do_not_depend_on_the_devices(layer: type, key: jax.Array) -> None:
    x = jnp.ones((16, 3, 3, 2))
    one = layer(0.4, deterministic=False).apply({}, x, rngs={"dropout": key})
    mapped = layer(0.4, deterministic=False, axis_name="batch")
    many = jax.vmap(lambda x: mapped.apply({}, x, rngs={"dropout": key}), axis_name="batch")(
        x.reshape(8, 2, 3, 3, 2)
    )
    np.testing.assert_array_equal(many.reshape(x.shape), one)
    assert 0 < np.count_nonzero(one) < one.size
    np.testing.assert_allclose(np.unique(one), [0.0, 1 / 0.6], rtol=1e-6)
    if layer is DropPath:
        assert all(len(np.unique(row)) == 1 for row in one)


@pytest.mark.parametrize(
    ("size", "window", "stride", "padding"),
    [
        (7, 2, 2, 0),
        (9, 3, 3, 0),
        (8, 3, 2, 1),
        (9, 3, 2, 1),
        (9, 4, 2, 1),
        (6, 3, 1, 1),
        (8, 2, 3, 0),
        (36, 17, 17, 0),
    ],
)
@pytest.mark.parametrize("relu", [False, True])
def test_max_pool_equals_the_windowed_maximum(
    size: int, window: int, stride: int, padding: int, relu: bool
) -> None:
    def reference(x: jax.Array) -> jax.Array:
        pads = ((padding, padding), (padding, padding))
        before = nn.relu(x) if relu else x
        return nn.max_pool(before, (window, window), (stride, stride), pads)

    def pool(x: jax.Array) -> jax.Array:
        return max_pool(x, window, stride, padding, relu=relu)

    x = images(size)
    weights = jnp.cos(jnp.arange(pool(x).size).reshape(pool(x).shape))
    for values in (x, jnp.round(x)):  # of tied ones the first
        np.testing.assert_array_equal(pool(values), reference(values))
        ours = jax.grad(lambda x: jnp.sum(weights * pool(x)))(values)
        theirs = jax.grad(lambda x: jnp.sum(weights * reference(x)))(values)
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-6)
    assert max_pool(x[:, :1], 2, 2).shape == (2, 0, size // 2, 3)


def test_of_tied_values_the_first_of_a_window_takes_the_gradient() -> None:
    x = jnp.asarray([[1.0, 3.0, 2.0], [3.0, 3.0, 9.0], [9.0, 9.0, 9.0]])[None, :, :, None]
    gradient = jax.jit(jax.grad(lambda x: 5.0 * jnp.sum(max_pool(x, 2, 2))))(x)
    expected = [[0.0, 5.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    np.testing.assert_array_equal(gradient[0, :, :, 0], expected)


def test_windows_of_nan_stay_nan() -> None:
    assert jnp.isnan(max_pool(jnp.full((1, 2, 2, 1), jnp.nan), 2, 2)).all()


def test_gem_is_the_average_at_one_and_the_maximum_far_up() -> None:
    x = jnp.abs(images(5))
    np.testing.assert_allclose(gem_pool(x, jnp.asarray(1.0)), x.mean((1, 2)), rtol=1e-5)
    np.testing.assert_allclose(gem_pool(x, jnp.asarray(500.0)), x.max((1, 2)), rtol=1e-2)
    three = np.maximum(x, 1e-6).astype(np.float64) ** 3
    np.testing.assert_allclose(
        gem_pool(x, jnp.asarray(3.0)), three.mean((1, 2)) ** (1 / 3), rtol=1e-5
    )


def test_gem_has_finite_gradients_for_a_dead_map(key: jax.Array) -> None:
    x = jnp.zeros((2, 3, 3, 4))
    pool = GeM()
    variables = pool.init(key, x)
    gradients = jax.grad(lambda v, x: pool.apply(v, x).sum(), argnums=(0, 1))(variables, x)
    assert all(np.isfinite(g).all() for g in jax.tree.leaves(gradients))


def test_gem_gradient_with_respect_to_p(key: jax.Array) -> None:
    x = jnp.abs(images(5))
    f = lambda p: gem_pool(x, p).sum()  # noqa: E731
    numeric = (f(jnp.asarray(3.05)) - f(jnp.asarray(2.95))) / 0.1
    np.testing.assert_allclose(jax.grad(f)(jnp.asarray(3.0)), numeric, rtol=1e-2)


@pytest.mark.parametrize("pooling", ["avg", "gem"])
def test_embedding_net(pooling: str, key: jax.Array) -> None:
    x = images(32)
    backbone = create_backbone("small_cnn", widths=(8,) * 4)
    net = EmbeddingNet(backbone, 16, pooling=pooling, bnneck=True)
    variables = net.init(key, x)
    assert set(variables["params"]) >= {"backbone", "projection", "neck"}
    assert ("pool" in variables["params"]) == (pooling == "gem")
    out = net.apply(variables, x)
    assert out["embedding"].shape == out["neck"].shape == (2, 16)
    assert out["embedding"].dtype == jnp.float32
    np.testing.assert_allclose(jnp.linalg.norm(out["embedding"], axis=1), 1.0, rtol=1e-5)
    # after the neck in evaluation, before it in training
    np.testing.assert_allclose(
        out["embedding"],
        out["neck"] / np.linalg.norm(out["neck"], axis=1, keepdims=True),
        rtol=1e-5,
    )
    trained, _ = net.apply(variables, x, train=True, mutable=["batch_stats"])
    np.testing.assert_allclose(trained["neck"].mean(0), 0.0, atol=1e-5)


def test_embedding_net_without_neck_and_projection(key: jax.Array) -> None:
    x = images(28, channels=1)
    net = EmbeddingNet(create_backbone("two_conv"), 2, normalize=False)
    out, _ = net.init_with_output(key, x)
    assert out["embedding"].shape == (2, 2)
    np.testing.assert_array_equal(out["embedding"], out["neck"])
    plain = EmbeddingNet(create_backbone("two_conv"), normalize=False)
    assert plain.init_with_output(key, x)[0]["embedding"].shape == (2, 256)


def test_all_names_are_listed() -> None:
    assert {"two_conv", "small_cnn", "resnet18", "resnet50"} <= set(backbone_names())
