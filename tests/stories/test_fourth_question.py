"""A new question is one file: the foundation trains, resumes, divides and shows it unchanged."""

import dataclasses
from pathlib import Path

import jax
import numpy as np
import pytest

from reid_jax import questions
from reid_jax.errors import UserError
from reid_jax.training import loop
from reid_jax.training.config import TrainConfig
from tests.stories import direction
from tests.stories.direction import DirectionConfig, draw

TRAIN = TrainConfig(steps=120, evaluate_every=40, checkpoint_every=40, log_every=20)
SHORT = {"steps": 24, "evaluate_every": 8, "checkpoint_every": 8, "log_every": 8}


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    monkeypatch.setitem(questions.QUESTIONS, "DirectionConfig", "tests.stories.direction:Direction")


def trained(workdir, **train):
    questions.train(DirectionConfig(train=dataclasses.replace(TRAIN, **train)), workdir)
    return workdir


def variables(workdir):
    return jax.tree.leaves(direction.restore(workdir, DirectionConfig)[1])


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(questions.QUESTIONS, "DirectionConfig", "tests.stories.direction:Direction")
        return trained(tmp_path_factory.mktemp("direction"), parallel="single")


@pytest.fixture(scope="module")
def short(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(questions.QUESTIONS, "DirectionConfig", "tests.stories.direction:Direction")
        return trained(tmp_path_factory.mktemp("short"), parallel="single", **SHORT)


def test_it_is_one_short_file():
    assert len(Path(direction.__file__).read_text().splitlines()) < 120


def test_it_learns_and_answers(run):
    facts = questions.report(run)
    assert facts["accuracy"] > 0.8
    animals = draw(10, 5)
    assert np.mean(questions.load(run)(animals.pixels) == animals.labels) > 0.5


def test_it_has_a_page_a_log_and_curves(run):
    page = (run / "report" / "index.html").read_text()
    assert "Where does it look?" in page
    assert "by chance" in page
    assert (run / "report" / "metrics.json").is_file()
    assert (run / "metrics.jsonl").is_file()
    assert list(run.glob("**/events.out.tfevents*"))


def test_it_goes_on_where_it_stopped(short, tmp_path, monkeypatch):
    class KilledError(Exception):
        pass

    calls = iter(range(12))
    original = loop._Loop._periods

    def periods(self):
        if next(calls, None) is None:
            raise KilledError
        return original(self)

    monkeypatch.setattr(loop._Loop, "_periods", periods)
    with pytest.raises(KilledError):
        trained(tmp_path / "run", parallel="single", **SHORT)
    monkeypatch.undo()
    questions.QUESTIONS["DirectionConfig"] = "tests.stories.direction:Direction"
    trained(tmp_path / "run", parallel="single", **SHORT)
    for ours, theirs in zip(variables(tmp_path / "run"), variables(short), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    "change",
    [
        {"parallel": "mesh", "accumulate": 2},
        pytest.param({"parallel": "pmap"}, marks=pytest.mark.exhaustive),
        pytest.param({"parallel": "mesh"}, marks=pytest.mark.exhaustive),
        pytest.param({"accumulate": 2}, marks=pytest.mark.exhaustive),
    ],
)
def test_it_trains_the_same_on_eight_devices_and_in_parts(short, tmp_path, change):
    trained(tmp_path / "run", **{"parallel": "single", **SHORT, **change})
    for ours, theirs in zip(variables(tmp_path / "run"), variables(short), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-3)


def test_its_mistakes_are_told_as_everywhere(run, short, tmp_path):
    with pytest.raises(UserError, match="holds a network of drawn animals; it has no --rerank"):
        questions.report(run, rerank=True)
    with pytest.raises(UserError, match="no comparison of runs of a network of drawn animals"):
        questions.compare_runs([run, short])
    with pytest.raises(UserError, match=r"train\.steps is 0, .*; it must be above 0"):
        trained(tmp_path / "run", steps=0)
    with pytest.raises(UserError, match="several processes train networks of images"):
        trained(tmp_path / "run", coordinator="localhost:1234")
