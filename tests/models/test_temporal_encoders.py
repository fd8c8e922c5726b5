"""Encoders of videos: one signature, and padding that changes nothing."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reid_jax.architectures.temporal import summarize_temporal, temporal_table
from reid_jax.errors import UserError
from reid_jax.models.temporal.frames import masked_mean
from reid_jax.models.temporal.graph import nearest_frames
from reid_jax.models.temporal.pyramid import part_weights
from reid_jax.models.temporal.registry import temporal_encoder, temporal_encoder_names

B, T, D, E = 2, 7, 6, 5


@pytest.fixture(scope="module")
def encoders():
    """Each encoder compiled once for (B, T, D), with its variables."""
    compiled = {}
    for name in temporal_encoder_names():
        module = temporal_encoder(name, embedding_dim=E, width=8)
        shapes = jax.eval_shape(
            lambda f, m, module=module: module.init(jax.random.key(1), f, m, train=False),
            jnp.ones((B, T, D)),
            jnp.ones((B, T), bool),
        )
        variables = random_variables(shapes)
        compiled[name] = (
            variables,
            jax.jit(lambda v, f, m, module=module: module.apply(v, f, m, train=False)),
        )
    return compiled


def random_variables(shapes):
    """Numbers for all parameters, without compiling what would initialise them."""
    rng = np.random.default_rng(0)
    return jax.tree.map(
        lambda leaf: rng.normal(scale=0.3, size=leaf.shape).astype(np.float32), shapes
    )


def frames(seed, shape=(B, T, D)):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("name", temporal_encoder_names())
def test_padding_changes_nothing(encoders, name):
    variables, apply = encoders[name]
    features = frames(0)
    for lengths in ((7, 3), (1, 5)):
        mask = np.arange(T)[None] < np.array(lengths)[:, None]
        out = apply(variables, features, mask)
        assert out.shape == (B, E)
        assert out.dtype == jnp.float32
        garbage = np.where(mask[..., None], features, np.nan)
        np.testing.assert_array_equal(apply(variables, garbage, mask), out)


@pytest.mark.parametrize("name", temporal_encoder_names())
def test_a_longer_array_says_the_same_of_the_same_frames(encoders, name):
    variables, apply = encoders[name]
    features, mask = frames(2, (B, 4, D)), np.ones((B, 4), bool)
    padded = np.pad(features, ((0, 0), (0, 3), (0, 0)))
    longer = apply(variables, padded, np.pad(mask, ((0, 0), (0, 3))))
    shorter = apply(variables, features, mask)
    np.testing.assert_allclose(longer, shorter, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("name", temporal_encoder_names())
def test_without_frames_the_output_is_a_constant_and_gradients_are_finite(encoders, name):
    variables, apply = encoders[name]
    mask = np.zeros((B, T), bool)
    first, second = apply(variables, frames(3), mask), apply(variables, frames(4), mask)
    assert np.isfinite(first).all()
    np.testing.assert_array_equal(first, second)
    if name in ("attention", "self_attention", "graph", "pyramid"):
        loss = jax.grad(lambda v: jnp.sum(jnp.square(apply(v, jnp.zeros((B, T, D)), mask))))
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(loss(variables)))


@pytest.mark.parametrize("name", sorted(set(temporal_encoder_names()) - {"mean", "attention"}))
def test_order_matters_where_the_encoder_looks_at_time(encoders, name):
    variables, apply = encoders[name]
    mask = np.ones((B, T), bool)
    features = frames(5)
    swapped = features[:, ::-1]
    same = np.allclose(
        apply(variables, features, mask), apply(variables, swapped, mask), rtol=1e-3, atol=1e-4
    )
    assert same == (name in ("graph", "self_attention"))


def test_dropout_needs_a_key_and_changes_the_output():
    module = temporal_encoder("mean", embedding_dim=E, width=8, dropout=0.5)
    features, mask = frames(0), np.ones((B, T), bool)
    variables = module.init(jax.random.key(0), features, mask, train=False)
    one, other = (
        module.apply(variables, features, mask, train=True, rngs={"dropout": jax.random.key(i)})
        for i in (1, 2)
    )
    assert not np.allclose(one, other)


def test_an_unknown_name_is_refused():
    with pytest.raises(UserError, match="multi_scale"):
        temporal_encoder("lstm")


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 9), st.sampled_from([1, 2, 4]))
def test_parts_of_a_pyramid_are_adaptive_means(length, parts):
    mask = np.arange(9) < length
    weights = np.asarray(part_weights(mask[None], parts))[0]
    expected = np.zeros((parts, 9), np.float32)
    for part in range(parts):
        start, end = part * length // parts, -(-(part + 1) * length // parts)
        if length:
            expected[part, start:end] = 1 / (end - start)
    np.testing.assert_allclose(weights, expected)


def test_neighbours_are_those_of_a_loop():
    features = frames(6)
    mask = np.arange(T)[None] < np.array([7, 3])[:, None]
    rows, joined = map(np.asarray, nearest_frames(features, mask, 4))
    unit = features / np.linalg.norm(features, axis=-1, keepdims=True)
    for video in range(B):
        there = np.flatnonzero(mask[video])
        for frame in there:
            others = [f for f in there if f != frame]
            nearest = sorted(others, key=lambda f: -(unit[video, frame] @ unit[video, f]))[:4]
            assert rows[video, frame][joined[video, frame]].tolist() == nearest
    assert not joined[1, 3:].any()


def test_means_leave_padding_out():
    x, mask = frames(7), np.arange(T)[None] < np.array([4, 0])[:, None]
    mean = np.asarray(masked_mean(x, mask))
    np.testing.assert_allclose(mean[0], x[0, :4].mean(axis=0), rtol=1e-5)
    assert not mean[1].any()


def test_the_cost_of_an_encoder_is_counted():
    row = summarize_temporal("mean", frames=8, features=10)
    # LayerNorm, Dense (10 -> 256) a frame, Dense (256 -> 128) a video.
    assert row["parameters"] == 2 * 10 + (10 + 1) * 256 + (256 + 1) * 128
    assert row["multiply_adds"] == 8 * 10 * 256 + 256 * 128
    assert "| mean | 8 | 0.04 M |" in temporal_table([row]).as_markdown()


def test_an_encoder_is_timed():
    assert summarize_temporal("mean", frames=4, features=6, speed=True)["milliseconds"] > 0


def test_fused_files_are_gated_as_by_hand(key):
    """The gate's softmax over three streams of each half of the features, in plain NumPy."""
    module = temporal_encoder("fusion", embedding_dim=E, width=8, files=2)
    x, mask = frames(5), np.arange(T)[None] < np.array([7, 4])[:, None]
    params = random_variables(jax.eval_shape(lambda: module.init(key, x, mask, train=False)))
    p = params["params"]
    for b, length in enumerate((7, 4)):
        streams = []
        for half in (x[b, :length, :3], x[b, :length, 3:]):
            before = np.concatenate([half[:1], half[:-1]])
            streams += [half, half - before, half - half.mean(axis=0)]
        projected = []
        for number, stream in enumerate(streams):
            own = p[f"FrameProjection_{number}"]
            mean, variance = stream.mean(axis=1), stream.var(axis=1)
            normed = (stream - mean[:, None]) / np.sqrt(variance + 1e-6)[:, None]
            normed = normed * own["LayerNorm_0"]["scale"] + own["LayerNorm_0"]["bias"]
            projected.append(
                jax.nn.gelu(normed @ own["Dense_0"]["kernel"] + own["Dense_0"]["bias"])
            )
        gate = np.concatenate(projected, axis=1) @ p["Dense_0"]["kernel"] + p["Dense_0"]["bias"]
        weights = np.exp(gate) / np.exp(gate).sum(axis=1, keepdims=True)
        fused = sum(weights[:, [n]] * one for n, one in enumerate(projected)).mean(axis=0)
        expected = fused @ p["Dense_1"]["kernel"] + p["Dense_1"]["bias"]
        found = module.apply(params, x, mask, train=False)[b]
        np.testing.assert_allclose(found, expected, rtol=2e-4, atol=2e-4)
