"""The loop: several steps a call, also from the middle on, and training in bfloat16."""

import dataclasses
import types

import jax
import numpy as np
import pytest

from reid_jax.individuals.config import DataConfig, EmbeddingConfig
from reid_jax.individuals.experiment import build, load_data
from reid_jax.ops.losses.objectives import MarginSoftmax
from reid_jax.training import loop
from reid_jax.training.config import OptimizerConfig, TrainConfig
from reid_jax.training.logging import read_metrics
from reid_jax.training.loop import fit
from reid_jax.training.parallel import make_layout

CONFIG = EmbeddingConfig(
    data=DataConfig(
        source="synthetic:12x4",
        image_size=16,
        batch_size=8,
        validation_fraction=0.0,
        input="resident",
    ),
    loss=MarginSoftmax(scale=8.0),
    # The same rate at every step, so that a run can end anywhere and go on.
    optimizer=OptimizerConfig(
        name="sgd", learning_rate=0.02, final_learning_rate=0.02, warmup_steps=0
    ),
    train=TrainConfig(log_every=4, evaluate_every=4, checkpoint_every=4),
)


@pytest.fixture(scope="module")
def data():
    return load_data(CONFIG.data, 0)


def train(workdir, data, steps, *, steps_per_call=1, dtype="float32"):
    """The last state of a run, on the host; goes on with one that is there."""
    config = dataclasses.replace(
        CONFIG,
        model=dataclasses.replace(CONFIG.model, embedding_dim=8, dtype=dtype),
        train=dataclasses.replace(CONFIG.train, steps=steps, steps_per_call=steps_per_call),
    )
    experiment = build(config, *data)
    outcome = fit(experiment, config.train, make_layout("single"), workdir, ema_decay=0.9)
    return jax.device_get(outcome.state)


def losses(workdir):
    return {row["step"]: row["loss"] for row in read_metrics(workdir) if "loss" in row}


@pytest.fixture(scope="module")
def single(data, tmp_path_factory):
    """Eight steps, one a call."""
    workdir = tmp_path_factory.mktemp("single")
    return workdir, train(workdir, data, 8)


@pytest.mark.parametrize(
    "stops",
    [
        pytest.param((), id="through"),
        pytest.param((4,), id="resumed", marks=pytest.mark.exhaustive),
        pytest.param((2,), id="within_a_call"),
    ],
)
def test_four_steps_a_call_are_four_single_steps(single, data, stops, tmp_path):
    workdir, expected = single
    for steps in stops:  # what ends within a call was begun with other calls
        train(tmp_path, data, steps, steps_per_call=1 if steps % 4 else 4)
    found = train(tmp_path, data, 8, steps_per_call=4)
    assert int(found.step) == 8
    for a, b in zip(jax.tree.leaves(expected), jax.tree.leaves(found), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-5)
    logged = losses(tmp_path)
    assert set(logged) >= {4, 8}
    if not stops:
        assert logged == pytest.approx(losses(workdir), rel=1e-4)


@pytest.mark.parametrize(("steps", "pace"), [(5, 4 * 10 / 8), (1, 10 / 100)])
def test_the_speed_is_that_of_the_steps_that_waited_for_no_compilation(steps, pace, monkeypatch):
    """Where every step did, it is that of all."""
    monkeypatch.setattr(loop, "time", types.SimpleNamespace(perf_counter=lambda: 100.0))
    window = loop._Window(0, 10, "images", started=0.0)
    window.compiled(1, 92.0)
    window.metrics += [{"loss": np.ones(1), "grad_norm": np.ones(1)}] * steps
    row = window.row()
    assert row["images_per_second"] == pytest.approx(pace)
    assert row["seconds"] == 100


def test_what_is_compiled_is_said_before(data, tmp_path, capsys):
    train(tmp_path, data, 1)
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "compiling the training step, which can take a minute"
    assert lines[2].startswith("first step after")


def test_bfloat16_trains_and_stays_near_float32(single, data, tmp_path):
    workdir, exact = single
    rough = train(tmp_path, data, 8, dtype="bfloat16")
    for leaf in jax.tree.leaves((rough.params, rough.model_state, rough.opt_state)):
        assert leaf.dtype in (np.float32, np.int32)
    found, expected = losses(tmp_path), losses(workdir)
    assert found != expected
    assert found == pytest.approx(expected, rel=0.02)
    assert found[8] < found[4]
    kernel = rough.params["net"]["projection"]["kernel"]
    # Of values that are equal in bfloat16 alone, the first of a tile takes the gradient.
    np.testing.assert_allclose(kernel, exact.params["net"]["projection"]["kernel"], atol=0.02)
