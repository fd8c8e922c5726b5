"""Which network to take: the budget, the rules, and a comparison from end to end, gone on with."""

import itertools
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reid_jax.architectures.choice import candidates, search, trial
from reid_jax.architectures.choice.advice import (
    Finalist,
    about_attention,
    about_margins,
    about_triplets,
    reasons,
    recommended,
)
from reid_jax.architectures.choice.budget import (
    FINALISTS,
    rounds_of,
    steps_of,
    trainings_of,
    unit_seconds,
    units_of,
)
from reid_jax.architectures.choice.candidates import Candidate, Field, field_of
from reid_jax.architectures.choice.search import compare_architectures
from reid_jax.errors import UserError
from reid_jax.questions import question_named
from tests.keyframe_videos import make_config, write_videos


@given(st.integers(3, 64))
def test_each_round_halves_and_doubles_and_three_are_left(number):
    rounds = rounds_of(number)
    assert rounds[0].candidates == number
    assert rounds[-1].candidates == FINALISTS
    assert [each.units for each in rounds] == [2**place for place in range(len(rounds))]
    assert all(each.seeds == 1 for each in rounds[:-1])
    for one, after in itertools.pairwise(rounds):
        assert after.candidates in (-(-one.candidates // 2), FINALISTS)


def test_the_units_of_eight_candidates():
    """8 x 1, 4 more x 1, 3 more x 2, and two more trainings of each of three x 4."""
    rounds = rounds_of(8)
    assert units_of(rounds) == 8 + 4 + 6 + 24
    assert trainings_of(rounds) == 8 + 4 + 9
    assert unit_seconds(60, 600, rounds, 4, {"a": 10.0, "b": 20.0}) == pytest.approx(
        (3600 - 600 - 20 * 25) / 46
    )


def test_a_budget_that_is_too_short_is_refused_in_a_sentence():
    rounds = rounds_of(8)
    with pytest.raises(UserError, match=r"--minutes 3 is too short for one candidate: .* 21 train"):
        unit_seconds(3, 100, rounds, 0, {"a": 30.0})
    with pytest.raises(UserError, match=r"hold 2 of its steps, and 20 are needed; .* 10 times"):
        steps_of(5.0, 2.0, "large")
    assert steps_of(100.0, 2.0, "large") == 50


GOOD = Finalist("good", (0.8, 0.7, 0.75), 400_000_000, 20.0, 40_000_000)
CLOSE = Finalist("close", (0.7, 0.72, 0.74), 300_000_000, 12.0, 20_000_000)
SMALL = Finalist("small", (0.68, 0.69, 0.67), 50_000_000, 5.0, 4_000_000)
POOR = Finalist("poor", (0.3, 0.3, 0.3), 1_000_000, 1.0, 100_000)


def test_recommendations_follow_the_rules():
    found = recommended([GOOD, CLOSE, SMALL, POOR])
    assert {place: each.name for place, each in found.items()} == {
        "server": "close",  # its mean reaches the lowest seed of the best, with fewer products
        "laptop": "close",  # 0.72 of 0.75 is 96%; small has 90.7%
        "phone": "small",
    }
    alone = recommended([POOR])
    assert {each.name for each in alone.values()} == {"poor"}


def test_reasons_are_made_of_the_numbers():
    said = reasons([GOOD, CLOSE, SMALL], "Rank-1")
    assert said["phone"] == (
        "small: Rank-1 0.680 (0.670 to 0.690 over 3 seeds), 91% of that of good, with 4.0 MB."
    )
    assert "300 million multiply-adds" in said["server"]
    assert "12.0 ms" in said["laptop"]


def test_sentences_about_clips_and_margins():
    values = {"mean, Siamese": 0.9, "mean, triplet": 0.92, "attention, Siamese": 0.93}
    assert about_triplets(values, "AUC") == [
        "With the encoder mean the Siamese network has AUC 0.900, the triplet network 0.920: "
        "-0.020."
    ]
    assert about_attention(values, "AUC") == [
        "Attention has AUC 0.930 where the mean over frames has 0.900: +0.030."
    ]
    assert about_attention({}, "AUC") == about_triplets({}, "AUC") == about_margins({}, "AUC") == []
    margins = {"margin 0.1": 0.4, "margin 0.3": 0.6}
    assert (
        "margin 0.3 has the highest mAP of a validation, 0.600" in about_margins(margins, "mAP")[0]
    )


@pytest.mark.parametrize(
    ("source", "clips", "least"),
    [("folder:photos", False, 8), ("a.h5", False, 8), ("a.h5", True, 12)],
)
def test_every_candidate_is_a_configuration_that_is_accepted(source, clips, least):
    field = field_of(source, clips, {})
    assert len(field.candidates) >= least
    assert len({each.name for each in field.candidates}) == len(field.candidates)
    for each in (*field.candidates, *field.margins):
        config = trial.configured(field, each, 40, seed=1)
        question_named(type(config).__name__).check(config)
    assert len(field.margins) in (0, 4)


def test_clips_of_photos_are_refused(tmp_path):
    with pytest.raises(UserError, match="is no H5 file"):
        compare_architectures("folder:x", 1, tmp_path, clips=True)
    with pytest.raises(UserError, match="--minutes is 0"):
        compare_architectures("folder:x", 0, tmp_path)


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """Four scorers, of few frames."""
    path = write_videos(tmp_path / "videos.h5", count=9)
    base = make_config(path, train={"steps": 40}, optimizer={"schedule": "constant"})
    some = [Candidate(f"width {width}", {"model.width": width}) for width in (4, 8, 12, 16)]
    margins = (Candidate("margin 0.1", {"model.width": 4}),)
    field = Field(
        *("keyframes", base, tuple(some), margins, "spearman", "kendall_users", "Kendall"), ()
    )
    monkeypatch.setattr(search, "field_of", lambda *asked: field)
    monkeypatch.setattr(trial, "exported_bytes", lambda *asked: 1_000_000)
    # A tiny network's steps are not worth timing: so many seconds each.
    monkeypatch.setattr(trial, "step_seconds", lambda *asked: 0.1)
    monkeypatch.setattr(search, "unit_seconds", lambda *asked: 2.0)
    return path


@pytest.mark.acceptance
def test_a_comparison_goes_on_where_it_stopped_and_says_only_what_it_counted(
    tiny, tmp_path, monkeypatch
):
    trained = []
    train_to = trial.train_to

    def counted(field, candidate, workdir, steps, seed):
        trained.append((candidate.name, steps, seed))
        if len(trained) == 6:
            raise KeyboardInterrupt
        return train_to(field, candidate, workdir, steps, seed)

    monkeypatch.setattr(trial, "train_to", counted)
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        compare_architectures("videos.h5", 30, out, command="reid-jax report architectures ...")
    before = json.loads((out / search.KEPT).read_text())
    assert sum("step" in row for row in before["candidates"].values()) == 4
    kept = compare_architectures("videos.h5", 30, out, command="reid-jax report architectures ...")
    assert trained.count(("width 4", trial.PROBE, 0)) == 1  # not tried again
    assert len(kept["finalists"]) == 3
    assert all(len(kept["candidates"][name]["judged"]) == 3 for name in kept["finalists"])
    seeds = {(name, seed) for name, _, seed in trained if seed}
    assert seeds == {(name, seed) for name in kept["finalists"] for seed in (1, 2)}
    assert json.loads((out / "report" / "metrics.json").read_text())["finalists"]
    page = (out / "report" / "index.html").read_text()
    assert "server" in page
    assert "Where each fails" in page
    tables = (out / "report" / "tables.md").read_text()
    best = kept["finalists"][0]
    assert f"{kept['candidates'][best]['rounds']['2']:.3f}" in tables
    again = compare_architectures("videos.h5", 30, out, command="reid-jax report architectures ...")
    assert again["candidates"] == kept["candidates"]
    with pytest.raises(UserError, match=r"holds a comparison of videos\.h5 in 30 minutes"):
        compare_architectures("videos.h5", 2, out)


def test_published_weights_that_are_not_here_leave_eight_candidates_all_the_same(monkeypatch):
    monkeypatch.setattr(candidates, "is_here", lambda package: False)
    field = field_of("folder:photos", False, {})
    assert not any("pypi" in str(each.changes) for each in field.candidates)
    assert len(field.candidates) >= 8
    assert replace(field, notes=()).margins == field.margins
