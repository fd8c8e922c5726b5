"""Training in stages: what is frozen does not move, and what trains does, at its rate."""

import dataclasses
import json

import jax
import numpy as np
import optax
import pytest

from reid_jax import configurations
from reid_jax.errors import UserError
from reid_jax.individuals.config import EmbeddingConfig, check
from reid_jax.individuals.experiment import build, load_data
from reid_jax.models import block_names
from reid_jax.ops.losses.objectives import MarginSoftmax
from reid_jax.training.config import OptimizerConfig
from reid_jax.training.experiment import initial_variables, step_of_stage
from reid_jax.training.loop import fit
from reid_jax.training.optimizer import make_schedule
from reid_jax.training.parallel import make_layout
from reid_jax.training.stages import Stage, check_stages, frozen_blocks, stage_at, work_left
from reid_jax.training.state import create_state
from tests.tiny_run import breaking_off

BLOCKS = block_names("small_cnn")
RATE = 1e-3


@pytest.fixture(scope="module")
def config():
    config = EmbeddingConfig(loss=MarginSoftmax())
    return dataclasses.replace(
        config,
        data=dataclasses.replace(config.data, source="synthetic:12x4", image_size=16, batch_size=8),
        model=dataclasses.replace(config.model, embedding_dim=4),
        optimizer=dataclasses.replace(config.optimizer, name="sgd", warmup_steps=0),
    )


@pytest.fixture(scope="module")
def experiment(config):
    return build(config, *load_data(config.data, 0))


def one_step(experiment, stage):
    params, model_state = initial_variables(experiment, 0)
    state = create_state(params, model_state, experiment.optimizer, ema=False)
    step = step_of_stage(
        experiment, stage, params, seed=0, ema_decay=0.0, layout=make_layout("single")
    )
    rows, _ = next(experiment.feed.calls(0, 1))
    call = jax.jit(experiment.feed.make_step(step))
    after, _ = call(state, experiment.feed.shared, rows)
    return jax.device_get(state), jax.device_get(after)


def moved(before, after):
    return {
        name: any(
            not np.array_equal(a, b)
            for a, b in zip(
                jax.tree.leaves(before[name]), jax.tree.leaves(after[name]), strict=True
            )
        )
        for name in before
    }


@pytest.mark.parametrize(("blocks", "trained"), [(0, 0), (2, 2), (-1, len(BLOCKS))])
def test_frozen_blocks_keep_parameters_and_statistics(experiment, blocks, trained):
    before, after = one_step(experiment, Stage(blocks=blocks))
    frozen = BLOCKS[: len(BLOCKS) - trained]
    change = moved(before.params["net"]["backbone"], after.params["net"]["backbone"])
    assert change == {name: name not in frozen for name in change}
    statistics = moved(
        before.model_state["batch_stats"]["backbone"], after.model_state["batch_stats"]["backbone"]
    )
    assert statistics == {name: name not in frozen for name in statistics}
    head = moved(before.params["net"], after.params["net"])
    assert head["projection"]
    assert moved(before.params, after.params)["objective"]


def test_the_backbone_moves_at_its_rate(experiment):
    before, full = one_step(experiment, Stage())
    _, tenth = one_step(experiment, Stage(backbone_rate=0.1))

    def change(after, *path):
        a, b = after.params["net"], before.params["net"]
        for name in path:
            a, b = a[name], b[name]
        return a - b

    kernel = ("backbone", "conv3", "kernel")
    np.testing.assert_allclose(change(tenth, *kernel), 0.1 * change(full, *kernel), atol=1e-7)
    head = ("projection", "kernel")
    np.testing.assert_allclose(change(tenth, *head), change(full, *head), atol=1e-7)
    _, slow = one_step(experiment, Stage(rate=0.5, backbone_rate=0.2))  # of everything, and of it
    np.testing.assert_allclose(change(slow, *kernel), 0.1 * change(full, *kernel), atol=1e-7)
    np.testing.assert_allclose(change(slow, *head), 0.5 * change(full, *head), atol=1e-7)


