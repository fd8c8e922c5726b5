"""Matches of local features against loops over features, matches and hypotheses."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reid_jax.ops.local.matching import MATCHES, Features, compare, floors, root
from reid_jax.ops.local.verification import SCALE, TOLERANCE, TURN, consistent

ROOM = 12


def photos(counts, seed=0, room=ROOM, floor=0.93):
    """Features of photos with so many each; behind them lies what must not count."""
    rng = np.random.default_rng(seed)
    descriptors = root(rng.random((len(counts), room, 6)))
    places = rng.random((len(counts), room, 4)).astype(np.float32) + 0.1
    lowest = np.full((len(counts), room), floor, np.float32)
    return Features(descriptors, places, np.array(counts, np.int32), lowest)


def photo(features, place):
    return Features(*(values[place] for values in features))


def fitting(query, gallery, strength):
    """Tries each match as a hypothesis, match by match."""
    best, found = 0.0, np.zeros(len(strength), bool)
    for m in range(len(strength)):
        scale, turn = gallery[m, 2] / query[m, 2], gallery[m, 3] - query[m, 3]
        turning = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        fits = np.zeros(len(strength), bool)
        for n in range(len(strength)):
            place = turning @ (query[n, :2] - query[m, :2]) + gallery[m, :2]
            other = gallery[n, 2] / query[n, 2] / scale
            angle = np.angle(np.exp(1j * (gallery[n, 3] - query[n, 3] - turn)))
            fits[n] = (
                strength[m] > 0
                and strength[n] > 0
                and np.linalg.norm(place - gallery[n, :2]) < TOLERANCE
                and 1 / SCALE < other < SCALE
                and abs(angle) < TURN
            )
        if strength[fits].sum() > best:
            best, found = strength[fits].sum(), fits
    return found, best


def matching(one, other):
    """Matches of one photo's features in another, feature by feature: total, agreement, fits."""
    matches = []
    for m in range(one.number):
        similar = [one.descriptors[m] @ other.descriptors[n] for n in range(other.number)]
        if similar and max(similar) > one.floor[m]:
            matches.append((max(similar) - one.floor[m], m, int(np.argmax(similar))))
    matches.sort(key=lambda match: (-match[0], match[1]))
    total, first = sum(match[0] for match in matches), matches[:MATCHES]
    asked, found = ([match[side] for match in first] for side in (1, 2))
    strength = np.array([match[0] for match in first])
    fits, agreement = fitting(one.places[asked], other.places[found], strength)
    return total, agreement, fits, first


@pytest.mark.parametrize("seed", range(4))
def test_pairs_match_loops(seed):
    query, gallery = photo(photos([9], seed), 0), photos([12, 0, 1, 7, 12], seed + 100)
    found = compare(query, gallery)
    for place in range(5):
        total, agreement, fits, matches = matching(query, photo(gallery, place))
        back = matching(photo(gallery, place), query)[1]
        np.testing.assert_allclose(found.total[place], total, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(found.agreement[place], agreement + back, rtol=1e-4, atol=1e-6)
        assert found.points[place] == fits.sum()
        number = int(np.sum(found.strength[place] > 0))
        assert number == len(matches)
        pairs = zip(found.query[place][:number], found.gallery[place][:number], strict=True)
        assert list(pairs) == [match[1:] for match in matches]
        assert found.fits[place][:number].tolist() == fits.tolist()


def test_a_photo_fits_itself_and_no_more_matches_than_are_looked_at():
    features = photos([90], room=100)
    found = compare(photo(features, 0), features)
    total, agreement, fits, _ = matching(photo(features, 0), photo(features, 0))
    np.testing.assert_allclose(found.total[0], total, rtol=1e-5)
    np.testing.assert_allclose(found.agreement[0], 2 * agreement, rtol=1e-5)
    assert found.points[0] == fits.sum() == MATCHES


def test_floors_are_those_of_loops_without_what_is_the_photos_own():
    query, background = photos([5, 0], 1).descriptors, photos([12], 2).descriptors[0]
    others = np.random.default_rng(0).random((2, 12)) < 0.5
    found = np.asarray(floors(query, background, others))
    for p in range(2):
        for m in range(ROOM):
            similar = query[p, m] @ background[others[p]].T
            np.testing.assert_allclose(found[p, m], similar.max(), rtol=1e-5)
    assert (floors(query, background, np.zeros((2, 12), bool)) == -2).all()
    assert floors(query, background[:0], np.zeros((2, 0), bool)).shape == (2, ROOM)


def test_photos_without_features_and_with_one():
    none, one = photos([0], floor=-2), photos([1], floor=0.5)
    for query, gallery in ((none, none), (none, one), (one, none)):
        found = compare(photo(query, 0), gallery)
        assert (found.total[0], found.agreement[0], found.points[0]) == (0, 0, 0)
        assert not found.fits.any()
    found = compare(photo(one, 0), one)
    np.testing.assert_allclose(found.agreement[0], 1, rtol=1e-5)
    assert found.points[0] == 1


def test_ties_go_to_the_first():
    features = photos([6])
    features.descriptors[0, :6] = features.descriptors[0, 0]  # one feature, six times
    found = compare(photo(features, 0), features)
    assert found.query[0][:6].tolist() == list(range(6))
    assert (found.gallery[0][:6] == 0).all()


def test_what_is_turned_scaled_and_shifted_fits():
    rng = np.random.default_rng(3)
    query = np.concatenate([rng.random((20, 2)), np.full((20, 1), 0.05), np.ones((20, 1))], 1)
    turning = 1.5 * np.array([[np.cos(2), -np.sin(2)], [np.sin(2), np.cos(2)]])
    gallery = np.concatenate(
        [query[:, :2] @ turning.T + 0.3, 1.5 * query[:, 2:3], query[:, 3:] + 2 - 2 * np.pi], 1
    )
    gallery[15:, :2] += rng.random((5, 2)) + 0.5  # five that moved on their own
    fits, explained = consistent(*map(jnp.asarray, (query, gallery, np.arange(20) + 1.0)))
    assert fits.tolist() == [True] * 15 + [False] * 5
    assert explained == sum(range(1, 16))


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 10_000), st.integers(0, 10))
def test_fitting_matches_are_those_of_loops(seed, matches):
    rng = np.random.default_rng(seed)
    query, gallery = (0.2 + rng.random((2, 10, 4)) * [0.2, 0.2, 0.3, 7]).astype(np.float32)
    strength = np.where(np.arange(10) < matches, 0.1 + rng.random(10), 0).astype(np.float32)
    fits, explained = consistent(*map(jnp.asarray, (query, gallery, strength)))
    expected, best = fitting(query, gallery, strength)
    np.testing.assert_allclose(explained, best, rtol=1e-5)
    np.testing.assert_allclose(strength[np.asarray(fits)].sum(), best, rtol=1e-5)
    assert fits.sum() == expected.sum()


def test_root_sift_is_the_square_root_of_shares():
    values = np.array([[1, 3, 0], [0, 0, 0]], np.uint8)
    np.testing.assert_allclose(root(values), [[0.5, 0.75**0.5, 0], [0, 0, 0]], rtol=1e-6)
