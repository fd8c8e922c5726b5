"""What is chosen for photos by their number and the time; and a run that chooses, once."""

import dataclasses
import json
import math
import re

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reid_jax import configurations, questions
from reid_jax.commands.learn import asked
from reid_jax.errors import UserError
from reid_jax.fields import left_open, with_values
from reid_jax.individuals import recipe, report
from reid_jax.individuals.config import check
from reid_jax.individuals.experiment import load_data
from reid_jax.individuals.model import load_run
from reid_jax.individuals.recipe import (
    BATCH,
    FEWEST_TO_VALIDATE,
    MARGIN,
    MEASURED,
    MOST_PASSES,
    NETWORKS,
    Facts,
    choose,
    compared,
    spent_beside,
)
from reid_jax.training.blend import mixed
from reid_jax.training.logging import read_metrics
from reid_jax.training.rate import Rate
from reid_jax.training.stages import Stage
from reid_jax.training.state import TrainState
from tests.tiny_run import draw_weights, read_run_config

FACTS = st.builds(
    Facts,
    individuals=st.integers(2, 3000),
    photos=st.integers(4, 30_000),
    judges=st.integers(0, 500),
    validated=st.integers(4, 3000),
    reported=st.integers(4, 20_000),
)
RATES = st.builds(
    Rate,
    step=st.floats(0.001, 10),
    example=st.floats(1e-4, 0.2),
    begin=st.floats(1, 100),
    compile=st.floats(0, 30),
)
SECONDS = st.floats(0, 20_000)


@settings(deadline=None)
@given(
    FACTS,
    RATES,
    SECONDS,
    st.sampled_from([2, 3, 4]),
    st.sampled_from([1, 8]),
    st.sampled_from([1, 10]),
)
def test_a_choice_fits_into_its_time(facts, rate, seconds, each, devices, unit):
    found = choose(facts, rate, seconds, mixtures=2, each=each, devices=devices, unit=unit)
    assert found.reasons
    assert found.network in NETWORKS
    assert 0 < found.batch_size <= BATCH
    assert found.batch_size % each == 0
    assert found.batch_size <= each * facts.individuals
    assert found.batch_size % devices == 0 or each * facts.individuals < math.lcm(each, devices)
    assert found.steps % unit == found.evaluate_every % unit == 0 or not found.steps
    if not found.steps:
        return
    assert facts.judges >= FEWEST_TO_VALIDATE
    needed = found.steps * rate.step * found.network.cost(MEASURED)
    assert needed + spent_beside(facts, rate, found.network, 2) <= seconds
    assert found.steps * found.batch_size <= MOST_PASSES * facts.photos + unit * found.batch_size
    assert found.warmup_steps < found.steps
    assert 0 < found.evaluate_every <= found.steps + unit
    assert 0 < found.checkpoint_every <= found.steps + unit


@settings(deadline=None)
@given(FACTS, RATES, st.tuples(SECONDS, SECONDS))
def test_more_time_is_never_a_smaller_network_nor_fewer_steps_of_one(facts, rate, seconds):
    less, more = (choose(facts, rate, each, mixtures=2) for each in sorted(seconds))
    assert bool(less.steps) <= bool(more.steps)
    if less.steps:
        assert less.network.image_size <= more.network.image_size
        assert less.steps <= more.steps or less.network != more.network


def test_the_rules():
    facts = Facts(individuals=100, photos=1000, judges=20, validated=1200, reported=1500)
    slow = Rate(step=0.5, example=0.01, begin=40.0, compile=5.0)
    found = choose(facts, slow, 300.0, mixtures=2)
    assert found.network == NETWORKS[0]
    assert found.batch_size == BATCH
    assert found.margin == MARGIN
    assert choose(facts, slow, 20_000.0, mixtures=2).network == NETWORKS[-1]
    few = facts._replace(judges=FEWEST_TO_VALIDATE - 1)
    found = choose(few, slow, 20_000.0, mixtures=2)
    assert found.steps == 0
    assert "gives the features of the published weights as they are" in found.reasons[0]
    assert choose(facts, slow, 100.0, mixtures=2).steps == 0
    assert choose(facts, None, 0.0, mixtures=2, steps=77).steps == 77
    assert choose(facts, None, 0.0, mixtures=2, steps=0).network == MEASURED
    assert choose(facts._replace(individuals=5), slow, 900.0, mixtures=2).batch_size == 20


