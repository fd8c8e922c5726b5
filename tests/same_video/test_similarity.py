"""Similarity of videos: measures against loops, networks that are symmetric, a task that learns."""

import functools
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from reid_jax.ops.losses.objectives import Contrastive, Triplet
from reid_jax.same_video import similarity as ops
from reid_jax.same_video.net import siamese, triplet
from reid_jax.same_video.task import VideoSimilarityTask, hide_frames

B, T, D = 8, 4, 6


def chamfer_loop(a, a_mask, b, b_mask):
    """Frame by frame."""

    def one_way(x, x_mask, y, y_mask):
        best = []
        for i in np.flatnonzero(x_mask):
            cosines = [
                x[i] @ y[j] / (np.linalg.norm(x[i]) * np.linalg.norm(y[j]))
                for j in np.flatnonzero(y_mask)
            ]
            best.append(max(cosines, default=None))
        best = [value for value in best if value is not None]
        return np.mean(best) if best else 0.0

    return 0.5 * (one_way(a, a_mask, b, b_mask) + one_way(b, b_mask, a, a_mask))


def videos(seed, number, length):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(number, length, D)).astype(np.float32)
    lengths = rng.integers(1, length + 1, number)
    return x, np.arange(length)[None] < lengths[:, None]


chamfer = jax.jit(ops.chamfer_similarity)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000))
def test_chamfer_is_what_a_loop_says(seed):
    (a, a_mask), (b, b_mask) = videos(seed, 3, 5), videos(seed + 1, 7, 4)
    got = np.asarray(chamfer(a, a_mask, b, b_mask))
    expected = [
        [chamfer_loop(a[i], a_mask[i], b[j], b_mask[j]) for j in range(7)] for i in range(3)
    ]
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)
    b = np.where(b_mask[..., None], b, 7.0).astype(np.float32)
    np.testing.assert_array_equal(chamfer(a, a_mask, b, b_mask), got)


def test_blocks_say_what_one_block_says(monkeypatch):
    (a, a_mask), (b, b_mask) = videos(0, 3, 5), videos(1, 7, 4)
    whole = ops.chamfer_similarity(a, a_mask, b, b_mask)
    monkeypatch.setattr(ops, "_CELLS", 2 * 5 * 4)
    blocks = ops.chamfer_similarity(a, a_mask, b, b_mask)
    np.testing.assert_allclose(blocks, whole, rtol=1e-6)
    paired = ops.paired_chamfer_similarity(a, a_mask, b[:3], b_mask[:3])
    np.testing.assert_allclose(paired, np.diagonal(whole), rtol=1e-6)


def test_memory_is_that_of_a_block():
    shapes = [
        jax.ShapeDtypeStruct(shape, kind)
        for shape, kind in (
            ((50, 64, 8), np.float32),
            ((50, 64), bool),
            ((4000, 64, 8), np.float32),
            ((4000, 64), bool),
        )
    ]
    compiled = jax.jit(ops.chamfer_similarity).lower(*shapes).compile()
    everything = 4 * 50 * 4000 * 64 * 64
    assert compiled.memory_analysis().temp_size_in_bytes < everything / 20


def test_identical_videos_score_exactly_one():
    x, mask = videos(3, 40, 9)
    x[0, 0] = 0
    same = ops.paired_chamfer_similarity(x, mask, x.copy(), mask)
    np.testing.assert_array_equal(same, np.ones(40, np.float32))
    np.testing.assert_array_equal(ops.paired_euclidean_similarity(x[:, 0], x[:, 0]), 1)


def test_videos_without_frames_are_like_nothing():
    x, mask = videos(3, 2, 4)
    mask[1] = False
    score = np.asarray(ops.chamfer_similarity(x, mask, x, mask))
    assert score[0, 0] == 1
    assert not score[1].any()
    assert not score[:, 1].any()


