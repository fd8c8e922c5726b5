"""Heads over very many identities: in chunks, sampled, and divided over devices."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from reid_jax.errors import UserError
from reid_jax.ops.keys import step_key
from reid_jax.ops.losses.large_softmax import chunked_margin_softmax_loss, sample_classes
from reid_jax.ops.losses.margin_softmax import margin_softmax_loss
from reid_jax.ops.losses.objectives import Joint, MarginSoftmax
from reid_jax.training.checkpoint import Checkpoints
from reid_jax.training.optimizer import make_optimizer
from reid_jax.training.parallel import is_centers, make_layout
from reid_jax.training.state import create_state
from reid_jax.training.step import make_streamed_step, make_train_step
from tests.training.test_parallel import make_batch, make_task

MESH = jax.sharding.Mesh(np.array(jax.devices()[:8]), ("batch",))
DIVIDED = jax.sharding.NamedSharding(MESH, jax.sharding.PartitionSpec("batch"))


def _batch(classes=24, subs=None, size=16, dimension=5, seed=0):
    rng = np.random.default_rng(seed)
    shape = (classes, dimension) if subs is None else (classes, subs, dimension)
    centers = rng.normal(size=shape).astype(np.float32)
    embeddings = rng.normal(size=(size, dimension)).astype(np.float32)
    labels = rng.integers(0, classes, size).astype(np.int32)
    labels[3] = labels[4]
    own = centers[labels[0]] if subs is None else centers[labels[0], 0]
    embeddings[0] = -own  # beyond pi - margin
    embeddings[1] = 0.0
    return embeddings, centers, labels, rng.random(size) > 0.2


def _run(loss, *arguments):
    def both(x, w, y, m):
        function = jax.value_and_grad(lambda x, w: loss(x, w, y, mask=m), (0, 1), has_aux=True)
        return function(x, w)

    return jax.jit(both)(*arguments)


def _assert_same(got, expected, tolerance=1e-5):
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(
    ("kind", "subs", "chunk", "classes"),
    [
        ("arcface", None, 6, 24),
        ("arcface", 3, 5, 23),  # 5 chunks of 4 and 3 classes left over
        ("cosface", None, 7, 23),
        ("cosface", 2, 100, 24),
        ("arcface", None, 1, 9),
        ("arcface", None, 4, 1),
    ],
)
def test_chunks_change_nothing(kind, subs, chunk, classes):
    batch = _batch(classes, subs)
    plain = functools.partial(margin_softmax_loss, kind=kind, scale=30.0)
    chunked = functools.partial(chunked_margin_softmax_loss, kind=kind, scale=30.0, chunk=chunk)
    expected = _run(plain, *batch)
    _assert_same(_run(chunked, *batch), expected, 3e-5)
    if classes > 1:
        assert expected[0][0] > 0


def test_large_scales_do_not_overflow():
    x, w, y, m = _batch()
    plain = functools.partial(margin_softmax_loss, scale=1000.0)
    chunked = functools.partial(chunked_margin_softmax_loss, scale=1000.0, chunk=5)
    # float32 holds a logit of 1000 to 1e-4; in a gradient the scale stands before that.
    got, expected = (
        jax.tree.map(lambda value: value / 1000.0, _run(loss, x, w, y, m))
        for loss in (chunked, plain)
    )
    _assert_same(got, expected, 1e-4)


def test_chunks_hold_no_logits_of_all_classes():
    """As XLA plans it: centres, their gradient, and a few (B, chunk)."""
    size, classes, dimension, chunk = 256, 4096, 4, 128
    shapes = [jax.ShapeDtypeStruct(s, jnp.float32) for s in ((size, dimension), (classes, 4))]
    labels = jnp.zeros(size, jnp.int32)

    def held(loss):
        grad = jax.grad(lambda x, w, y: loss(x, w, y)[0], argnums=(0, 1))
        compiled = jax.jit(grad).lower(*shapes, labels).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    assert held(margin_softmax_loss) > 4 * size * classes
    assert held(functools.partial(chunked_margin_softmax_loss, chunk=chunk)) < size * classes


def test_padding_alone_is_zero_and_kinds_are_checked():
    x, w, y, _ = _batch()
    nothing = jnp.zeros(len(y), bool)
    (total, count), gradients = _run(
        functools.partial(chunked_margin_softmax_loss, chunk=5), x, w, y, nothing
    )
    assert total == count == 0
    assert not any(g.any() for g in gradients)
    with pytest.raises(UserError, match="arcfoce"):
        chunked_margin_softmax_loss(x, w, y, chunk=5, kind="arcfoce")


def test_a_sample_is_drawn_without_replacement_and_keeps_the_batch():
    _, _, labels, mask = _batch(200)
    draw = jax.jit(functools.partial(sample_classes, num_classes=200, number=50))
    seen = np.zeros(200)
    for seed in range(40):
        classes, place = map(np.asarray, draw(jax.random.key(seed), labels, mask=mask))
        assert len(set(classes)) == 50
        np.testing.assert_array_equal(classes[place[mask]], labels[mask])
        assert (place < 50).all()
        seen[classes] += 1
    again, _ = draw(jax.random.key(39), labels, mask=mask)
    np.testing.assert_array_equal(again, classes)
    own = np.unique(labels[mask])
    assert (seen[own] == 40).all()
    others = np.delete(seen, own)  # each with chance (50 - own) / (200 - own)
    assert abs(others.mean() / 40 - (50 - len(own)) / (200 - len(own))) < 1e-6
    assert others.std() < 5


def test_a_sampled_loss_is_that_of_the_classes_drawn():
    x, w, y, m = _batch(60)
    classes, place = sample_classes(jax.random.key(1), y, 60, 30, mask=m)
    expected = _run(margin_softmax_loss, x, w[classes], place, m)
    (total, count), (by_x, by_w) = _run(
        lambda x, w, y, mask: margin_softmax_loss(x, w[classes], place, mask=mask), x, w, y, m
    )
    _assert_same(((total, count), (by_x, by_w[classes])), expected)
    left_out = np.setdiff1d(np.arange(60), classes)
    assert not by_w[left_out].any()


OBJECTIVES = {
    "plain": MarginSoftmax(centers=2),
    "chunked": MarginSoftmax(kind="cosface", margin=0.35, chunk=16),
    "sampled": MarginSoftmax(sampled=0.5),
    "adaface": MarginSoftmax(kind="adaface", margin=0.4, sampled=0.5, chunk=8),
    "elastic": MarginSoftmax(deviation=0.05, chunk=16),
    "sampled_chunked": MarginSoftmax(sampled=0.5, chunk=8),
}


def _terms(objective, params, x, y, m, axis_name=None):
    each = jax.lax.stop_gradient(x)
    outputs = {"neck": x, "standing": each[:, 0], "lot": each[:, 1]}
    (term,) = objective.terms(params, outputs, y, m, axis_name).values()
    return term.total, term.number


@pytest.mark.parametrize("name", OBJECTIVES)
def test_classes_divided_over_eight_devices_are_those_of_one(name):
    """Batch and classes divided over a mesh, and the batch under pmap."""
    objective = OBJECTIVES[name]
    x, _, y, m = _batch(64)
    params = objective.init(jax.random.key(0), 64, 5)

    def run(params, x, y, m):
        function = jax.value_and_grad(
            lambda p, x: _terms(objective, p, x, y, m), (0, 1), has_aux=True
        )
        return function(params, x)

    expected = jax.jit(run)(params, x, y, m)
    shared = jax.jit(run, in_shardings=DIVIDED, out_shardings=((None, None), DIVIDED))
    got = shared(params, x, y, m)
    _assert_same(got, expected)
    assert got[1][0]["centers"].sharding == DIVIDED

    def one_of_eight(params, x, y, m):
        def local(p):
            return _terms(objective, p, x, y, m, "batch")

        (total, count), gradient = jax.value_and_grad(local, has_aux=True)(params)
        return jax.lax.psum((total, count, gradient), "batch")

    split = [np.asarray(a).reshape(8, -1, *a.shape[1:]) for a in (x, y, m)]
    total, count, gradient = jax.pmap(
        one_of_eight, axis_name="batch", in_axes=(None, 0, 0, 0), out_axes=None
    )(params, *split)
    _assert_same((total, count, gradient), (*expected[0], expected[1][0]))


@pytest.mark.parametrize("name", ["plain", "chunked"])
def test_divided_classes_stay_where_they_are(name):
    """No device gathers the centres, nor makes logits of all classes."""
    objective, classes, dimension = OBJECTIVES[name], 512, 6
    x, _, y, m = _batch(classes, dimension=dimension)
    params = objective.init(jax.random.key(0), classes, dimension)

    def run(params, x):
        return jax.grad(lambda p: _terms(objective, p, x, y, m)[0])(params)

    text = jax.jit(run, in_shardings=DIVIDED, out_shardings=DIVIDED).lower(params, x).compile()
    gathered = [line for line in text.as_text().splitlines() if " all-gather(" in line]
    sizes = [
        int(np.prod([int(n) for n in line.split("[")[1].split("]")[0].split(",") if n] or [1]))
        for line in gathered
    ]
    assert all(size <= x.size * 2 for size in sizes), gathered


def _train(mode, steps, state=None):
    """Steps with Adam and an average, as the loop makes them; 24 individuals, 8 devices."""
    task = dataclasses.replace(make_task(MarginSoftmax(chunk=8)), num_classes=24)
    optimizer = optax.adam(1e-2)
    if state is None:
        variables = task.init(jax.random.key(0), make_batch(0))
        state = create_state(*variables, optimizer, ema=True)
    layout = make_layout(mode)
    step = make_streamed_step(make_train_step(task, optimizer, seed=1, ema_decay=0.9))
    compiled = layout.compile(step, batch_axis=0, donate=True)
    first = int(state.step)
    state = layout.everywhere(state)
    for number in range(first, first + steps):
        state, _ = compiled(state, {}, layout.divide(make_batch(number), 0))
    return state


def test_a_mesh_divides_the_centres_and_a_checkpoint_goes_on_elsewhere(tmp_path):
    eight, one = _train("mesh", 2), _train("single", 2)
    divided = [
        leaf
        for path, leaf in jax.tree_util.tree_leaves_with_path(eight)
        if "centers" in jax.tree_util.keystr(path)
    ]
    assert len(divided) == 4  # parameters, their average, Adam's two moments
    for leaf in divided:
        assert leaf.addressable_shards[0].data.shape[0] == 3
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save_latest(eight, {})
    checkpoints.wait()
    template = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), one)
    restored, _ = checkpoints.restore_latest(template)
    checkpoints.close()
    for a, b in zip(jax.tree.leaves(restored), jax.tree.leaves(eight), strict=True):
        np.testing.assert_array_equal(a, b)
        assert len(a.sharding.device_set) == 1
    ours, theirs = _train("single", 1, restored), _train("single", 1, one)
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=5e-5)


def test_fields_out_of_range_are_named():
    with pytest.raises(UserError, match=r"loss.sampled of MarginSoftmax is 0"):
        MarginSoftmax(sampled=0)
    with pytest.raises(UserError, match=r"loss.chunk of MarginSoftmax is -1"):
        MarginSoftmax(chunk=-1)


def _drawn_by_loops(state, grads, drawn, *, adam, rate, decay):
    """One step on rows of centres, row by row: Nesterov's momentum 0.9, or AdamW."""
    centers, *moments, average = (np.array(x, np.float64) for x in state)
    for c, gradient in zip(drawn, grads, strict=True):
        if adam:
            moments[0][c] = 0.9 * moments[0][c] + 0.1 * gradient
            moments[1][c] = 0.999 * moments[1][c] + 0.001 * gradient**2
            number = int(adam)
            mean, square = moments[0][c] / (1 - 0.9**number), moments[1][c] / (1 - 0.999**number)
            direction = mean / (np.sqrt(square) + 1e-8)
        else:
            moments[0][c] = gradient + 0.9 * moments[0][c]
            direction = gradient + 0.9 * moments[0][c]
        centers[c] -= rate * (direction + decay * centers[c])
        average[c] = 0.1 * average[c] + 0.9 * centers[c]  # warm: (1 + 0) / (10 + 0) at first
    return centers, *moments, average


