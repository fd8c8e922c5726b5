"""Drawn individuals: the same from the same seed, and neither trivial nor hopeless."""

import numpy as np
import pytest

from reid_jax.data.photos import load_dataset


@pytest.fixture(scope="module")
def drawn():
    return load_dataset("synthetic:40x12", seed=3)


def rank1(features, labels):
    """Leave-one-out nearest neighbour."""
    features = features.reshape(len(features), -1).astype(np.float32)
    squares = (features**2).sum(1)
    distances = squares[:, None] - 2 * features @ features.T + squares
    np.fill_diagonal(distances, np.inf)
    return (labels[distances.argmin(1)] == labels).mean()


def test_what_is_in_it(drawn):
    assert drawn.pixels.shape == (480, 96, 96, 3)
    assert drawn.pixels.dtype == np.uint8
    assert np.bincount(drawn.labels).tolist() == [12] * 40
    assert len(set(drawn.paths.tolist())) == 480
    dates = drawn.columns["date"].astype("datetime64[D]")
    for label in range(40):
        assert len(np.unique(dates[drawn.labels == label])) == 3, "photos come four to a day"
    assert len(load_dataset("synthetic:2")) == 40


def test_the_seed_decides_and_the_number_of_individuals_does_not(drawn):
    again = load_dataset("synthetic:2x12", seed=3)
    np.testing.assert_array_equal(again.pixels, drawn.pixels[:24])
    np.testing.assert_array_equal(again.columns["date"], drawn.columns["date"][:24])
    other = load_dataset("synthetic:2x12", seed=4)
    assert (other.pixels != again.pixels).mean() > 0.5


def test_no_photo_is_a_constant_or_a_copy(drawn):
    assert drawn.pixels.std(axis=(1, 2, 3)).min() > 8
    assert len({photo.tobytes() for photo in drawn.pixels}) == len(drawn)


def test_neither_trivial_nor_hopeless(drawn):
    chance = 11 / 479
    assert rank1(drawn.pixels.mean((1, 2)), drawn.labels) < 3 * chance, "colour tells nothing"
    raw = rank1(drawn.pixels, drawn.labels)
    assert 2 * chance < raw < 0.35
    # Edges without brightness already do better: the pattern is there to be learnt.
    edges = np.diff(drawn.pixels.mean(-1), axis=1)
    edges /= np.linalg.norm(edges, axis=(1, 2), keepdims=True)
    assert raw < rank1(edges, drawn.labels) < 0.8