def test_a_run_goes_through_its_stages(config, tmp_path):
    stages = (Stage(0, blocks=0), Stage(2, blocks=2, backbone_rate=0.5))
    train = dataclasses.replace(config.train, steps=4)
    staged = dataclasses.replace(config, stages=stages, train=train)
    experiment = build(staged, *load_data(staged.data, 0))
    params, _ = initial_variables(experiment, 0)
    outcome = fit(experiment, train, make_layout("single"), tmp_path, ema_decay=0.0)
    after = jax.device_get(outcome.state.params)
    change = moved(params["net"]["backbone"], after["net"]["backbone"])
    assert change == {name: name in BLOCKS[-2:] for name in change}


def worsening(experiment):
    """The experiment with validations that say 1.0, 0.9, 0.8, ... as the steps go on."""
    said = iter(np.linspace(1.0, 0.0, 11))

    class Worsening(type(experiment.task)):
        def evaluate(self, predictions, examples):
            return {self.monitor: float(next(said))}

    fields = {f.name: getattr(experiment.task, f.name) for f in dataclasses.fields(experiment.task)}
    return dataclasses.replace(experiment, task=Worsening(**fields))


@pytest.mark.exhaustive
def test_each_stage_counts_and_reduces_anew_and_only_the_last_ends_early(config, tmp_path):
    train = dataclasses.replace(
        config.train,
        steps=8,
        log_every=1,
        evaluate_every=1,
        checkpoint_every=1,
        patience=2,
        reduce_patience=1,
    )
    staged = dataclasses.replace(
        config,
        data=dataclasses.replace(config.data, validation_fraction=0.4),
        stages=(Stage(0, blocks=0), Stage(4, blocks=2, backbone_rate=0.5)),
        train=train,
    )
    experiment = build(staged, *load_data(staged.data, 0))
    layout = make_layout("single")
    outcome = fit(worsening(experiment), train, layout, tmp_path / "whole", ema_decay=0.0)
    assert (outcome.end, int(outcome.state.step)) == ("early", 6)
    rows = [json.loads(line) for line in (tmp_path / "whole" / "metrics.jsonl").open()]
    rates = [row["learning_rate"] for row in rows if "learning_rate" in row]
    factors = [rate / float(experiment.schedule(step)) for step, rate in enumerate(rates)]
    assert factors == pytest.approx([1, 1, 0.5, 0.25, 1, 0.5])

    broken = worsening(experiment)

    with pytest.raises(KeyboardInterrupt):
        fit(breaking_off(broken, 4), train, layout, tmp_path / "parts", ema_decay=0.0)
    resumed = fit(broken, train, layout, tmp_path / "parts", ema_decay=0.0)
    assert (resumed.end, resumed.progress) == ("early", outcome.progress)
    for ours, theirs in zip(
        jax.tree.leaves(jax.device_get(resumed.state)),
        jax.tree.leaves(jax.device_get(outcome.state)),
        strict=True,
    ):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("name", ["tvsum_resnet50", "tvsum_efficientnet_b0", "tvsum_images_small"])
def test_the_rates_of_the_two_stages(name):
    """The scorer at 1e-4 all along, the backbone's last blocks at 1e-5 in the second stage."""
    config = configurations.get(name)
    optimizer = config.optimizer
    schedule = make_schedule(
        optimizer.learning_rate,
        optimizer.final_learning_rate,
        optimizer.warmup_steps,
        config.train.steps,
        optimizer.schedule,
    )
    first, second = config.stages
    last = config.train.steps - 1
    for step in (optimizer.warmup_steps, second.start, last):
        assert float(schedule(step)) == pytest.approx(1e-4)
    assert first.blocks == 0
    assert float(schedule(last)) * second.backbone_rate == pytest.approx(1e-5)
    half = optimizer.warmup_steps // 2
    assert float(schedule(half)) == pytest.approx(1e-4 * half / optimizer.warmup_steps)


def test_a_constant_rate_has_no_end():
    optimizer = OptimizerConfig(schedule="constant", final_learning_rate=1e-5)
    with pytest.raises(UserError, match="a constant schedule never comes to it"):
        check(EmbeddingConfig(optimizer=optimizer))


