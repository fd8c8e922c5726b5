"""A batch in several passes gives the gradient of the whole batch, in less memory."""

import dataclasses
import functools

import flax.linen as nn
import jax
import jax.extend.core
import numpy as np
import optax
import pytest

from reid_jax.individuals.task import EmbeddingTask
from reid_jax.keyframes import experiment as keyframe_experiment
from reid_jax.models import EmbeddingNet
from reid_jax.models.layers import Backbone, conv
from reid_jax.ops.images.augment import Augmentation
from reid_jax.ops.losses.objectives import Joint, MarginSoftmax
from reid_jax.same_video import experiment as similarity_experiment
from reid_jax.training.accumulate import make_accumulated_gradient, make_gradient
from reid_jax.training.experiment import initial_variables
from reid_jax.training.parallel import make_layout
from reid_jax.training.state import create_state
from reid_jax.training.step import make_streamed_step, make_train_step
from tests.keyframe_videos import make_config, one_batch, write_videos
from tests.tiny_run import tiny_similarity_config

BATCH, CLASSES, PARTS = 16, 4, 2


class TinyBackbone(Backbone):
    """Two convolutions that treat examples one by one, or with a batch norm between."""

    normed: bool = False
    width: int = 8

    @nn.compact
    def __call__(self, images, train=False):
        x = nn.gelu(conv(self.width, 3, stride=2, name="stem")(images))
        if self.normed:
            x = self.batch_norm(train)(name="norm")(x)
        return nn.gelu(conv(self.width, 3, name="second")(x)).mean((1, 2))


def make_task(objective, **options):
    net = EmbeddingNet(TinyBackbone(**options), embedding_dim=8)
    augmentation = Augmentation(flip=True)
    return EmbeddingTask(
        net, objective, augmentation, num_classes=CLASSES, mean=(0.5,) * 3, std=(0.25,) * 3
    )


def make_batch(masked=0, side=8):
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(CLASSES), BATCH // CLASSES).astype(np.int32)
    mask = np.arange(BATCH) < BATCH - masked
    images = rng.integers(0, 256, (BATCH, side, side, 3), np.uint8)
    return {"image": images, "label": labels, "mask": mask}


def compiled_step(task, mode, parts, batch, devices=None):
    optimizer = optax.sgd(1.0)
    params, model_state = task.init(jax.random.key(0), batch)
    layout = make_layout(mode, devices)
    state = layout.everywhere(create_state(params, model_state, optimizer, ema=False))
    step = make_train_step(task, optimizer, seed=1, ema_decay=0.0, accumulate=parts, layout=layout)
    compiled = layout.compile(make_streamed_step(step), batch_axis=0, donate=False)
    return compiled, (state, {}, layout.divide(batch, 0))


@functools.cache
def one_step(parts, mode="single", normed=True):
    task, batch = make_task(Joint(softmax_weight=0.5), normed=normed), make_batch(masked=3)
    compiled, arguments = compiled_step(task, mode, parts, batch)
    return jax.device_get(compiled(*arguments))


def assert_same(expected, found):
    for (path, x), y in zip(
        jax.tree_util.tree_leaves_with_path(expected), jax.tree.leaves(found), strict=True
    ):
        np.testing.assert_allclose(x, y, 1e-4, 1e-5, err_msg=jax.tree_util.keystr(path))


def test_parameters_after_a_step_are_those_of_one_pass():
    """Of a loss that compares examples of different parts, beside one that does not."""
    whole, metrics = one_step(1, normed=False)
    parts, parts_metrics = one_step(PARTS, normed=False)
    assert metrics["triplet"] > 0
    assert metrics["grad_norm"] > 1e-3
    assert_same(metrics, parts_metrics)
    assert_same(whole, parts)


@pytest.mark.parametrize("mode", [pytest.param("pmap", marks=pytest.mark.exhaustive), "mesh"])
def test_eight_devices_accumulate_what_one_does(mode):
    """Also with batch norms: a part is every other row, the same examples on any layout."""
    assert_same(one_step(PARTS), one_step(PARTS, mode))


