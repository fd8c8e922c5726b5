"""Embeddings in 8 bits: how they are rounded, and that a search takes them as they are then."""

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from reid_jax.ops.ranking.eight import EightBit, alike, joined, taken
from reid_jax.ops.ranking.individuals import RULES, GallerySearch

RNG = np.random.default_rng(3)


@settings(max_examples=40, deadline=None)
@given(
    arrays.arrays(
        np.float32, (5, 7), elements=st.floats(-1e6, 1e6, width=32, allow_subnormal=False)
    )
)
def test_a_number_changes_by_half_a_step_at_most(rows):
    eight = EightBit.of(rows)
    step = np.abs(rows).max(axis=1, keepdims=True) / 127
    assert np.all(np.abs(np.asarray(eight) - rows) <= 0.5001 * step + 1e-30)
    assert np.abs(eight.codes).max(initial=0) <= 127
    np.testing.assert_array_equal(eight[2:4], np.asarray(eight)[2:4])


def test_it_takes_a_quarter():
    rows = RNG.normal(size=(100, 256)).astype(np.float32)
    eight = EightBit.of(rows)
    assert (eight.shape, eight.ndim, len(eight)) == ((100, 256), 2, 100)
    assert eight.nbytes == 100 * (256 + 4)
    assert np.asarray(eight, np.float64).dtype == np.float64
    some = taken(eight, np.array([5, 3]))
    assert isinstance(some, EightBit)
    both = joined([some, rows[:2]])
    assert isinstance(both, EightBit)
    np.testing.assert_array_equal(np.asarray(both)[2:], np.asarray(EightBit.of(rows[:2])))
    assert isinstance(joined([rows[:2], some]), np.ndarray)
    assert alike(eight, EightBit.of(rows))
    assert not alike(eight, np.asarray(eight))
    assert not alike(some, taken(eight, np.array([5, 4])))


def test_a_row_of_zeros_stays_one():
    np.testing.assert_array_equal(np.asarray(EightBit.of(np.zeros((2, 3)))), 0)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("photos", [5, 300])
def test_a_search_is_that_in_the_rounded_numbers(metric, photos):
    rows = RNG.normal(size=(photos, 16)).astype(np.float32) * RNG.uniform(0.1, 9, (photos, 1))
    eight, individuals = EightBit.of(rows), RNG.integers(0, 4, photos)
    queries = RNG.normal(size=(11, 16)).astype(np.float32)
    own = [(np.arange(11) % photos, np.arange(photos))]
    found = GallerySearch(eight, individuals, metric)
    wide = GallerySearch(np.asarray(eight), individuals, metric)
    assert found._on_devices[0][0].dtype == np.int8
    for rule in RULES:
        for mine, right in zip(
            found.individuals_like(queries, 3, rule, own),
            wide.individuals_like(queries, 3, rule, own),
            strict=True,
        ):
            np.testing.assert_allclose(mine, right, rtol=1e-4, atol=1e-5)
    for mine, right in zip(
        found.photos_like(queries, 4), wide.photos_like(queries, 4), strict=True
    ):
        np.testing.assert_allclose(mine, right, rtol=1e-4, atol=1e-5)


def test_a_gallery_is_divided_over_devices_in_8_bits():
    devices = jax.devices()
    if len(devices) < 2:
        pytest.skip("one device")
    mesh = jax.sharding.Mesh(np.array(devices[:2]), ("photos",))
    rows, queries = RNG.normal(size=(2, 500, 8)).astype(np.float32)
    eight, nobody = EightBit.of(rows), np.zeros(500, np.int32)
    alone = GallerySearch(eight, nobody).photos_like(queries, 3)
    together = GallerySearch(eight, nobody, mesh=mesh).photos_like(queries, 3)
    np.testing.assert_array_equal(together[1], alone[1])
