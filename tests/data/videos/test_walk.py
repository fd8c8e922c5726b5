"""Films seen through an encoder."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from reid_jax.data.videos.frames import Frame
from reid_jax.data.videos.walk import features_at, walk
from reid_jax.errors import UserError


class Counted:
    """A video of `length` frames, each of one grey, of which some cannot be decoded."""

    path = Path("counted.mp4")
    problem = ""

    def __init__(self, length, broken=()):
        self.times = np.arange(length) / 10
        self._there = [index for index in range(length) if index not in broken]

    def frames(self):
        return (
            Frame(index, self.times[index], lambda size, i=index: np.full((*size, 3), i, np.uint8))
            for index in self._there
        )

    def frames_at(self, indices):
        return (frame for frame in self.frames() if frame.index in indices)


@dataclass
class Grey:
    """Describes a frame by its grey; remembers how many it was shown at a time."""

    side: int = 4
    batch: int = 3
    calls: list[int] = field(default_factory=list)

    def __call__(self, images):
        self.calls.append(len(images))
        return np.array([[image.mean()] for image in images], np.float32)


def test_wanted_frames_are_described_a_batch_at_a_time_and_all_are_watched():
    encoder, seen = Grey(), []
    wanted = np.array([0, 2, 5, 6, 9])
    picks, features = walk(Counted(10), wanted, encoder, lambda frame: seen.append(frame.index))
    assert seen == list(range(10))
    assert encoder.calls == [3, 2]
    np.testing.assert_array_equal(picks, wanted)
    np.testing.assert_array_equal(features[:, 0], wanted)
    np.testing.assert_array_equal(features_at(Counted(10), wanted, Grey()), features)


def test_for_a_frame_that_cannot_be_decoded_the_next_stands_in():
    film = Counted(10, broken=(2, 3, 9))
    picks, _ = walk(film, np.array([0, 2, 3, 5, 9]), Grey(), lambda frame: None)
    assert picks.tolist() == [0, 4, 5]


def test_a_film_without_a_frame_is_refused():
    for look in (
        lambda film: walk(film, np.array([0]), Grey(), lambda frame: None),
        lambda film: features_at(film, np.array([0]), Grey()),
    ):
        with pytest.raises(UserError, match=r"counted\.mp4 has no frame"):
            look(Counted(2, broken=(0, 1)))
