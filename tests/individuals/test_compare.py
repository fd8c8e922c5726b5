"""Runs compared: a difference is said to be one only when it is."""

import functools
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from reid_jax import UserError
from reid_jax.individuals import measures as embedding
from reid_jax.individuals.compare import PhotoContender, compare, compare_runs, contend
from reid_jax.individuals.measures import Details
from reid_jax.individuals.photo_pairs import choose_pairs
from reid_jax.ops.verification import roc_auc
from reid_jax.reporting.compare import Difference
from tests.tiny_run import make_tiny_run


def contender(name: str, right: np.ndarray, individuals: np.ndarray) -> PhotoContender:
    values = right.astype(float)
    return PhotoContender(
        name=name,
        metrics={
            "rank1": float(np.nan_to_num(values).mean()),
            "mAP": float("nan"),
            "num_queries": len(right),
            "num_excluded": 0,
            "num_gallery": 10,
            "num_individuals": 5,
            "split": "identity",
        },
        parameters=1,
        bytes_on_disk=1,
        details=Details(
            {"cmc@1": values, "ap": values}, np.array([1.0, 0.0]), np.array([True, False])
        ),
        individuals=individuals,
        photos_per_second=1.0,
    )


def differences(*runs: PhotoContender) -> list[Difference]:
    return list(compare(runs).differences)


def test_a_difference_is_one_only_when_it_is():
    rng = np.random.default_rng(0)
    individuals = np.repeat(np.arange(60), 5)
    base = rng.random(300) < 0.6
    luck = base ^ (rng.random(300) < 0.02)
    better = base | (rng.random(300) < 0.5)
    runs = [contender(n, r, individuals) for n, r in (("a", base), ("b", luck), ("c", better))]
    compared = compare(runs)
    found = {(one.first, one.second, one.measure.key): one for one in compared.differences}
    assert len(found) == 6
    assert not found["a", "b", "rank1"].is_one
    assert found["a", "c", "rank1"].is_one
    assert found["a", "c", "rank1"].high < 0
    assert found["a", "c", "rank1"].confidence == pytest.approx(1 - 0.05 / 6)
    assert found["a", "c", "rank1"].p_value < 0.01 < found["a", "b", "rank1"].p_value
    text = compared.as_text()
    assert "c is better than a" in text
    assert "no difference can be told" in text
    assert "Holm's correction over 6 comparisons" in text


@pytest.mark.parametrize("number", [1, 2, 3, 5, 6])
def test_few_individuals_give_no_verdict(number):
    individuals = np.repeat(np.arange(number), 20)
    runs = [
        contender("good", np.ones(20 * number), individuals),
        contender("bad", np.tile([0.0, 1.0], 10 * number), individuals),
    ]
    rank1 = differences(*runs)[0]
    assert rank1.value == 0.5
    assert not rank1.is_one
    assert np.isfinite(rank1.low) == (number >= 3)
    assert ("no verdict from" in rank1.sentence) == (number < 6)
    assert ("no interval of" in rank1.sentence) == (number < 3)
    assert np.isnan(rank1.low) or rank1.high - rank1.low > 0.1
    json.loads(compare(runs).as_json(), parse_constant=pytest.fail)


def test_a_verdict_keeps_its_promise():
    """Of two equally good runs, the one is called better in no more than 5% of comparisons."""
    rng = np.random.default_rng(1)
    individuals = np.repeat(np.arange(40), 4)
    wrong = 0
    for _ in range(60):
        skill = rng.random(40)[individuals]
        runs = [contender(n, rng.random(160) < skill, individuals) for n in "ab"]
        wrong += any(one.is_one for one in differences(*runs))
    assert wrong <= 9  # of 60; 3 are expected, more than 9 have a chance of 1 in 1000


def test_photos_of_one_individual_are_a_group():
    individuals = np.repeat(np.arange(8), 50)
    one = contender("a", individuals % 2 == 0, individuals)
    other = contender("b", np.zeros(400, bool), individuals)
    found = differences(one, other)[0]
    assert found.high - found.low > 0.5


def test_queries_without_a_match_do_not_count():
    values = np.array([1.0, np.nan, 1.0, 1.0])
    found = differences(*(contender(name, values, np.arange(4)) for name in "ab"))
    assert found[0].value == 0
    assert not found[0].is_one
    nothing = contender("a", np.full(4, np.nan), np.arange(4))
    empty = compare([nothing, nothing])
    assert not empty.differences[0].is_one
    assert not empty.differences[0].equal
    json.loads(empty.as_json(), parse_constant=pytest.fail)


def edit_data(run: Path, **values: object) -> None:
    config = json.loads((run / "config.json").read_text())
    config["data"] |= values
    (run / "config.json").write_text(json.dumps(config))


@pytest.mark.exhaustive
def test_two_runs_from_end_to_end(tmp_path, capsys, monkeypatch):
    sharp = make_tiny_run(tmp_path / "runs" / "sharp", steps=3, seed=1)
    runs = [sharp, tmp_path / "runs" / "blurred"]
    shutil.copytree(*runs)
    edit_data(runs[1], image_size=16)
    compare_runs(runs, tmp_path / "out")
    said = capsys.readouterr().out
    assert "Rank-1" in said
    assert "\nmAP: sharp minus blurred = " in said
    content = json.loads((tmp_path / "out" / "comparison.json").read_text())
    assert [one["name"] for one in content["runs"]] == ["sharp", "blurred"]
    assert all(one["parameters"] > 100 < one["bytes_on_disk"] for one in content["runs"])
    assert all(one["photos_per_second"] > 0 for one in content["runs"])
    for name in ("roc", "precision_recall"):
        assert (tmp_path / "out" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "out" / "comparison.txt").read_text().strip() in said

    # A sample of pairs is the same whatever seed a run was trained with, as that of the curves.
    some = functools.partial(choose_pairs, max_pairs=60)
    monkeypatch.setattr(embedding, "choose_pairs", some)
    for one in contend(runs):
        pairs = one.details.pair_scores, one.details.pair_same
        assert len(pairs[1]) == 60
        assert one.metrics["roc_auc"] == roc_auc(*pairs)

    edit_data(runs[1], test_fraction=0.5)
    (runs[1] / "split.npz").unlink()
    with pytest.raises(UserError, match="hold out different photos"):
        contend(runs)
    with pytest.raises(UserError, match="named twice"):
        contend([runs[0], runs[0]])
    with pytest.raises(UserError, match="two runs or more"):
        contend(runs[:1])
