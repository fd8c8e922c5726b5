"""What the benchmark times, `plan` counts and `train` runs is one program."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reid_jax import configurations
from reid_jax.plan.case import CLASSES, Case, make_batch, make_step, make_task
from reid_jax.questions import question_named
from reid_jax.training.ahead import step_ahead
from reid_jax.training.parallel import make_layout

THROUGHPUT = [
    pytest.param(name, marks=[] if name == "throughput_small" else pytest.mark.exhaustive)
    for name in configurations.names()
    if name.startswith("throughput")
]


@pytest.mark.parametrize("name", THROUGHPUT)
def test_the_benchmarks_step_is_the_configurations(name):
    config = configurations.get(name)
    data, model = config.data, config.model
    loss = "triplet" if name == "throughput_small" else "arcface"
    case = Case(model.backbone, data.image_size, data.channels, loss, data.batch_size)
    layout = make_layout("single")
    task = make_task(case, dtype=jnp.dtype(model.dtype), augmented=True)
    params, model_state = jax.eval_shape(
        lambda: task.init(jax.random.key(0), {"image": jnp.zeros((1, *image(case)), jnp.uint8)})
    )
    zeros = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), (params, model_state))
    state, step = make_step(case, task, *zeros, layout)
    batch = jax.eval_shape(lambda: make_batch(case, 0))
    timed = step.trace(layout.shapes(state), {}, batch).jaxpr

    question = question_named("EmbeddingConfig")
    experiment = question.imagined(question.complete(config), CLASSES, 6 * CLASSES)
    function, arguments = step_ahead(experiment, config, layout)
    assert str(function.trace(*arguments(case.batch)).jaxpr) == str(timed)


def image(case):
    return case.size, case.size, case.channels
