"""Which photos a validation looks at, and that streaming them changes nothing."""

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reid_jax import configurations
from reid_jax.data.photos import Dataset, QueryGallery
from reid_jax.fields import with_values
from reid_jax.individuals import validation
from reid_jax.individuals.config import going_on
from reid_jax.individuals.experiment import build, load_data
from reid_jax.individuals.validation import photo_blocks, some_photos
from reid_jax.questions import train
from tests.tiny_run import make_tiny_run, read_run_config, train_tiny_run


@pytest.fixture
def streamed(monkeypatch):
    """Nothing is kept in memory; seven photos at a time. What is decoded at once is counted."""
    monkeypatch.setattr(validation, "_KEPT_BYTES", 0)
    monkeypatch.setattr(validation, "_BLOCK", 7)
    counts: list[int] = []
    load = Dataset.load

    def counted(self, indices, *arguments, **options):
        counts.append(len(indices))
        return load(self, indices, *arguments, **options)

    monkeypatch.setattr(Dataset, "load", counted)
    return counts


def test_blocks_are_the_photos_in_order_each_time(streamed):
    data = with_values(configurations.get("demo"), {"data.source": "synthetic:12x6"}).data
    dataset, _ = load_data(data, 0)
    rows = np.random.default_rng(0).permutation(len(dataset))[:31]
    blocks = photo_blocks(dataset, rows, 16, 3)
    assert streamed == []
    for _ in range(2):
        found = np.concatenate([block["image"] for block in blocks()])
        assert max(streamed) == 7
        np.testing.assert_array_equal(found, dataset.load(rows, 16, 3))
        streamed.clear()


def test_a_streamed_validation_gives_the_numbers_of_one_in_memory(tmp_path, request):
    facts = {"source": "synthetic:8x6", "split": "photo"}
    kept = train_tiny_run(tmp_path / "kept", steps=4, **facts)
    request.getfixturevalue("streamed")
    anew = train_tiny_run(tmp_path / "anew", steps=4, **facts)

    def numbers(run):
        rows = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
        return [row for row in rows if "validation/mAP" in row]

    assert numbers(kept) == numbers(anew)
    assert numbers(kept)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.integers(1, 12), min_size=1, max_size=150),
    st.integers(2, 300),
    st.booleans(),
    st.integers(0, 3),
)
def test_a_part_keeps_queries_with_their_matches(sizes, most, leave_one_out, seed):
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    everything = np.arange(len(labels))
    asked = rng.random(len(labels)) < 0.3
    whole = QueryGallery(everything[asked], everything if leave_one_out else everything[~asked])
    part = some_photos(labels, whole, most, seed)
    again = some_photos(labels, whole, most, seed)
    for now, then, all_of_them in zip(part, again, whole, strict=True):
        np.testing.assert_array_equal(now, then)
        assert np.isin(now, all_of_them).all()
        assert (np.diff(now) > 0).all()
    rows = np.union1d(*whole)
    seen = np.union1d(*part)
    assert len(seen) <= most
    if len(rows) <= most:
        np.testing.assert_array_equal(seen, rows)
    for individual in np.unique(labels[seen]):
        # Who is looked at, and could be searched for and found, still can be.
        query, gallery = (side[labels[side] == individual] for side in whole)
        if any(np.setdiff1d(gallery, [one]).size for one in query):
            query, gallery = (side[labels[side] == individual] for side in part)
            assert any(np.setdiff1d(gallery, [one]).size for one in query)


def test_of_few_individuals_with_many_photos_all_are_looked_at():
    labels = np.repeat(np.arange(10), 600)
    everything = np.arange(6000)
    part = some_photos(labels, QueryGallery(everything[::20], everything), 1000, 0)
    assert (np.bincount(labels[part.gallery]) == 100).all()
    of_large = some_photos(np.arange(6000) // 3, QueryGallery(everything, everything), 1000, 0)
    assert set(np.bincount(of_large.gallery // 3)) <= {0, 3}
    assert 998 <= len(of_large.gallery) <= 1000


def test_the_first_line_says_that_a_part_is_looked_at():
    config = configurations.get("demo")
    data = dataclasses.replace(config.data, source="synthetic:12x6", image_size=16, batch_size=8)
    dataset, splits = load_data(data, 0)
    there = len(np.union1d(*splits.validation))
    summary = build(dataclasses.replace(config, data=data), dataset, splits).summary
    assert "validation" not in summary
    data = dataclasses.replace(data, validation_photos=there - 1)
    experiment = build(dataclasses.replace(config, data=data), dataset, splits)
    seen = len(experiment.validation.examples["label"])
    assert seen < there
    assert f"validations look at {seen} of {there} photos (data.validation_photos)" in (
        experiment.summary
    )


def test_a_run_from_before_the_limit_goes_on_without_one(tmp_path):
    run = make_tiny_run(tmp_path / "run", steps=3)
    config = read_run_config(run)
    assert config.data.validation_photos == 20_000
    file = run / "config.json"
    values = json.loads(file.read_text())
    del values["data"]["validation_photos"]
    file.write_text(json.dumps(values))
    assert read_run_config(run).data.validation_photos == 0
    assert going_on(run, config).data.validation_photos == 0
    train(config, run)  # not refused as another experiment