def _rows(state):
    leaves = jax.tree_util.tree_leaves_with_path(state)
    return [np.asarray(leaf) for path, leaf in leaves if is_centers(path)]


@pytest.mark.parametrize("objective", [MarginSoftmax(sampled=0.4, scale=8.0), Joint])
@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_a_step_moves_the_centres_drawn_and_no_others(name, objective):
    softmax = MarginSoftmax(sampled=0.4, scale=8.0)
    joint = objective is Joint
    objective = Joint(softmax=softmax) if joint else objective
    whole = dataclasses.replace(softmax, sampled=1.0)
    task = dataclasses.replace(make_task(objective), num_classes=100)
    optimizer = make_optimizer(
        name, optax.constant_schedule(0.1), momentum=0.9, weight_decay=0.01, clip_norm=0.0
    )
    step = jax.jit(make_train_step(task, optimizer, seed=1, ema_decay=0.9))
    batch = make_batch(0)
    state = create_state(*task.init(jax.random.key(0), batch), optimizer, ema=True)
    seen = np.zeros(100, int)
    for number in range(2):
        batch = make_batch(number)
        label, mask = jnp.asarray(batch["label"]), jnp.asarray(batch["mask"])
        classes, place = softmax.sampling.draw(100, label, mask, None)
        drawn = np.asarray(classes)
        assert len(drawn) == 40
        before, (after, metrics) = _rows(state), step(state, batch)
        now = _rows(after)
        others = np.delete(np.arange(100), drawn)
        for old, new in zip(before, now, strict=True):
            np.testing.assert_array_equal(new[others], old[others])
            assert (new[drawn] != old[drawn]).any(axis=1).all()
        if not joint and not number:
            assert float(metrics["loss"]) > 0
            # The gradient by the drawn centres, of the loss without sampling.
            keys = jax.random.split(step_key(1, state.step))
            positions = jnp.arange(len(label))
            outputs, _ = task.outputs(
                state.params, state.model_state, batch, positions, tuple(keys), None
            )
            centers = state.params["objective"]["centers"][classes]

            def loss(centers, outputs=outputs, place=place, mask=mask):
                (term,) = whole.terms({"centers": centers}, outputs, place, mask, None).values()
                return term.total / term.number

            grads = np.asarray(jax.grad(loss)(centers), np.float64)
            order = _named(state, before)
            expected = _drawn_by_loops(
                order, grads, drawn, adam=name == "adamw", rate=0.1, decay=0.01
            )
            for got, want in zip(_named(after, now), expected, strict=True):
                np.testing.assert_allclose(got, want, rtol=2e-4, atol=2e-6)
        seen[drawn] += 1
        state = after
    assert (seen == 2).any()
    assert (seen == 0).any()


