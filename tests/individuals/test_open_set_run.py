"""The open-set table of a run: who is unknown, what calibrates, and that nothing leaks."""

import json
from dataclasses import replace

import numpy as np
import pytest

from reid_jax import UserError
from reid_jax.data.photos import Dataset, make_splits
from reid_jax.individuals.calibration import best_threshold
from reid_jax.individuals.glossary import OPEN_SET
from reid_jax.individuals.open_set_run import (
    arrange,
    as_text,
    evaluate_open_set_run,
    measure,
)
from tests.tiny_run import make_tiny_run


def dataset(individuals=24, days=4):
    labels = np.repeat(np.arange(individuals), 2 * days).astype(np.int32)
    day = np.tile(np.repeat(np.arange(days), 2), individuals)
    dates = np.datetime64("2020-01-01", "s") + day * np.timedelta64(1, "D")
    return Dataset(
        paths=np.array([f"{i}.jpg" for i in range(len(labels))]),
        labels=labels,
        identities=tuple(f"t{i}" for i in range(individuals)),
        columns={"date": dates},
    )


@pytest.mark.parametrize("method", ["open", "date", "identity", "photo"])
@pytest.mark.parametrize("validation_fraction", [0.0, 0.3])
def test_known_unknown_and_calibrating_photos_are_kept_apart(method, validation_fraction):
    data = dataset()
    splits = make_splits(
        data, method, test_fraction=0.4, validation_fraction=validation_fraction, seed=0
    )
    photos = arrange(data, splits, 0.25, seed=0)
    query, gallery = photos.test
    known = np.isin(data.labels[query], data.labels[gallery])
    assert known.any()
    assert not known.all()
    assert not np.intersect1d(query, photos.calibration.query).size
    strangers = np.unique(data.labels[query[~known]])
    trained = np.isin(strangers, data.labels[splits.train]).any()
    assert photos.unknown_were_trained_on == trained == (method in ("date", "photo"))
    for row in query[known]:  # there is something to find, from another day
        own = gallery[data.labels[gallery] == data.labels[row]]
        assert (photos.encounter[own] != photos.encounter[row]).any()
    if not validation_fraction:
        calibrating = np.unique(data.labels[photos.calibration.query])
        assert not np.isin(calibrating, data.labels[query]).any()


def test_perfect_and_useless_embeddings():
    data = dataset()
    splits = make_splits(data, "open", test_fraction=0.4, validation_fraction=0.3, seed=0)
    photos = arrange(data, splits, 0.25, seed=0)
    rows = np.unique(np.concatenate([*photos.test, *photos.calibration]))
    labels = data.labels[rows]
    noise = np.random.default_rng(0).normal(size=(len(rows), 24))
    perfect = measure(np.eye(24)[labels] + 0.01 * noise, labels, rows, photos, "cosine")
    for name in ("auroc", "oscr", "baks", "baus", "geometric_mean", "closed_rank1"):
        assert perfect[name] == pytest.approx(1), name
    useless = measure(noise, labels, rows, photos, "cosine")
    assert useless["auroc"] < 0.8
    assert useless["closed_rank1"] < 0.4


def test_the_threshold_is_for_the_gallery_that_is_searched():
    """The fewer individuals the validation photos show, the higher it has to be set."""
    data = dataset(individuals=60)
    labels, rows = data.labels, np.arange(len(data))
    rng = np.random.default_rng(0)
    embeddings = rng.normal(size=(60, 16))[labels] + 0.8 * rng.normal(size=(len(rows), 16))
    splits = make_splits(data, "identity", test_fraction=0.7, validation_fraction=0.5, seed=0)
    photos = arrange(data, splits, 0.5, seed=0)
    found = measure(embeddings, labels, rows, photos, "cosine")
    searched = len(np.unique(labels[photos.test.gallery]))
    assert searched > 2 * len(np.unique(labels[photos.calibration.gallery]))
    options = {"encounter": photos.encounter, "metric": "cosine"}
    small, right = (
        best_threshold(embeddings, labels, *photos.calibration, **options, individuals=count)
        for count in (None, searched)
    )
    assert found["threshold"] == right > small


def test_the_table_of_a_run(tmp_path, capsys):
    run = make_tiny_run(tmp_path / "run", steps=3, source="synthetic:16x6", test_fraction=0.4)
    result = evaluate_open_set_run(run, json_path=tmp_path / "out.json")
    said = capsys.readouterr().out
    assert json.loads((tmp_path / "out.json").read_text()) == result
    assert set(result["rows"]) == {"this network", "untrained network", "raw pixels"}
    for name in ("AUROC", "OSCR", "DIR@1%", "BAKS", "BAUS", "raw pixels"):
        assert name in said
    assert not result["unknown_were_trained_on"]
    with pytest.raises(UserError, match="unknown_fraction is 2"):
        evaluate_open_set_run(run, unknown_fraction=2)


def test_few_strangers_and_photos_left_out_are_said():
    one = dict.fromkeys(OPEN_SET, 0.5)
    counts = {"num_known": 9, "num_known_individuals": 3, "num_unknown": 12}
    result = {
        "rows": {"this network": {**one, **counts, "num_unknown_individuals": 1}},
        "calibrated_with": "others",
        "unknown_were_trained_on": False,
        "left_out": 4,
        "split": "photo",
    }
    text = as_text(result)
    assert "Random split by photo: " in text
    assert "AUROC: Of a photo of an individual" in text
    assert "Few unknown individuals (1)" in text
    assert "4 photos are left out" in text
    data = dataset()
    splits = make_splits(data, "photo", test_fraction=0.4, validation_fraction=0.3, seed=0)
    days = data.columns["date"].copy()
    days[data.labels == 3] = days[0]  # one day: nothing of another encounter to be found
    photos = arrange(replace(data, columns={"date": days}), splits, 0.25, seed=0)
    assert photos.left_out == np.sum(data.labels[splits.test.query] == 3)