@pytest.fixture(scope="module")
def adam(config):
    """Two stages with AdamW, the second from step 2 on; `fit_to` goes on with a run's folder."""
    stages = (Stage(0, blocks=0), Stage(2, blocks=2, backbone_rate=0.5))
    optimizer = dataclasses.replace(
        config.optimizer, name="adamw", learning_rate=RATE, final_learning_rate=RATE
    )
    staged = dataclasses.replace(config, stages=stages, optimizer=optimizer)
    data = load_data(config.data, 0)

    def fit_to(steps, workdir):
        train = dataclasses.replace(config.train, steps=steps)
        experiment = build(dataclasses.replace(staged, train=train), *data)
        outcome = fit(experiment, train, make_layout("single"), workdir, ema_decay=0.0)
        return jax.device_get(outcome.state)

    return fit_to


def test_blocks_begin_to_train_with_fresh_moments(adam, tmp_path):
    """Adam's first step is as long as the rate; old counts would make it three times as long."""
    before, after = adam(2, tmp_path), adam(3, tmp_path)
    change = jax.tree.map(lambda a, b: np.abs(a - b).max(), before.params, after.params)
    for name, block in change["net"]["backbone"].items():
        for path, moved in jax.tree_util.tree_leaves_with_path(block):
            expected = 0.5 * RATE if name in BLOCKS[-2:] else 0.0
            assert moved == pytest.approx(expected, rel=0.01), (name, path)
    assert change["net"]["projection"]["kernel"] == pytest.approx(RATE, rel=0.01)
    [counted] = [node for node in after.opt_state if isinstance(node, optax.ScaleByAdamState)]
    assert counted.count == 1
    frozen = counted.mu["net"]["backbone"][BLOCKS[0]]
    assert not any(leaf.any() for leaf in jax.tree.leaves(frozen))


@pytest.mark.parametrize("stop", [pytest.param(1, marks=pytest.mark.exhaustive), 2])
def test_a_run_goes_on_at_the_edge_of_a_stage_as_if_it_had_not_stopped(adam, stop, tmp_path):
    expected = adam(5, tmp_path / "whole")
    adam(stop, tmp_path / "parts")
    found = adam(5, tmp_path / "parts")
    for a, b in zip(jax.tree.leaves(expected), jax.tree.leaves(found), strict=True):
        np.testing.assert_array_equal(a, b)


def test_which_stage_a_step_belongs_to():
    stages = (Stage(0, blocks=0), Stage(10, blocks=2), Stage(30))
    assert [stage_at(stages, step).start for step in (0, 9, 10, 29, 30, 99)] == [
        0,
        0,
        10,
        10,
        30,
        30,
    ]
    assert stage_at((), 5) == Stage()
    assert frozen_blocks(Stage(blocks=99), "abc") == ()


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        ((Stage(5),), "starts at step 5; it must start at 0"),
        ((Stage(0), Stage(20), Stage(10)), r"\[0, 20, 10\]; each must start after"),
        ((Stage(0), Stage(15)), r"not a multiple of train.steps_per_call \(10\)"),
        ((Stage(0), Stage(200)), "starts at step 200; train.steps is only 100"),
    ],
)
def test_impossible_schedules_are_refused(stages, message):
    with pytest.raises(UserError, match=message):
        check_stages(stages, 100, 10)


def test_the_work_that_is_left_counts_each_stage_at_its_cost():
    """A stage of which nothing but the head trains goes forward alone: a third of the rest."""
    stages = (Stage(0, blocks=0), Stage(100, blocks=1), Stage(200))
    blocks = ("a", "b")
    for step in (0, 40, 100, 150, 199, 200, 299):
        costs = [1 if at < 100 else 2 if at < 200 else 3 for at in range(step, 300)]
        assert work_left(stages, blocks, step, 300) == pytest.approx(sum(costs) / costs[0])
    assert work_left((), blocks, 10, 25) == 15
    assert work_left((), (), 25, 25) == 0