def _named(state, rows):
    """The rows as centres, moments, average, whatever the order of the state's leaves."""
    names = [
        jax.tree_util.keystr(p)
        for p, _ in jax.tree_util.tree_leaves_with_path(state)
        if is_centers(p)
    ]
    first = [i for i, name in enumerate(names) if name.startswith(".params")]
    last = [i for i, name in enumerate(names) if name.startswith(".ema")]
    moments = [i for i in range(len(names)) if i not in first + last]
    return [rows[i] for i in first + moments + last]


@pytest.mark.parametrize("mode", ["mesh", "pmap"])
def test_several_devices_move_the_centres_that_one_moves(mode):
    task = dataclasses.replace(make_task(MarginSoftmax(sampled=0.5)), num_classes=64)
    optimizer = optax.sgd(0.1, momentum=0.9)
    ends = []
    for layout in (make_layout("single"), make_layout(mode)):
        state = create_state(*task.init(jax.random.key(0), make_batch(0)), optimizer, ema=True)
        step = make_streamed_step(make_train_step(task, optimizer, seed=1, ema_decay=0.9))
        compiled = layout.compile(step, batch_axis=0, donate=True)
        state = layout.everywhere(state)
        for number in range(2):
            state, _ = compiled(state, {}, layout.divide(make_batch(number), 0))
        ends.append(_rows(state))
        if mode == "mesh" and layout.size > 1:
            centers = state.params["objective"]["centers"]
            assert centers.addressable_shards[0].data.shape[0] == 64 // layout.size
    for one, several in zip(*ends, strict=True):
        np.testing.assert_allclose(one, several, rtol=1e-3, atol=5e-5)