def test_views_are_in_the_rate_and_not_counted_again():
    """What is timed of an example is the task's prediction, which takes all views of a photo."""
    values = {"data.source": "synthetic:12x6", "data.image_size": 24, "data.embed_size": 24}
    config = with_values(configurations.get("recipe"), values)
    data = load_data(config.data, 0)
    counted = [
        recipe._facts(with_values(config, {"model.views": views}), *data) for views in (0, 8)
    ]
    assert counted[0] == counted[1]


def test_a_mixture_is_between_the_start_and_the_average_at_the_end():
    start = {"w": np.ones(3, np.float32)}, {"n": np.zeros(2, np.float32)}
    state = TrainState(
        step=np.int32(3),
        params={"w": np.full(3, 9.0, np.float32)},
        model_state={"n": np.full(2, 4.0, np.float32)},
        opt_state=(),
        ema={"w": np.full(3, 5.0, np.float32)},
    )
    for share, weight, statistic in ((0.0, 1.0, 0.0), (0.25, 2.0, 1.0), (1.0, 5.0, 4.0)):
        found = mixed(start, state, share)
        np.testing.assert_array_equal(found.evaluated_params["w"], weight)
        np.testing.assert_array_equal(found.model_state["n"], statistic)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ("--minutes 0", r"optimizer.warmup_steps is auto: say how long the run may take"),
        ("--minutes -1", r"minutes is -1.0; it must be 0 or more"),
    ],
)
def test_what_is_left_open_needs_a_time(values, message):
    _, config = asked(
        configurations.get("recipe"),
        ["--workdir", "x", "--source", "synthetic:8x4", *values.split()],
        "train",
    )
    with pytest.raises(UserError, match=message):
        check(config)


def test_a_time_needs_something_left_open():
    words = ["--workdir", "x", "--minutes", "5"]
    with pytest.raises(UserError, match=r"nothing is left to choose; --train.steps auto"):
        check(asked(configurations.get("demo"), words, "train")[1])
    _, config = asked(configurations.get("demo"), [*words, "--steps", "auto"], "train")
    check(config)
    assert left_open(config) == {"train.steps": -1}
    _, config = asked(configurations.get("demo"), [*words, "--model.dtype", "auto"], "train")
    assert left_open(config) == {"model.dtype": "auto"}


@pytest.fixture
def small(monkeypatch, tmp_path):
    """The recipe for drawn animals, with a small network in the place of the published one."""
    weights = tmp_path / "weights.safetensors"
    name = draw_weights(monkeypatch, weights)
    networks = tuple(recipe.Network(name, size) for size in (24, 32))
    monkeypatch.setattr(recipe, "NETWORKS", networks)
    monkeypatch.setattr(recipe, "MEASURED", networks[1])
    monkeypatch.setattr(recipe, "BATCH", 16)
    monkeypatch.setattr(recipe, "FEWEST_STEPS", 2)
    monkeypatch.setattr(recipe, "MOST_PASSES", 1)
    monkeypatch.setattr(report, "_figures", lambda *_: {})
    config = configurations.get("recipe")
    return dataclasses.replace(
        config,
        data=dataclasses.replace(config.data, source="synthetic:24x4", validation_fraction=0.4),
        model=dataclasses.replace(config.model, pretrained=str(weights), views=1),
        train=dataclasses.replace(config.train, parallel="single"),
    )


def killed(*_, **__):
    raise KeyboardInterrupt


def refused(*_, **__):
    raise AssertionError("it chose again")


