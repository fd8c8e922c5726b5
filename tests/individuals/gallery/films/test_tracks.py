"""Boxes linked to tracks: overlaps against a plain loop, and drawn animals that cross."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reid_jax.individuals.gallery.films.tracks import linked, overlaps

SIDES = st.floats(0.01, 1)
BOXES = st.lists(st.tuples(SIDES, SIDES, SIDES, SIDES), min_size=1, max_size=5)
NO_CUTS = np.zeros(0, np.int64)


@given(BOXES, BOXES)
def test_overlaps_are_those_of_a_plain_loop(one, other):
    found = overlaps(np.array(one), np.array(other))
    for i, (x, y, w, h) in enumerate(one):
        for j, (u, v, a, b) in enumerate(other):
            across = max(0.0, min(x + w, u + a) - max(x, u))
            down = max(0.0, min(y + h, v + b) - max(y, v))
            both = across * down
            assert found[i, j] == pytest.approx(both / (w * h + a * b - both), abs=1e-9)


def walking(*animals, rate=10.0):
    """Rows of animals that walk: each (its direction in the embedding, {frame: left})."""
    rows = sorted((frame, left, who) for who, places in animals for frame, left in places.items())
    frames = np.array([frame for frame, _, _ in rows], np.int64)
    boxes = np.array([[left, 0.4, 0.2, 0.2] for _, left, _ in rows])
    z = np.eye(4)[[who for _, _, who in rows]] + 0.05
    return frames, frames / rate, boxes, z, [who for _, _, who in rows]


def whose(tracks, owners):
    return [[owners[row] for row in track] for track in tracks]


def test_two_that_cross_stay_themselves():
    left = {frame: 0.04 * frame for frame in range(20)}
    right = {frame: 0.76 - 0.04 * frame for frame in range(20)}
    *given_rows, owners = walking((0, left), (1, right))
    assert whose(linked(*given_rows, NO_CUTS), owners) == [[0] * 20, [1] * 20]


def test_one_that_is_hidden_for_a_moment_is_one_and_one_that_comes_later_another():
    there = dict.fromkeys([*range(5), *range(12, 20), *range(60, 65)], 0.3)
    *given_rows, _ = walking((0, there))
    assert [len(track) for track in linked(*given_rows, NO_CUTS)] == [13, 5]


def test_no_track_goes_over_a_cut():
    *given_rows, _ = walking((0, dict.fromkeys(range(10), 0.3)))
    tracks = linked(*given_rows, np.array([4]))
    assert [track.tolist() for track in tracks] == [[*range(4)], [*range(4, 10)]]


def test_another_animal_in_the_same_place_is_another_track():
    first, second = dict.fromkeys(range(5), 0.3), dict.fromkeys(range(5, 10), 0.42)
    *given_rows, owners = walking((0, first), (1, second))
    assert whose(linked(*given_rows, NO_CUTS), owners) == [[0] * 5, [1] * 5]


@given(st.lists(st.tuples(st.integers(0, 8), st.floats(0, 0.8), st.integers(0, 3)), max_size=25))
def test_each_box_is_in_one_track_and_a_track_has_one_box_a_frame(rows):
    rows.sort()
    frames = np.array([frame for frame, _, _ in rows], np.int64)
    boxes = np.array([[left, 0.1, 0.2, 0.2] for _, left, _ in rows]).reshape(-1, 4)
    z = np.eye(4)[[who for _, _, who in rows]].reshape(-1, 4)
    tracks = linked(frames, frames / 5.0, boxes, z, NO_CUTS)
    assert sorted(row for track in tracks for row in track.tolist()) == [*range(len(rows))]
    for track in tracks:
        assert np.all(np.diff(frames[track]) > 0)
