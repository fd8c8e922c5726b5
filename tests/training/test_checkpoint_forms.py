"""Class centres that checkpoints hold as (C, 1, D) are read as (C, D), bit for bit."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from reid_jax.ops.losses.objectives import Joint, MarginSoftmax
from reid_jax.training.checkpoint import Checkpoints
from reid_jax.training.parallel import is_centers, make_layout
from reid_jax.training.state import create_state

CLASSES, WIDTH = 16, 3


def _state(objective, optimizer, steps=2):
    params = {"objective": objective.init(jax.random.key(0), CLASSES, WIDTH), "net": jnp.ones(4)}
    state = create_state(params, {}, optimizer, ema=True)
    for step in range(steps):
        grads = jax.tree.map(lambda leaf, step=step: jnp.sin(leaf * 7 + step), state.params)
        with jax.numpy_dtype_promotion("standard"):
            updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        ema = optax.incremental_update(params, state.ema, 0.1)
        state = state.replace(step=state.step + 1, params=params, opt_state=opt_state, ema=ema)
    return state


def _as_before(state):
    """The state as the program held it: one centre a class had an axis."""
    return jax.tree_util.tree_map_with_path(
        lambda path, leaf: leaf[:, None] if is_centers(path) else leaf, state
    )


def _written(folder, state):
    checkpoints = Checkpoints(folder)
    checkpoints.save_best(state, {"best_step": int(state.step)})
    checkpoints.save_latest(state, {})
    checkpoints.wait()
    return checkpoints


def _assert_same(got, expected):
    assert jax.tree.structure(got) == jax.tree.structure(expected)
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        np.testing.assert_array_equal(a, b, strict=True)


@pytest.mark.parametrize("objective", [MarginSoftmax(), Joint(), MarginSoftmax(centers=2)])
@pytest.mark.parametrize("make", [optax.adamw, lambda rate: optax.sgd(rate, momentum=0.9)])
@pytest.mark.parametrize("mode", ["single", "mesh"])
def test_a_run_from_before_goes_on_bit_for_bit(objective, make, mode, tmp_path):
    optimizer = make(0.1)
    state = _state(objective, optimizer)
    several = getattr(objective, "centers", 1) > 1
    checkpoints = _written(tmp_path, state if several else _as_before(state))
    layout = make_layout(mode)
    template = layout.everywhere(jax.tree.map(jnp.zeros_like, state))
    restored, _ = checkpoints.restore_latest(template)
    _assert_same(restored, state)
    divided = restored.opt_state[0]
    for leaf in jax.tree.leaves(divided):
        if leaf.ndim == 2:
            assert leaf.addressable_shards[0].data.shape[0] == CLASSES // layout.size
    params, _, _ = checkpoints.restore_best()
    _assert_same(params, state.ema)
    raw, _ = checkpoints.read_raw(int(state.step))
    assert raw["params"]["objective"]["centers"].shape == (CLASSES, *((2,) * several), WIDTH)
    checkpoints.close()


def test_the_first_centres_are_the_same_numbers():
    shape = (CLASSES, 1, WIDTH)
    before = jax.random.normal(jax.random.key(5), shape, jnp.float32) * WIDTH**-0.5
    now = MarginSoftmax().init(jax.random.key(5), CLASSES, WIDTH)["centers"]
    np.testing.assert_array_equal(now, before[:, 0], strict=True)
