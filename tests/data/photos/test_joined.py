"""Two sources as one: who is who, what is there twice, and what is not known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reid_jax.data.photos import Dataset
from reid_jax.data.photos.joined import joined
from reid_jax.errors import UserError

PHOTO = st.tuples(st.integers(0, 3), st.sampled_from("abc"), st.integers(0, 2))


def source(photos, **columns):
    """Of (path, name, content) each."""
    names = sorted({name for _, name, _ in photos})
    return Dataset(
        paths=np.array([f"{path}.jpg" for path, _, _ in photos]),
        labels=np.array([names.index(name) for _, name, _ in photos], np.int32),
        identities=tuple(names),
        columns={"digest": np.array([b"%d" % content for *_, content in photos]), **columns},
    )


def facts(dataset, rows):
    names = np.asarray(dataset.identities)[dataset.labels[rows]].tolist()
    return list(
        zip(dataset.paths[rows].tolist(), names, dataset.columns["digest"][rows], strict=True)
    )


@given(*(st.lists(PHOTO, min_size=1, max_size=8, unique=True) for _ in range(2)))
def test_each_photo_keeps_what_it_is_and_is_there_once(first, second):
    one, other = source(first), source(second)
    if not {name for _, name, _ in first} & {name for _, name, _ in second}:
        with pytest.raises(UserError, match="share no individual; they are matched by their names"):
            joined(one, other)
        return
    both, in_first, in_second = joined(one, other)
    assert facts(both, in_first) == facts(one, np.arange(len(one)))
    assert facts(both, in_second) == facts(other, np.arange(len(other)))
    assert len(both) == len({*first, *second})
    assert list(both.identities) == sorted({name for _, name, _ in first + second})


def test_what_one_source_does_not_say_is_not_known():
    days = np.array(["2020-01-01", "2020-01-02"], "datetime64[s]")
    one = source([(0, "a", 0), (1, "b", 1)], camera=np.array(["left", "right"]), split=days)
    other = source([(2, "a", 2), (3, "b", 3)], date=days, split=days, drawer=np.array(["1", "2"]))
    both, *_ = joined(one, other)
    assert both.columns.keys() == {"digest", "camera", "date", "split"}
    assert both.columns["camera"].tolist() == ["left", "right", "", ""]
    assert np.isnat(both.columns["date"]).tolist() == [True, True, False, False]


def test_photos_in_memory_are_joined_where_they_are_of_one_size():
    def drawn(side):
        pixels = np.arange(2 * side * side * 3, dtype=np.uint8).reshape(2, side, side, 3)
        return Dataset(np.array(["0", "1"]), np.zeros(2, np.int32), ("a",), pixels=pixels)

    both, in_first, in_second = joined(drawn(4), drawn(4))
    assert len(both) == len(both.pixels) == 2
    assert in_first.tolist() == in_second.tolist() == [0, 1]
    for other in (drawn(5), source([(0, "a", 0)])):
        with pytest.raises(UserError, match="in memory and the other does not, or not in the same"):
            joined(drawn(4), other)
