"""One device, pmap on eight, and jit over a mesh of eight compute the same training."""

from types import SimpleNamespace

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from reid_jax.errors import UserError
from reid_jax.individuals.task import EmbeddingTask
from reid_jax.models import EmbeddingNet
from reid_jax.models.layers import Backbone, conv
from reid_jax.ops.images.augment import Augmentation
from reid_jax.ops.keys import step_key
from reid_jax.ops.losses.objectives import Joint, MarginSoftmax, NPair, ProxyAnchor, Triplet
from reid_jax.training.parallel import Layout, make_layout
from reid_jax.training.predictor import make_predictor
from reid_jax.training.state import create_state
from reid_jax.training.step import make_resident_steps, make_streamed_step, make_train_step

BATCH, CLASSES = 32, 8
AUGMENTATION = Augmentation(crop=0.4, flip=True)


class TinyBackbone(Backbone):
    """One residual block: all that differs between layouts, and little to compile."""

    @nn.compact
    def __call__(self, images, train=False):
        x = conv(8, 3, stride=2, name="stem")(images)
        x = nn.relu(self.batch_norm(train)(name="norm")(x))
        return (x + self.drop_path_layer(train, 1, 1)(conv(8, 1, name="branch")(x))).mean((1, 2))


def make_task(objective, *, bnneck=False, drop_path=0.0, norm_groups=0):
    backbone = TinyBackbone(drop_path=drop_path, norm_groups=norm_groups)
    standing = "standing" in objective.wants
    net = EmbeddingNet(backbone, embedding_dim=8, bnneck=bnneck, standing=standing)
    return EmbeddingTask(
        net, objective, AUGMENTATION, num_classes=CLASSES, mean=(0.5,) * 3, std=(0.25,) * 3
    )


def make_batch(seed, masked=0):
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(CLASSES), BATCH // CLASSES).astype(np.int32)
    mask = np.ones(BATCH, bool)
    mask[BATCH - masked :] = False
    images = rng.integers(0, 256, (BATCH, 8, 8, 3), np.uint8)
    return {"image": images, "label": labels, "mask": mask}


def train(task, mode, steps=3, masked=0):
    optimizer = optax.sgd(0.05, momentum=0.9)
    params, model_state = task.init(jax.random.key(0), make_batch(0))
    state = create_state(params, model_state, optimizer, ema=True)
    layout = make_layout(mode)
    step = make_train_step(task, optimizer, seed=1, ema_decay=0.9, layout=layout)
    step = make_streamed_step(step)
    compiled = layout.compile(step, batch_axis=0, donate=True)
    state, history = layout.everywhere(state), []
    for number in range(steps):
        batch = layout.divide(make_batch(number, masked), 0)
        state, metrics = compiled(state, {}, batch)
        history.append(jax.device_get(metrics))
    return jax.device_get(state), history


def assert_close(a, b, rtol=1e-5, atol=1e-6):
    for (path, x), y in zip(
        jax.tree_util.tree_leaves_with_path(a), jax.tree.leaves(b), strict=True
    ):
        np.testing.assert_allclose(x, y, rtol, atol, err_msg=jax.tree_util.keystr(path))


# The other losses are compared device by device in test_in_batch_devices.py.
OBJECTIVES = {
    "triplet_hard": Triplet(mining="hard"),
    "arcface": MarginSoftmax(),
    "n_pair": NPair(),
    "joint": Joint(softmax_weight=0.5),
    "proxy_anchor": ProxyAnchor(),
    "own_margins": MarginSoftmax(kind="adaface", margin=0.4, deviation=0.05),
}


RARELY = ("arcface", "n_pair", "proxy_anchor", "own_margins")


@pytest.mark.parametrize(
    "name",
    [
        *(n for n in OBJECTIVES if n not in RARELY),
        *(pytest.param(n, marks=pytest.mark.exhaustive) for n in RARELY),
    ],
)
def test_three_steps_are_the_same_on_one_device_under_pmap_and_on_a_mesh(name):
    task = make_task(OBJECTIVES[name], bnneck=name == "joint")
    state, history = train(task, "single")
    assert history[0]["loss"] > 0
    assert history[0]["grad_norm"] > 0
    for mode in ("pmap", "mesh"):
        other, other_history = train(task, mode)
        assert_close(other_history[0], history[0], rtol=1e-5)
        assert_close(other_history, history, rtol=1e-4, atol=1e-5)
        assert_close(other.model_state, state.model_state, rtol=1e-4, atol=1e-5)
        assert_close(other.params, state.params, rtol=1e-3, atol=5e-5)
        assert_close(other.ema, state.ema, rtol=1e-3, atol=5e-5)


def test_the_gradient_is_that_of_the_whole_batch_not_a_multiple_of_it():
    """Compared with a gradient that knows nothing of steps or devices."""
    task = make_task(Triplet(mining="hard"))
    batch = {name: jnp.asarray(value) for name, value in make_batch(0).items()}
    params, model_state = task.init(jax.random.key(0), batch)

    def loss(params):
        key = step_key(1, jnp.int32(0))
        terms, _ = task.loss(params, model_state, batch, key, None)
        return terms["triplet"].total / terms["triplet"].number

    expected = optax.tree.norm(jax.grad(loss)(params))
    for mode in ("single", "pmap", "mesh"):
        _, history = train(task, mode, steps=1)
        np.testing.assert_allclose(history[0]["grad_norm"], expected.reshape(1), rtol=1e-4)


def test_padded_rows_change_nothing_wherever_they_land():
    task = make_task(Triplet(mining="hard"))
    _, one = train(task, "single", steps=1, masked=4)
    _, eight = train(task, "pmap", steps=1, masked=4)
    assert_close(one, eight)


