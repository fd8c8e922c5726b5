"""The moving average of parameters forgets where it began."""

import itertools
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from reid_jax.training.state import create_state
from reid_jax.training.step import make_train_step, warm_decay
from reid_jax.training.task import Term

STEPS = 400


class Slope:
    """A task whose gradient is 1 everywhere, so that each step of SGD moves by the rate."""

    monitor: ClassVar[str] = "none"

    def init(self, key, batch):
        return {"x": jnp.asarray(1000.0)}, {}

    def loss(self, params, model_state, batch, key, axis_name):
        return {"slope": Term(params["x"], jnp.asarray(1.0))}, model_state


def averaged(decay):
    task, optimizer = Slope(), optax.sgd(1.0)
    params, model_state = task.init(None, {})
    state = create_state(params, model_state, optimizer, ema=True)
    step = make_train_step(task, optimizer, seed=0, ema_decay=decay)
    run = jax.jit(
        lambda state: jax.lax.scan(lambda s, _: (step(s, {})[0], None), state, length=STEPS)[0]
    )
    return float(run(state).ema["x"])


@pytest.mark.parametrize("decay", [0.5, 0.98, 0.999])
def test_it_is_the_average_of_a_plain_loop(decay):
    x = average = 1000.0
    for step in range(STEPS):
        x -= 1.0
        kept = min(decay, (1 + step) / (10 + step))
        average = kept * average + (1 - kept) * x
    np.testing.assert_allclose(averaged(decay), average, rtol=1e-5)
    assert average - x < STEPS / 8, "not far behind; without a warm-up 330 of 400 steps at 0.999"


def test_the_start_is_soon_forgotten():
    """What is left of it is the product of what is kept: 0.67 after 400 steps at 0.999 before."""
    kept = [float(warm_decay(jnp.asarray(step), 0.999)) for step in range(STEPS)]
    assert np.prod(kept) < 1e-12
    assert all(a < b for a, b in itertools.pairwise(kept))
    assert float(warm_decay(jnp.asarray(10**6), 0.999)) == np.float32(0.999)