def test_euclidean_similarity_is_what_a_loop_says():
    a, b = (np.random.default_rng(i).normal(size=(4, D)).astype(np.float32) for i in (0, 1))
    expected = [1 / (1 + np.linalg.norm(x - y)) for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(ops.paired_euclidean_similarity(a, b), expected, rtol=1e-5)


def batch(seed=0):
    x, frames = videos(seed, B, T)
    label = np.repeat(np.arange(B // 2, dtype=np.int32), 2)
    x += 2 * np.eye(D, dtype=np.float32)[label][:, None]
    return {"features": x, "frames": frames, "label": label, "mask": np.ones(B, bool)}


def task(net=None, objective=None, **options):
    net = net or siamese("mean", 6, 8, 0.0)
    return VideoSimilarityTask(net, objective or Triplet(mining="all"), 4, D, **options)


@functools.cache
def started():
    """A task, and what it starts from."""
    one = task()
    return one, *one.init(jax.random.key(0), batch())


def test_similarity_is_symmetric_and_embeddings_have_length_one():
    one, params, state = started()
    data = batch()
    embeddings = one.embed(params, state, data["features"], data["frames"])
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, rtol=1e-5)
    pairs = {name: np.stack([data[name], data[name][::-1]], 1) for name in ("features", "frames")}
    turned = {name: value[:, ::-1] for name, value in pairs.items()}
    np.testing.assert_allclose(
        one.predict(params, state, pairs), one.predict(params, state, turned), rtol=1e-6
    )


def test_without_a_head_the_cosine_says_it():
    one = task(triplet("mean", 6, 8, 0.0))
    data = batch()
    params, state = one.init(jax.random.key(0), data)
    twice = {name: np.stack([data[name]] * 2, 1) for name in ("features", "frames")}
    np.testing.assert_allclose(one.predict(params, state, twice), 1, rtol=1e-5)
    terms, _ = one.loss(params, state, data, jax.random.key(1), None)
    assert set(terms) == {"triplet"}


def test_the_head_costs_what_a_loop_says():
    one, params, state = started()
    one = replace(one, head_weight=2.0, objective=Contrastive())
    data = batch()
    data["mask"][-1] = False
    terms, _ = one.loss(params, state, data, jax.random.key(1), None)
    embeddings = one.embed(params, state, data["features"], data["frames"])
    variables = {"params": params["net"]}
    same, different = [], []
    for i in range(B - 1):
        logits = one.net.apply(
            variables,
            jnp.broadcast_to(embeddings[i], embeddings.shape),
            embeddings,
            method="similarity",
        )
        for j in set(range(B - 1)) - {i}:
            if data["label"][i] == data["label"][j]:
                same.append(np.logaddexp(0, -logits[j]))
            else:
                different.append(np.logaddexp(0, logits[j]))
    for name, values in (("head_same", same), ("head_different", different)):
        assert terms[name].weight == 1.0
        assert int(terms[name].number) == len(values)
        np.testing.assert_allclose(terms[name].total, np.sum(values), rtol=1e-4)


def test_two_devices_see_what_one_sees():
    one, params, state = started()
    one = replace(one, net=siamese("mean", D, 8, 0.3), frame_dropout=0.3)
    params = {**params, "net": {**params["net"], "gate": jnp.ones(())}}
    data = batch()
    key = jax.random.key(5)

    def totals(data, axis_name=None):
        terms, _ = one.loss(params, state, data, key, axis_name)
        return {name: (term.total, term.number) for name, term in terms.items()}

    alone = totals(data)
    divided = {name: value.reshape(2, B // 2, *value.shape[1:]) for name, value in data.items()}
    shares = jax.pmap(lambda data: totals(data, "devices"), axis_name="devices")(divided)
    for name, (total, number) in alone.items():
        np.testing.assert_allclose(np.sum(shares[name][0]), total, rtol=1e-4)
        np.testing.assert_allclose(np.sum(shares[name][1]), number)


def test_hidden_frames_are_hidden_and_never_all():
    frames = np.arange(T)[None] < np.array([4, 1] * 4)[:, None]
    left = np.asarray(hide_frames(jax.random.split(jax.random.key(0), B), jnp.asarray(frames), 0.9))
    assert (left & ~frames).sum() == 0
    assert left.any(axis=1).all()
    assert left.sum() < frames.sum()


def test_a_few_steps_lower_the_loss():
    one, params, state = started()
    data = batch()

    def total(params):
        terms, _ = one.loss(params, state, data, jax.random.key(1), None)
        return sum(t.weight * t.total / jnp.maximum(t.number, 1.0) for t in terms.values())

    step = jax.jit(jax.value_and_grad(total))
    losses = []
    for _ in range(30):
        loss, grads = step(params)
        losses.append(float(loss))
        params = jax.tree.map(lambda p, g: p - 0.1 * g, params, grads)
    assert losses[-1] < 0.7 * losses[0]


def test_evaluation_is_of_pairs():
    metrics = task().evaluate(
        np.array([0.9, 0.1, 0.8, 0.2]), {"same": np.array([1, 0, 1, 0], bool)}
    )
    assert metrics == {"roc_auc": 1.0, "average_precision": 1.0}
