"""Where a number stands, what was held out for it is named, and what that flatters."""

import json
from typing import get_args, get_type_hints

import pytest

from reid_jax.individuals.compare import compare_runs
from reid_jax.individuals.config import DataConfig
from reid_jax.individuals.glossary import SPLITS
from reid_jax.individuals.run import evaluate_run
from tests.tiny_run import make_tiny_run


def test_every_split_has_its_sentence():
    assert set(SPLITS) == set(get_args(get_type_hints(DataConfig)["split"]))


@pytest.mark.exhaustive
def test_the_random_split_by_photo_is_named_on_every_side(tmp_path, capsys):
    run = make_tiny_run(tmp_path / "run", split="photo", test_fraction=0.5)
    metrics = evaluate_run(run)
    assert metrics["split"] == "photo"
    report = run / "report"
    assert json.loads((report / "metrics.json").read_text())["metrics"]["split"] == "photo"
    for text in (
        capsys.readouterr().out,
        (report / "index.html").read_text(),
        (report / "tables.md").read_text(),
    ):
        assert "Random split by photo: " in text
    again = make_tiny_run(tmp_path / "again", split="photo", test_fraction=0.5)
    compare_runs([run, again], tmp_path / "compared")
    assert "Random split by photo: " in (tmp_path / "compared" / "comparison.txt").read_text()


def test_photos_of_another_source_stand_on_no_split(tmp_path, capsys):
    run = make_tiny_run(tmp_path / "run")
    metrics = evaluate_run(run, "synthetic:5x4", out=tmp_path / "out")
    assert "split" not in metrics
    assert "Other photos than the run held out: synthetic:5x4." in capsys.readouterr().out