def sums_over_devices(jaxpr, inside=False):
    """Shapes of what is summed, and whether that is inside of a loop."""
    for equation in jaxpr.eqns:
        if equation.primitive.name.startswith("psum"):
            yield from ((each.aval.shape, inside) for each in equation.invars)
        for inner in jax.extend.core.jaxprs_in_params(equation.params):
            yield from sums_over_devices(inner, inside or equation.primitive.name == "scan")


@pytest.mark.parametrize("parts", [1, PARTS])
def test_a_mesh_adds_up_the_gradient_once_behind_the_last_part(parts):
    task, batch = make_task(Joint(softmax_weight=0.5), normed=True), make_batch()
    compiled, arguments = compiled_step(task, "mesh", parts, batch)
    found = list(sums_over_devices(compiled.trace(*arguments).jaxpr.jaxpr))
    size = sum(leaf.size for leaf in jax.tree.leaves(arguments[0].params["net"]))
    assert [inside for shape, inside in found if shape == (size,)] == [False]
    statistics = {inside for shape, inside in found if shape == (2, 1, 8)}
    assert statistics == {parts > 1}


def test_a_mesh_of_one_device_exchanges_nothing():
    """Its BatchNorm looks at the batch for a value near the mean, as one device's does."""
    task, batch = make_task(Joint(softmax_weight=0.5), normed=True), make_batch()
    compiled, arguments = compiled_step(task, "mesh", 1, batch, devices=1)
    assert not list(sums_over_devices(compiled.trace(*arguments).jaxpr.jaxpr))


def test_batch_norm_moves_once_a_part():
    means = [
        one_step(parts)[0].model_state["batch_stats"]["backbone"]["norm"]["mean"]
        for parts in (1, PARTS)
    ]
    np.testing.assert_allclose(means[1], means[0] * (1 - 0.9**PARTS) / 0.1, rtol=0.1, atol=1e-3)


def test_memory_is_that_of_a_part():
    task, batch = make_task(MarginSoftmax(), width=32), make_batch(side=32)
    needed = {}
    for parts in (1, 4):
        compiled, arguments = compiled_step(task, "single", parts, batch)
        analysis = compiled.lower(*arguments).compile().memory_analysis()
        needed[parts] = analysis.temp_size_in_bytes
    assert needed[4] < 0.5 * needed[1]


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    return write_videos(tmp_path_factory.mktemp("videos") / "videos.h5", 12)


def keyframes(path):
    config = make_config(path, model={"dropout": 0.0})
    experiment = keyframe_experiment.build(config, keyframe_experiment.load_videos(config.data, 0))
    return experiment, one_batch(experiment)


def same_video(path):
    config = tiny_similarity_config(path)
    model = dataclasses.replace(config.model, dropout=0.0, frame_dropout=0.0)
    config = dataclasses.replace(config, model=model)
    split = similarity_experiment.load_videos(config.data, path.parent)
    experiment = similarity_experiment.build(config, split)
    return experiment, next(iter(experiment.feed.calls(0, 1)))[0]


@pytest.mark.parametrize(
    "question", [pytest.param(keyframes, marks=pytest.mark.exhaustive), same_video]
)
def test_networks_of_videos_accumulate_the_gradient_of_the_whole_batch(videos, question):
    """Of losses within a clip, and of ones that compare clips of different parts."""
    experiment, batch = question(videos)
    variables = initial_variables(experiment, 0)
    found = [
        jax.jit(gradient, static_argnums=4)(*variables, batch, jax.random.key(1), None)
        for gradient in (
            make_gradient(experiment.task),
            make_accumulated_gradient(experiment.task, PARTS, make_layout("single")),
        )
    ]
    (loss, *whole), (_, *parts) = found
    assert loss > 0
    assert optax.tree.norm(whole[-1]) > 1e-3
    assert_same(whole, parts)
