"""Splits: nothing tested is trained on, and what is searched for can be found."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reid_jax.data.photos import Dataset, QueryGallery, load_dataset, make_splits
from reid_jax.errors import UserError
from tests.paths import shared


def dataset(labels, days=None, split=None):
    columns = {}
    if days is not None:
        stamps = [np.datetime64("2020-01-01T08", "s") + np.timedelta64(d, "D") for d in days]
        columns["date"] = np.array(stamps, "datetime64[s]")
        columns["date"][np.array(days) < 0] = np.datetime64("NaT")
    if split is not None:
        columns["split"] = np.array(split)
    labels = np.asarray(labels, np.int32)
    return Dataset(
        paths=np.array([f"{i}.jpg" for i in range(len(labels))]),
        labels=labels,
        identities=tuple(f"t{i}" for i in range(labels.max(initial=-1) + 1)),
        columns=columns,
    )


def findable(data, part: QueryGallery):
    """Each query has another photo of its individual in the gallery."""
    return all(
        ((data.labels[part.gallery] == data.labels[query]) & (part.gallery != query)).any()
        for query in part.query
    )


def check(data, splits):
    trained = set(splits.train.tolist())
    for part in (splits.validation, splits.test):
        if part is None:
            continue
        assert len(part.query)
        assert not trained & set(part.query.tolist())
        assert findable(data, part)
    if splits.validation is not None:
        assert not set(splits.validation.query.tolist()) & set(splits.test.query.tolist())
    for array in (splits.train, *splits.test):
        assert array.dtype == np.int64
        assert len(np.unique(array)) == len(array)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(-1, 6)), min_size=12, max_size=60),
    st.sampled_from(["identity", "photo", "date"]),
    st.floats(0.05, 0.6),
    st.sampled_from([0.0, 0.2]),
    st.integers(0, 5),
)
def test_every_split_is_sound_or_refused(rows, method, fraction, validation, seed):
    labels, days = zip(*rows, strict=True)
    data = dataset(labels, days)
    options = {"test_fraction": fraction, "validation_fraction": validation, "seed": seed}
    try:
        splits = make_splits(data, method, **options)
    except UserError:
        return
    check(data, splits)
    again = make_splits(data, method, **options)
    np.testing.assert_array_equal(splits.train, again.train)
    np.testing.assert_array_equal(splits.test.query, again.test.query)
    if method == "identity":
        groups = [splits.train, splits.test.gallery]
        groups += [splits.validation.gallery] if splits.validation else []
        names = [set(data.labels[group].tolist()) for group in groups]
        assert sum(map(len, names)) == len(set.union(*names)), "individuals are disjoint"
        assert sum(map(len, groups)) == len(data), "no photo is lost"
    if method == "date":
        for name in set(labels):
            mine = [i for i in splits.test.query if data.labels[i] == name]
            earlier = [i for i in splits.test.gallery if data.labels[i] == name]
            if mine:
                assert max(days[i] for i in earlier) < min(days[i] for i in mine)


def test_identity_fractions_and_singles():
    labels = np.concatenate([np.repeat(np.arange(10), 3), np.arange(10, 20)])
    data = dataset(labels)
    splits = make_splits(data, "identity", test_fraction=0.3, validation_fraction=0, seed=1)
    assert splits.validation is None
    queried = np.unique(labels[splits.test.query])
    assert len(queried) == 3
    assert (queried < 10).all(), "an individual with one photo is not searched for"
    assert (labels[splits.test.gallery] >= 10).sum() == 3, "but is searched among"
    other = make_splits(data, "identity", test_fraction=0.3, validation_fraction=0, seed=2)
    assert set(other.test.query.tolist()) != set(splits.test.query.tolist())


def test_photo_split_trains_on_its_gallery():
    labels = np.repeat(np.arange(30), 10)
    splits = make_splits(dataset(labels), "photo", test_fraction=0.25, validation_fraction=0.2)
    check(dataset(labels), splits)
    assert 60 < len(splits.test.query) < 90
    assert len(splits.test.query) + len(splits.test.gallery) == 300
    assert set(splits.train.tolist()) == set(splits.validation.gallery.tolist())
    assert set(labels[splits.train]) == set(range(30))


def test_date_split_keeps_days_whole_and_undated_photos_out():
    #        individual 0: days 1 1 2 3 3   1: one day   2: days 5 9   undated
    labels = [0, 0, 0, 0, 0, 1, 1, 2, 2, 0]
    days = [1, 1, 2, 3, 3, 9, 9, 9, 5, -1]
    splits = make_splits(dataset(labels, days), "date", test_fraction=0.3, validation_fraction=0.0)
    assert splits.test.query.tolist() == [3, 4, 7]
    assert splits.train.tolist() == [0, 1, 2, 5, 6, 8]
    assert splits.test.gallery.tolist() == splits.train.tolist()


def test_date_validation_is_the_day_before():
    data = dataset([0] * 4 + [1] * 4, [1, 2, 3, 4, 1, 2, 3, 4])
    splits = make_splits(data, "date", test_fraction=0.25, validation_fraction=0.3)
    assert splits.test.query.tolist() == [3, 7]
    assert splits.validation.query.tolist() == [2, 6]
    assert splits.train.tolist() == [0, 1, 4, 5]
    assert splits.test.gallery.tolist() == [0, 1, 2, 4, 5, 6]


def test_given_test_is_leave_one_out():
    labels = [0, 0, 1, 1, 0, 0, 1]
    data = dataset(labels, split=["train"] * 4 + ["test"] * 3)
    splits = make_splits(data, "given", validation_fraction=0)
    assert splits.train.tolist() == [0, 1, 2, 3]
    assert splits.test.gallery.tolist() == [4, 5, 6]
    assert splits.test.query.tolist() == [4, 5], "6 has no match"


def test_given_queries_gallery_and_validation():
    labels = [0, 0, 0, 1, 1, 0, 0]
    split = ["Train", "train", "query", "gallery", "gallery", "val", "validation"]
    splits = make_splits(dataset(labels, split=split), "given")
    assert splits.test == QueryGallery(*splits.test)
    assert (splits.test.query.tolist(), splits.test.gallery.tolist()) == ([2], [3, 4])
    assert splits.validation.query.tolist() == [5, 6]


@pytest.mark.parametrize("disjoint", [True, False])
def test_given_validation_is_carved_from_train(disjoint):
    labels = np.concatenate(
        [np.repeat(np.arange(6), 10), np.repeat([6, 7] if disjoint else [0, 1], 5)]
    )
    data = dataset(labels, split=["train"] * 60 + ["test"] * 10)
    splits = make_splits(data, "given", validation_fraction=0.3)
    check(data, splits)
    carved = set(labels[splits.validation.query])
    assert carved.isdisjoint(labels[splits.train]) == disjoint
    query, gallery = (set(rows.tolist()) for rows in splits.validation)
    assert query <= gallery if disjoint else gallery == set(splits.train.tolist())
    assert len(set(splits.train.tolist()) | query | gallery) == 60


def test_given_validation_of_few_photos_is_found_among_those_trained_on():
    labels = np.concatenate([np.repeat(np.arange(10), 5), np.tile(np.arange(5), 2)])
    data = dataset(labels, split=["train"] * 50 + ["query"] * 5 + ["gallery"] * 5)
    splits = make_splits(data, "given")  # a tenth of five photos: at most one an individual
    check(data, splits)
    assert len(np.unique(labels[splits.validation.query])) == len(splits.validation.query)


@pytest.mark.parametrize(
    ("data", "options", "words"),
    [
        (dataset([0, 0, 0]), {"method": "identity"}, "at least two individuals"),
        (dataset([0, 1, 2]), {"method": "photo"}, "No individual has two photos"),
        (dataset([0, 0, 1, 1, 2, 2]), {"method": "identity"}, "3 are left"),
        (dataset([0, 0, 1, 1]), {"method": "date"}, "has none: use a CSV"),
        (dataset([0, 0, 1, 1], [1, 1, 2, 2]), {"method": "date"}, "two days or more"),
        (dataset([0, 0, 1, 1], [1, 2, 2, 2]), {"method": "date"}, "set validation_fraction to 0"),
        (dataset([0, 0, 1, 1]), {"method": "given"}, 'needs a column "split"'),
        (dataset([0, 0, 1], split=["train"] * 3), {"method": "given"}, "it holds: train"),
        (dataset([0, 0, 1, 1]), {"method": "time"}, "choose one of identity"),
        (dataset([0, 0, 1, 1]), {"method": "photo", "test_fraction": 1.0}, "below 1"),
    ],
)
def test_impossible_splits_say_why(data, options, words):
    with pytest.raises(UserError, match=words):
        make_splits(data, **options)


def test_real_turtles_by_date():
    data = load_dataset(f"csv:{shared('data/turtles')}")
    splits = make_splits(data, "date", test_fraction=0.2, validation_fraction=0.2)
    check(data, splits)
    assert len(np.unique(data.labels[splits.test.query])) == 115, "all seen on two days or more"
    assert len(np.unique(data.labels[splits.train])) == 320, "all are trained on"


def test_an_open_split_knows_some_and_not_others():
    labels = np.repeat(np.arange(20), 6)
    data = dataset(labels, days=np.tile([0, 0, 1, 1, 2, 2], 20))
    splits = make_splits(data, "open", test_fraction=0.3, validation_fraction=0.25, seed=3)
    everybody: set[int] = set()
    for (query, gallery), photos in ((splits.test, 6), (splits.validation, 4)):
        known = np.isin(labels[query], labels[gallery])
        strangers = set(labels[query[~known]].tolist())
        assert strangers
        assert known.any()
        assert not strangers & set(labels[splits.train].tolist())
        assert not strangers & everybody
        everybody |= strangers
        for who in strangers:  # with all the photos that are left of them
            assert np.sum(labels[query] == who) == photos
        newest = data.columns["date"][query[known]]
        assert (newest > data.columns["date"][gallery].min()).all()
    assert set(labels[splits.test.query].tolist()) >= set(labels[splits.train].tolist())
    with pytest.raises(UserError, match="2 are left"):
        make_splits(dataset([0, 0, 1, 1], days=[0, 1, 0, 1]), "open")
    with pytest.raises(UserError, match="needs the date"):
        make_splits(dataset([0, 0, 1, 1, 2, 2]), "open")