@pytest.mark.exhaustive
def test_a_run_chooses_once_and_compares(small, monkeypatch, tmp_path, capsys):
    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(recipe, "measure", killed)
        with pytest.raises(KeyboardInterrupt):
            questions.train(small, run)
    assert not (run / "config.json").exists(), "nothing is chosen yet"
    with monkeypatch.context() as patch:
        patch.setattr("reid_jax.training.run.fit", killed)
        with pytest.raises(KeyboardInterrupt):
            questions.train(small, run)
    before = (run / "config.json").read_bytes()
    chosen = read_run_config(run)
    assert not left_open(chosen)
    assert chosen.train.steps >= 2
    assert chosen.choices[0] in capsys.readouterr().out

    monkeypatch.setattr(recipe, "measure", refused)
    questions.train(small, run)  # that had saved nothing
    assert (run / "config.json").read_bytes() == before
    content = json.loads((run / "report" / "metrics.json").read_text())
    model = load_run(run)
    expected = {0.0: "fine-tuned network", 1.0: "frozen network"}
    rows = set(expected.values()) - {expected.get(1 - model.blend)}
    assert content["baselines"].keys() == {*rows, "raw pixels", "frozen features"}
    page = (run / "report" / "index.html").read_text()
    assert "What was chosen, and why" in page
    assert chosen.choices[0] in page
    assert "The run gives the" in page
    for name in rows:
        assert f'<dt id="word-{name.replace(" ", "-")}">' in page
    apart = "apart from &quot;fine-tuned network&quot;, show what can be had without learning"
    assert (apart in re.sub("<[^>]*>", "", page)) == ("fine-tuned network" in rows)
    questions.train(small, run)  # that is finished
    assert (run / "config.json").read_bytes() == before
    later = dataclasses.replace(small, minutes=5)
    with pytest.raises(UserError, match=r"steps for --minutes 30 and keeps them; go on with that"):
        questions.train(later, run)

    questions.train(chosen, tmp_path / "again")  # the same configuration gives the same network
    jax.tree.map(np.testing.assert_array_equal, model.params, load_run(tmp_path / "again").params)


@pytest.mark.parametrize(
    ("rate", "blocks", "best"),
    [
        pytest.param(1e-9, 0, 1.0, marks=pytest.mark.exhaustive, id="as good"),
        pytest.param(30.0, -1, 0.0, marks=pytest.mark.exhaustive, id="spoiled"),
    ],
)
def test_validation_picks_the_better(small, tmp_path, rate, blocks, best):
    """By a rate that spoils the network its start is better; of equals the trained one is kept."""
    values = {
        "data.image_size": 32,
        "data.embed_size": 0,
        "data.batch_size": 16,
        "model.backbone": "resnet10",
        "model.views": 0,
        "model.dtype": "float32",
        "loss.margin": 0.3,
        "optimizer.learning_rate": rate,
        "model.bnneck": False,
        "stages": (Stage(blocks=blocks),),
        "optimizer.warmup_steps": 0,
        "train.steps": 3,
        "train.evaluate_every": 3,
        "train.checkpoint_every": 3,
        "train.blend": (0.0,),
        "minutes": 0,
    }
    config = with_values(small, values)
    questions.train(config, tmp_path / "run")
    model = load_run(tmp_path / "run")
    assert model.blend == best
    history = read_metrics(tmp_path / "run")
    values = next(
        {share: row[f"blend/{share:g}"] for share in (0.0, 1.0)}
        for row in history
        if "blend/0" in row
    )
    assert values[best] == max(values.values())
    assert "mAP on validation photos that none was trained on" in compared(history)[0]
    networks = (each.params["net"]["backbone"] for each in (model, model.frozen))
    jax.tree.map(np.testing.assert_array_equal, *networks)


@pytest.mark.exhaustive
def test_too_few_to_validate_give_the_published_features(small, tmp_path, capsys):
    config = dataclasses.replace(
        small, data=dataclasses.replace(small.data, source="synthetic:5x3")
    )
    questions.train(config, tmp_path / "run")
    assert "Validation has 0 individuals with a match" in capsys.readouterr().out
    assert load_run(tmp_path / "run").step == 0
    questions.train(config, tmp_path / "run")


def test_what_validation_said_in_words():
    history = [{"step": 9, "blend/0": 0.25, "blend/0.5": 0.5, "blend/1": 0.375}]
    assert compared(history) == []
    assert compared([*history, {"step": 9, "blend": 0.5}]) == [
        "mAP on validation photos that none was trained on: frozen network 0.250, mixture with 50% "
        "of the fine-tuned network 0.500, fine-tuned network 0.375. The run gives the mixture with "
        "50% of the fine-tuned network.",
        "What is called a network here has the run's views and whitening; frozen features have no "
        "whitening.",
    ]


def test_who_types_the_name_before_is_told_the_new_one():
    with pytest.raises(UserError, match="my_photos is called recipe now, and asks for --minutes"):
        configurations.find("my_photos")
