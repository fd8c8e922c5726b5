"""Many arrays as one vector, and a step that makes use of it on GPUs."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from reid_jax.compilations import compiling_for
from reid_jax.ops.losses.objectives import MarginSoftmax
from reid_jax.training.buckets import join
from reid_jax.training.optimizer import global_norm, make_optimizer
from reid_jax.training.parallel import is_centers
from reid_jax.training.state import create_state
from reid_jax.training.step import make_train_step
from tests.training.test_parallel import assert_close, make_batch, make_task


def make_tree():
    return {
        "net": {"kernel": jnp.arange(6.0).reshape(1, 2, 3), "half": jnp.ones(4, jnp.bfloat16)},
        "objective": {"centers": jnp.full((5, 2), 7.0)},
        "scale": jnp.float32(-3.0),
    }


def test_leaves_are_joined_by_dtype_and_separated_again():
    tree = make_tree()
    vectors, separate = join(tree, leave=is_centers)
    assert [(each.shape, each.dtype) for each in vectors] == [((4,), jnp.bfloat16), ((7,), "f4")]
    np.testing.assert_array_equal(vectors[1], [0, 1, 2, 3, 4, 5, -3])
    doubled = separate([2 * each for each in vectors])
    expected = jax.tree.map(lambda leaf: 2 * leaf, tree) | {"objective": tree["objective"]}
    assert jax.tree.structure(doubled) == jax.tree.structure(tree)
    jax.tree.map(np.testing.assert_array_equal, doubled, expected)
    assert [each.dtype for each in jax.tree.leaves(doubled)] == [
        each.dtype for each in jax.tree.leaves(tree)
    ]
    assert join({})[0] == []


@pytest.mark.parametrize("platform", ["cpu", "gpu"])
def test_the_norm_of_gradients_and_their_clipping(platform):
    tree = {name: leaf for name, leaf in make_tree().items() if name != "net"}
    norm = (10 * 49 + 9) ** 0.5
    optimizer = make_optimizer(
        "sgd", lambda count: 1.0, momentum=0.0, weight_decay=0.0, clip_norm=norm / 2
    )
    with compiling_for(platform):
        assert float(global_norm(tree)) == pytest.approx(norm)
        updates, _ = optimizer.update(tree, optimizer.init(tree), tree)
    jax.tree.map(lambda u, x: np.testing.assert_allclose(u, -x / 2, 1e-6), updates, tree)
    state = optimizer.init(tree)  # in the form of checkpoints
    assert isinstance(state[0], optax.EmptyState)


def test_a_step_for_a_gpu_is_the_same_step():
    task, optimizer = make_task(MarginSoftmax(), bnneck=True), optax.sgd(0.05, momentum=0.9)
    batch = {name: jnp.asarray(value) for name, value in make_batch(0).items()}
    state = create_state(*task.init(jax.random.key(0), batch), optimizer, ema=False)
    found = {}
    for platform in ("cpu", "gpu"):
        step = jax.jit(make_train_step(task, optimizer, seed=1, ema_decay=0.0))
        with compiling_for(platform):
            found[platform] = step(state, batch)
            vectors = "optimization_barrier" in str(step.trace(state, batch).jaxpr)
        assert vectors or platform == "cpu"
    assert_close(found["gpu"], found["cpu"])
