"""A step that asks a teacher: the same on one device, on eight, in parts, and as what was kept."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from reid_jax.individuals.task import EmbeddingTask
from reid_jax.models import EmbeddingNet
from reid_jax.ops.images.augment import Augmentation, augment, example_keys
from reid_jax.ops.losses.distilled import TAUGHT, Agreement, Distilled
from reid_jax.ops.losses.objectives import Triplet
from reid_jax.training.parallel import make_layout
from reid_jax.training.state import create_state
from reid_jax.training.step import make_resident_steps, make_streamed_step, make_train_step
from reid_jax.training.teaching import TEACHER, Teacher, beside, taught
from tests.training.test_parallel import BATCH, CLASSES, TinyBackbone, assert_close, make_batch

WIDTH = 5
KERNEL = np.random.default_rng(0).normal(size=(8 * 8 * 3, WIDTH)).astype(np.float32)
AGREEMENT = Agreement(similarity=100.0)


def make_task(augmentation):
    return EmbeddingTask(
        EmbeddingNet(TinyBackbone(), embedding_dim=8),
        Distilled(Triplet(mining="hard"), WIDTH, AGREEMENT),
        augmentation,
        num_classes=CLASSES,
        mean=(0.5,) * 3,
        std=(0.25,) * 3,
    )


def says(variables, batch, key, positions, augmentation):
    pixels = augment(example_keys(key, positions), batch["image"], augmentation)
    return pixels.reshape(len(pixels), -1) @ variables["kernel"]


def train(mode, augmentation, *, parts=1, kept=False, devices=None):
    task = make_task(augmentation)
    optimizer = optax.sgd(0.05)
    params, model_state = task.init(jax.random.key(0), make_batch(0))
    layout = make_layout(mode, devices)
    teacher = Teacher(WIDTH, variables={"kernel": KERNEL})
    if not kept:
        asked = functools.partial(says, augmentation=augmentation)
        teacher = Teacher(WIDTH, variables={"kernel": KERNEL}, says=asked)
    step = make_train_step(
        task, optimizer, seed=1, ema_decay=0.0, accumulate=parts, layout=layout, streams=2
    )
    step = make_streamed_step(taught(step, teacher, layout, seed=1, streams=2))
    compiled = layout.compile(step, batch_axis=0, donate=True)
    state = layout.everywhere(create_state(params, model_state, optimizer, ema=False))
    shared = layout.everywhere({} if kept else teacher.shared)
    history = []
    for number in range(2):
        batch = make_batch(number)
        if kept:
            batch[TAUGHT] = (batch["image"].reshape(BATCH, -1) / np.float32(255)) @ KERNEL
        state, metrics = compiled(state, shared, layout.divide(batch, 0))
        history.append(jax.device_get(metrics))
    return jax.device_get(state.params), history


MOVED = Augmentation(crop=0.4, flip=True)


@pytest.fixture(scope="module")
def alone():
    return train("single", MOVED)


@pytest.mark.parametrize("mode", ["pmap", "mesh"])
def test_eight_devices_ask_as_one(alone, mode):
    params, history = train(mode, MOVED)
    names = {f"teacher_{name}" for name in ("similarity", "distance", "angle", "cosine")}
    assert names <= history[0].keys()
    assert_close(history, alone[1], rtol=1e-4, atol=1e-5)
    assert_close(params, alone[0], rtol=1e-3, atol=5e-5)


@pytest.mark.parametrize("mode", ["single", "mesh"])
def test_a_batch_in_parts_hears_the_same_of_its_pixels(alone, mode):
    """BatchNorm sees a part at a time, so that only what does not go through it is the same."""
    _, history = train(mode, MOVED, parts=2, devices=2 if mode == "mesh" else None)
    assert history[0]["teacher_cosine"] > 0
    assert abs(history[0]["loss"] - alone[1][0]["loss"]) < 0.2 * alone[1][0]["loss"]


def test_what_was_kept_of_photos_as_they_are_is_what_would_be_said():
    expected = train("single", Augmentation())
    found = train("single", Augmentation(), kept=True)
    assert_close(found[1], expected[1], rtol=1e-5)
    assert_close(found[0], expected[0], rtol=1e-5)


def test_the_teacher_sees_the_pixels_of_the_student():
    _, moved = train("single", MOVED)
    _, still = train("single", Augmentation())
    assert abs(moved[0]["teacher_angle"] - still[0]["teacher_angle"]) > 1e-4


def test_resident_steps_gather_what_was_kept():
    seen = []

    def step(state, batch, *, axis_name=None):
        seen.append(batch)
        return state, {"loss": batch[TAUGHT].sum()}

    kept = np.arange(12, dtype=np.float32).reshape(6, 2)
    dataset = {"image": np.zeros((6, 2, 2, 3), np.uint8), "label": np.arange(6), TAUGHT: kept}
    steps = make_resident_steps(step, beside)
    steps(None, dataset, jnp.asarray([[4, 1, 1]]))
    np.testing.assert_array_equal(seen[0][TAUGHT], kept[[4, 1, 1]])
    assert TEACHER not in seen[0]
