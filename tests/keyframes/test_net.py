"""The keyframe network: blind to padding, of the size described, and its inputs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reid_jax.architectures.keyframes import (
    KEYFRAME_MODELS,
    keyframe_sizes,
    keyframes_table,
    summarize_keyframes,
)
from reid_jax.keyframes import context as video_context
from reid_jax.keyframes.clips import ClipAugmentation, draw_clips
from reid_jax.keyframes.context import frame_context
from reid_jax.keyframes.inputs import fit_preparation, prepare_video
from reid_jax.keyframes.net import KeyframeScorer
from reid_jax.keyframes.task import prepare

SMALL = {
    "width": 8,
    "depth": 1,
    "heads": 2,
    "head_dim": 4,
    "mlp": 8,
    "dual_head_dim": 4,
    "radius": 2,
    "hidden": 4,
}
T, D = 12, 5


@pytest.fixture(scope="module")
def scorer():
    module = KeyframeScorer(**SMALL, skip=True, smoothing=1.0)
    features = jax.random.normal(jax.random.key(0), (1, T, D))
    params = jax.jit(module.init)(jax.random.key(1), features, jnp.ones((1, T), bool))
    # The zeros that a skipped network starts from would hide what the test looks for.
    params = jax.tree.map(lambda leaf: leaf + 0.1, params)
    return jax.jit(lambda features, mask: module.apply(params, features, mask))


@settings(deadline=None, max_examples=15)
@given(st.integers(1, T - 1), st.integers(0, 9), st.sampled_from([0.0, 1e6, np.nan]))
def test_what_is_behind_the_end_changes_no_score(scorer, length, seed, garbage):
    features = np.random.default_rng(seed).normal(size=(1, T, D)).astype(np.float32)
    mask = np.arange(T)[None] < length
    other = np.where(mask[..., None], features, np.float32(garbage))
    ours, theirs = scorer(features, mask), scorer(other, mask)
    np.testing.assert_array_equal(ours, theirs)
    assert np.all((ours[0, :length] > 0) & (ours[0, :length] < 1))
    assert not np.any(ours[0, length:])


def test_a_batch_gives_what_each_video_alone_gives(scorer):
    features = np.random.default_rng(0).normal(size=(1, T, D)).astype(np.float32)
    alone = scorer(features[:, :7], np.ones((1, 7), bool))
    padded = scorer(features, np.arange(T)[None] < 7)
    np.testing.assert_allclose(padded[0, :7], alone[0], atol=1e-6)


def test_a_hole_is_not_seen_either(scorer):
    features = np.random.default_rng(1).normal(size=(1, T, D)).astype(np.float32)
    mask = np.ones((1, T), bool)
    mask[0, 4] = False
    other = features.copy()
    other[0, 4] = 7
    np.testing.assert_array_equal(scorer(features, mask), scorer(other, mask))


def test_a_skipped_network_starts_as_its_linear_path(key):
    module = KeyframeScorer(**SMALL, skip=True)
    features, mask = jax.random.normal(key, (1, T, D)), jnp.ones((1, T), bool)
    params = jax.jit(module.init)(key, features, mask)["params"]
    weights = jnp.arange(1.0, D + 1)[:, None]
    params = {**params, "skip": {"kernel": weights}}
    scores = module.apply({"params": params}, features, mask)
    np.testing.assert_allclose(scores, jax.nn.sigmoid(features @ weights)[..., 0], rtol=1e-5)


@pytest.mark.parametrize(
    "dtype", [jnp.float32, pytest.param(jnp.bfloat16, marks=pytest.mark.exhaustive)]
)
def test_dropout_only_disturbs_training(key, dtype):
    module = KeyframeScorer(**SMALL, dropout=0.5, dtype=dtype)
    features, mask = jax.random.normal(key, (1, T, D)), jnp.ones((1, T), bool)
    variables = jax.jit(module.init)(key, features, mask)

    @jax.jit
    def trained(key):
        return module.apply(variables, features, mask, train=True, rngs={"dropout": key})

    first, second = trained(jax.random.key(1)), trained(jax.random.key(2))
    assert first.dtype == jnp.float32
    assert np.any(first != second)
    np.testing.assert_array_equal(
        module.apply(variables, features, mask), module.apply(variables, features, mask)
    )


@pytest.mark.parametrize("what", ["scorer", "preparation"])
def test_an_hour_of_video_fits_and_two_hours_take_twice_the_memory(what):
    """As XLA plans it, of the default network at 1,280 features a frame, two frames a second."""
    width, hour = 1280, 7200
    one = np.zeros((1, 1, width), np.float32), np.ones((1, 1), bool)
    if what == "scorer":
        network = KeyframeScorer(skip=True, smoothing=1.0)
        function, given = network.apply, jax.eval_shape(network.init, jax.random.key(0), *one)
    else:
        features = np.random.default_rng(0).normal(size=(9, width)).astype(np.float32)
        function, given = prepare, fit_preparation([features], components=5, context=1.0)

    def planned(frames):
        shape = jax.ShapeDtypeStruct((1, frames, width), np.float32)
        mask = jax.ShapeDtypeStruct((1, frames), bool)
        compiled = jax.jit(function).lower(given, shape, mask).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    needed = planned(hour)
    every_pair_of_frames = 4 * 8 * hour**2  # of eight heads
    assert needed < every_pair_of_frames / 2
    assert planned(2 * hour) < 2.1 * needed


def test_the_described_sizes():
    """26.4M and 7.8M parameters; 2.5M of Model 2 train in its first stage, 4.3M in its second."""
    first, second = keyframe_sizes("resnet50"), keyframe_sizes("efficientnet_b0")
    assert (first.total, second.total) == (26_447_489, 6_553_789)
    assert second.total + second.classifier == 7_834_789
    assert second.trained(0) == 2_546_241
    assert second.trained(3) == 4_263_585
    assert list(second.blocks)[-3:] == ["stage6_3", "stage7_0", "head"]


def test_the_two_keyframe_networks_side_by_side():
    rows = [summarize_keyframes(name) for name in KEYFRAME_MODELS]
    for row in rows:
        assert sum(row["parameters"].values()) == row["total"]
        assert row["milliseconds"] is None
    lines = keyframes_table(rows).as_markdown().splitlines()
    assert "| network | 26,447,489 | 6,553,789 | 4.04 |" in lines
    assert "| trained in stage one | 2,939,457 | 2,546,241 | 1.15 |" in lines
    assert any(line.startswith("| trained in stage two | 11,") for line in lines)
    assert not any(line.startswith("| ms") for line in lines)


def test_keyframe_networks_are_timed_at_one_and_eight_sequences(monkeypatch):
    monkeypatch.setitem(KEYFRAME_MODELS, "tiny", ("small_cnn", 1))
    small = KeyframeScorer(**SMALL)
    row = summarize_keyframes("tiny", scorer=small, frames=2, input_size=8, speed=True)
    assert set(row["milliseconds"]) == {"1", "8"}
    assert min(row["milliseconds"].values()) > 0
    assert "| ms, 8 x 2 images |" in keyframes_table([row, row]).as_markdown()


def context_by_loops(features):
    """The descriptors of one video (T, D), a frame at a time."""
    x = features / np.linalg.norm(features, axis=1, keepdims=True)
    n = len(x)

    def mean(rows):
        return rows.mean(axis=0) if len(rows) else np.zeros(x.shape[1])

    def cosine(a, b):
        return a @ b / max(np.linalg.norm(b), 1e-6)

    columns = []
    for t in range(n):
        place = 2 * (t + 0.5) / n - 1
        row = [1 - place**2, abs(place) > 0.96, abs(place) > 0.9]
        for radius in video_context.CHANGE_RADII:
            before = x[max(t - radius, 0) : t] if t else x[:1]
            row.append(np.linalg.norm(mean(before) - mean(x[t : t + radius])))
        for radius in video_context.NEIGHBOUR_RADII:
            row.append(cosine(x[t], mean(x[max(t - radius, 0) : t + radius + 1])))
        row.append(cosine(x[t], mean(x)))
        row += [np.mean(x @ x[t] > least) for least in video_context.SHARED_SIMILARITIES]
        columns.append(row)
    columns = np.asarray(columns, float)
    spread = columns.std(axis=0)
    centred = columns - columns.mean(axis=0)
    return np.where(spread > 1e-5, centred / np.where(spread > 1e-5, spread, 1), 0)


@pytest.mark.parametrize("length", [30, 21, 1])
def test_context_equals_loops(length, monkeypatch):
    monkeypatch.setattr(video_context, "_SIMILARITIES", 30 * 7)
    features = np.abs(np.random.default_rng(length).normal(size=(1, 30, D))).astype(np.float32)
    mask = np.arange(30)[None] < length
    found = jax.jit(frame_context)(jnp.asarray(features), jnp.asarray(mask))
    assert found.shape == (1, 30, video_context.COLUMNS)
    np.testing.assert_allclose(found[0, :length], context_by_loops(features[0, :length]), atol=2e-3)
    assert not np.any(found[0, length:])


def test_preparation_standardises_and_keeps_the_first_components():
    rng = np.random.default_rng(0)
    videos = [rng.normal(size=(n, D)).astype(np.float32) * [9, 1, 1, 1, 1] + 3 for n in (20, 30)]
    preparation = fit_preparation(videos, components=3, context=2.0)
    inputs = np.concatenate([prepare_video(preparation, video) for video in videos])
    assert inputs.shape == (50, 3 + video_context.COLUMNS)
    covariance = np.cov(inputs[:, :3].T, bias=True)
    np.testing.assert_allclose(covariance, np.diag(np.diag(covariance)), atol=1e-5)
    np.testing.assert_allclose(inputs[:, :3].std(axis=0), preparation["deviation"][:3], rtol=1e-4)
    whole = fit_preparation(videos, components=0, context=0.0)
    every = np.concatenate([prepare_video(whole, video) for video in videos])
    np.testing.assert_allclose(every[:, :D].var(axis=0).sum(), D, rtol=1e-4)
    assert not np.any(every[:, D:])


def test_of_fused_features_each_file_varies_as_much():
    features = np.random.default_rng(0).normal(size=(40, D)).astype(np.float32) * [9, 1, 1, 5, 2]
    fused = fit_preparation([features], components=0, context=0.0, widths=(4, 1))
    scaled = (features - fused["mean"]) / fused["scale"]
    np.testing.assert_allclose(scaled[:, :4].var(axis=0).sum(), D / 2, rtol=1e-5)
    np.testing.assert_allclose(scaled[:, 4:].var(axis=0).sum(), D / 2, rtol=1e-5)
    inputs = prepare_video(fused, features)[:, :D]
    np.testing.assert_allclose(inputs.var(axis=0).sum(), D, rtol=1e-4)


def test_a_feature_that_is_constant_in_training_stays_in_bounds():
    features = np.random.default_rng(0).normal(size=(30, D)).astype(np.float32)
    features[:, 2] = 0.7
    preparation = fit_preparation([features], components=0, context=0.0)
    features[:, 2] = 1.7
    assert np.abs(prepare_video(preparation, features)).max() < 10


def test_preparation_of_a_padded_batch_is_that_of_each_video():
    features = np.random.default_rng(0).normal(size=(1, 20, D)).astype(np.float32)
    preparation = fit_preparation([features[0]], components=0, context=1.0)
    mask = np.arange(20)[None] < 13
    padded = jax.jit(prepare)(preparation, features, mask)
    np.testing.assert_allclose(
        padded[0, :13], prepare_video(preparation, features[0, :13]), atol=1e-4
    )


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 1000), st.integers(1, 40))
def test_clips_lie_in_their_video_in_order(seed, length):
    spec = ClipAugmentation(speed=1.0, jitter=3.0, drop=0.5)
    frames, mask = _draw(jax.random.split(jax.random.key(seed), 2), length, spec)
    assert frames.shape == mask.shape == (2, 10)
    assert np.all((frames >= 0) & (frames < length))
    assert np.all(np.diff(frames) >= 0)
    assert np.all(mask.any(axis=1))


def _draw(keys, length, spec):
    lengths = jnp.full((len(keys),), length, jnp.int32)
    return map(np.asarray, _compiled_draw(keys, lengths, spec))


_compiled_draw = jax.jit(
    lambda keys, lengths, spec: draw_clips(keys, lengths, 10, spec), static_argnums=2
)


def test_undisturbed_clips_are_whole_pieces_of_all_of_the_video():
    frames, mask = _draw(jax.random.split(jax.random.key(0), 200), 14, ClipAugmentation())
    assert np.all(mask)
    assert np.all(np.diff(frames) == 1)
    assert set(frames[:, 0]) == set(range(5))
    frames, mask = _draw(jax.random.split(jax.random.key(0), 3), 6, ClipAugmentation())
    np.testing.assert_array_equal(mask, np.tile(np.arange(10) < 6, (3, 1)))
    np.testing.assert_array_equal(frames[:, :6], np.tile(np.arange(6), (3, 1)))