def test_drop_path_draws_the_same_branches_on_any_layout():
    _, one = train(make_task(MarginSoftmax(), drop_path=0.5), "single", steps=1)
    _, eight = train(make_task(MarginSoftmax(), drop_path=0.5), "pmap", steps=1)
    _, without = train(make_task(MarginSoftmax()), "single", steps=1)
    assert_close(one, eight)
    assert abs(one[0]["loss"] - without[0]["loss"]) > 1e-3


def test_many_steps_a_call_equal_single_steps():
    task = make_task(MarginSoftmax())
    optimizer = optax.adam(1e-3)
    params, model_state = task.init(jax.random.key(0), make_batch(0))
    step = make_resident_steps(make_train_step(task, optimizer, seed=0, ema_decay=0.0))
    dataset = {key: make_batch(0)[key] for key in ("image", "label")}
    rows = np.random.default_rng(0).integers(0, BATCH, (4, 16)).astype(np.int32)
    results = []
    for mode, chunks in (
        ("single", (4,)),
        ("single", (1, 1, 1, 1)),
        ("pmap", (4,)),
        ("mesh", (4,)),
    ):
        layout = make_layout(mode)
        compiled = layout.compile(step, batch_axis=1, donate=False)
        state = layout.everywhere(create_state(params, model_state, optimizer, ema=False))
        shared, first = layout.everywhere(dataset), 0
        for count in chunks:
            call = layout.divide(rows[first : first + count], 1)
            state, metrics = compiled(state, shared, call)
            assert metrics["loss"].shape == (count,)
            first += count
        results.append(jax.device_get((state.params, state.model_state)))
    for other in results[1:]:
        assert_close(other, results[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("mode", ["single", "pmap", "mesh"])
def test_a_step_compiles_once(mode):
    task = make_task(Triplet())
    optimizer = optax.sgd(0.1)
    traces = []
    train_step = make_train_step(task, optimizer, seed=0, ema_decay=0.0)

    def counted(*args, **kwargs):
        traces.append(1)
        return make_streamed_step(train_step)(*args, **kwargs)

    layout = make_layout(mode)
    compiled = layout.compile(counted, batch_axis=0, donate=True)
    params, model_state = task.init(jax.random.key(0), make_batch(0))
    state = layout.everywhere(create_state(params, model_state, optimizer, ema=False))
    for number in range(4):
        state, _ = compiled(state, {}, layout.divide(make_batch(number), 0))
    assert len(traces) == 1


def test_a_layout_says_what_it_runs_on():
    assert make_layout("single").description == "cpu"
    assert make_layout("pmap").description == "8 x cpu (pmap)"
    card = SimpleNamespace(platform="gpu", device_kind="NVIDIA H100")
    assert Layout("single", (card,)).description == "1 x NVIDIA H100"
    assert Layout("mesh", (card,) * 4).description == "4 x NVIDIA H100 (mesh)"


def test_a_batch_that_devices_cannot_share_is_refused():
    layout = make_layout("pmap")
    layout.check(32, 2, "data.batch_size")
    with pytest.raises(UserError, match=r"data.batch_size is 20, .* multiple of 16"):
        layout.check(20, 2, "data.batch_size")


@pytest.mark.parametrize("mode", ["single", "pmap"])
def test_predictions_do_not_depend_on_blocks_or_padding(mode):
    task = make_task(Triplet())
    images = np.concatenate([make_batch(i)["image"] for i in range(3)])[:70]
    params, model_state = task.init(jax.random.key(0), make_batch(0))
    predict = make_predictor(task, make_layout(mode), batch_size=16)
    whole = predict(params, model_state, [{"image": images}])
    parts = [{"image": part} for part in (images[:5], images[5:43], images[43:])]
    blocks = predict(params, model_state, parts)
    assert whole.shape == (70, 8)
    np.testing.assert_allclose(whole, blocks, rtol=1e-5, atol=1e-6)
    alone = task.predict(params, model_state, {"image": images})
    np.testing.assert_allclose(whole, alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("mode", "classes", "remedy"),
    [
        ("pmap", 80_000, "each of 8 devices: --train.parallel mesh divides them"),
        ("mesh", 80_001, "a mesh would divide them if 8 divided 80,001"),
        ("pmap", 80_001, "a mesh would divide them if 8 divided 80,001"),
        ("mesh", 80_000, None),
        ("single", 80_001, None),
        ("pmap", 80, None),
    ],
)
def test_many_class_centres_on_every_device_are_mentioned(mode, classes, remedy):
    layout = make_layout(mode, jax.devices()[:8])
    centers = jax.ShapeDtypeStruct((classes, 1, 32), jnp.float32)
    params = {"objective": {"centers": centers}, "net": {"kernel": centers}}
    state = jax.eval_shape(
        lambda params: create_state(params, {}, optax.adam(1e-3), ema=False), params
    )
    notes = layout.notes(state)
    assert len(notes) == (remedy is not None)
    if remedy:
        assert remedy in notes[0]
        assert f"{classes:,} class centres, 0.03 GB" in notes[0]


def test_predictions_leave_the_device_while_others_are_made():
    """What a device holds does not grow with the number of blocks."""
    task = make_task(Triplet())
    batch = make_batch(0)
    params, model_state = task.init(jax.random.key(0), batch)
    held = []

    def blocks():
        for _ in range(24):
            held.append(len(jax.live_arrays()))
            yield {"image": batch["image"][:8]}

    predict = make_predictor(task, make_layout("single"), batch_size=8)
    assert len(predict(params, model_state, blocks())) == 24 * 8
    assert max(held) - held[0] < 10, held
