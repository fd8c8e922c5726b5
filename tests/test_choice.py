"""Which frames are keyframes, and which shots a summary has, of scores that are made up."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from reid_jax.errors import UserError
from reid_jax.video.choice import Choice, choose
from reid_jax.video.clip import best_of_shots, frames_of, parts, summary_shots
from reid_jax.video.features import Described


@dataclass
class Blank:
    """A video that nobody looks at."""

    times: np.ndarray
    path: Path = Path("blank.mp4")
    problem: str = ""


def described(n_frames: int = 400, scenes: int = 2) -> Described:
    """Ten frames a second, every fifth scored, scenes of one length."""
    starts = np.arange(scenes) * n_frames // scenes
    spans = np.stack([starts, np.append(starts[1:], n_frames) - 1], axis=1)
    picks = np.arange(0, n_frames, 5)
    return Described(
        Blank(np.arange(n_frames) / 10), np.zeros((len(picks), 1), np.float32), picks, spans, "hand"
    )


SCORES = np.where((np.arange(80) >= 40) & (np.arange(80) < 52), 0.9, 0.1)
SCORES = SCORES + np.random.default_rng(0).uniform(0, 0.01, 80)


def test_adaptive_is_what_nothing_said_gives():
    chosen, words = choose(Choice(), SCORES, described())
    assert words == "scores that stand out, at least 2 s apart, at most 3 a scene"
    assert len(chosen) == 3
    assert np.all((chosen >= 40) & (chosen < 52))
    assert np.diff(chosen).min() >= 4  # two seconds


def test_a_scene_and_a_distance_can_be_set():
    chosen, words = choose(Choice(per_scene=1, spacing=0.5), SCORES, described())
    assert (len(chosen), words) == (
        1,
        "scores that stand out, at least 0.5 s apart, at most 1 a scene",
    )
    chosen, _ = choose(Choice(per_scene=9, spacing=0.5), SCORES, described())
    assert len(chosen) == 9
    chosen, words = choose(Choice(count=6, per_scene=2), SCORES, described())
    assert (len(chosen), words) == (4, "the best 6, at least 2 s apart, at most 2 a scene")
    chosen, words = choose(Choice(count=6), SCORES, described())
    assert (len(chosen), words) == (6, "the best 6, at least 2 s apart, at most 3 a scene")
    chosen, words = choose(Choice(count=40), SCORES, described())
    assert len(chosen) == 40
    assert "at least 0.499 s apart" in words


def test_the_best_share():
    chosen, words = choose(Choice(select="share"), SCORES, described())
    assert chosen.tolist() == list(range(40, 52))
    assert words == "the best 15% of the frames scored"
    assert len(choose(Choice(select="share", share=0.1), SCORES, described())[0]) == 8


def test_a_keyframe_for_each_shot_of_the_summary():
    own = described()
    chosen, words = choose(Choice(select="shots"), SCORES, own)
    shots = summary_shots(SCORES, own.picks, own.scenes, own.video.times)
    assert shots.tolist() == [[200, 219], [220, 239], [240, 259]]
    expected = [int(np.argmax(np.where(own.picks // 20 == a // 20, SCORES, 0))) for a, _ in shots]
    assert chosen.tolist() == expected
    assert words == "the best frame of each shot of the best summary in 15% of the video"
    assert len(choose(Choice(select="shots", share=0.3), SCORES, own)[0]) == 6


def test_shots_between_the_frames_that_were_scored():
    picks = np.array([0, 10, 20])
    shots = np.array([[0, 4], [5, 9], [11, 19], [20, 25]])
    assert best_of_shots(np.array([0.1, 0.5, 0.9]), picks, shots).tolist() == [0, 1, 2]
    assert best_of_shots(np.array([0.5]), np.array([7]), np.array([[0, 3]])).tolist() == [0]


def test_summary_of_the_best_shots():
    own = described(scenes=1)
    kept = frames_of(summary_shots(SCORES, own.picks, own.scenes, own.video.times), 400)
    assert parts(kept).tolist() == [[200, 259]]
    assert kept.sum() == 60
    two = summary_shots(np.ones(1), np.zeros(1, int), np.array([[0, 1]]), np.array([0, 0.1]))
    assert frames_of(two, 2).tolist() == [True, False]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"count": 0}, "--count is 0; it must be 1 or more"),
        ({"per_scene": 0}, "--per-scene is 0; it must be 1 or more"),
        ({"spacing": -1.0}, "--spacing is -1; it must be 0 seconds or more"),
        ({"spacing": float("nan")}, "--spacing is nan"),
        ({"select": "share", "share": 0.0}, "--share is 0; it must be above 0 and at most 1"),
        ({"select": "shots", "share": 1.5}, "--share is 1.5"),
        ({"select": "share", "count": 3}, "--count is for --select adaptive"),
        ({"select": "shots", "spacing": 1.0}, "--spacing is for --select adaptive"),
        ({"select": "share", "per_scene": 1}, "--per-scene is for --select adaptive"),
    ],
)
def test_impossible_choices_are_refused(asked, message):
    with pytest.raises(UserError, match=message):
        Choice(**asked)
