"""Which frames are keyframes, and which shots a summary has, of scores that are made up."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reid_jax.data.videos.frames import frame_edges, indices_at_rate, is_steady
from reid_jax.errors import UserError
from reid_jax.keyframes.films.choice import Choice, choose
from reid_jax.keyframes.films.clip import (
    best_of_shots,
    frames_of,
    parts,
    shots_with,
    summary_shots,
)
from reid_jax.keyframes.films.features import Described


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
    first = "the best 6, one a scene first, at least 2 s apart"
    assert (len(chosen), words) == (4, f"{first}, at most 2 a scene")
    chosen, words = choose(Choice(count=6), SCORES, described())
    assert (len(chosen), words) == (6, f"{first}, at most 3 a scene")
    chosen, words = choose(Choice(count=40), SCORES, described())
    assert len(chosen) == 40
    assert "at least 0.499 s apart" in words


def test_each_scene_is_given_one_before_any_gets_two():
    own = described(scenes=8)  # all that stands out is in two of them
    for count in (8, 9, 20):
        chosen, _ = choose(Choice(count=count), SCORES, own)
        assert len(chosen) == count
        assert set(chosen // 10) == set(range(8))
    best, _ = choose(Choice(count=2), SCORES, own)
    assert set(best // 10) == {4, 5}


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


def variable(times: np.ndarray) -> Described:
    """A video of one scene with frames at these times, two of each second scored."""
    picks = indices_at_rate(times, 2.0)
    features = np.zeros((len(picks), 1), np.float32)
    return Described(Blank(times), features, picks, np.array([[0, len(times) - 1]]), "hand")


def seconds(kept: np.ndarray, times: np.ndarray) -> float:
    """How long the kept frames (N,) last; the last one as long as is usual."""
    ends = [*times[1:], times[-1] + np.median(np.diff(times))]
    return sum(end - time for time, end, k in zip(times, ends, kept, strict=True) if k)


FAST_THEN_SLOW = np.concatenate([np.arange(1500) / 30, 50 + np.arange(100) / 2])
SLOW_THEN_FAST = np.concatenate([np.arange(100) / 2, 50 + np.arange(1500) / 30])


@pytest.mark.parametrize("times", [FAST_THEN_SLOW, SLOW_THEN_FAST])
@pytest.mark.parametrize("bright", ["slow", "fast"])
@pytest.mark.parametrize("share", [0.15, 0.5])
def test_a_share_is_one_of_the_time_whatever_the_rate(times, bright, share):
    """100 seconds, half of them at 2 frames a second: 15% of the frames were 1% or 27% of them."""
    own = variable(times)
    gaps = np.append(np.diff(times), 0.5)
    is_slow = gaps[own.picks] > 0.1
    scores = np.where(is_slow == (bright == "slow"), 0.9, 0.1).astype(np.float32)
    shots = summary_shots(scores, own.picks, own.scenes, times, share)
    length = seconds(frames_of(shots, len(times)), times)
    assert (share - 0.02) * 100 < length <= share * 100 + 1e-6
    for first, last in shots.tolist():
        assert seconds(frames_of(np.array([[first, last]]), len(times)), times) <= 2 + 1e-6
    chosen, words = choose(Choice(select="share", share=share), scores, own)
    assert words == f"the best of the frames scored, {100 * share:g}% of the time"
    ends = np.append(times[own.picks], times[-1] + np.median(np.diff(times)))
    assert sum(np.diff(ends)[chosen]) == pytest.approx(100 * share, abs=0.6)


rates = st.lists(st.tuples(st.floats(0.002, 3.0), st.integers(1, 40)), min_size=1, max_size=6)


@settings(deadline=None, max_examples=60)
@given(rates, st.sampled_from([0.1, 0.15, 0.5, 1.0]), st.integers(0, 9))
def test_no_summary_is_longer_than_its_share(rates, share, seed):
    gaps = np.concatenate([np.full(number, gap) for gap, number in rates])
    times = np.concatenate([[0.0], np.cumsum(gaps)])
    own = variable(times)
    scores = np.random.default_rng(seed).uniform(0.1, 1, len(own.picks))
    shots = summary_shots(scores, own.picks, own.scenes, times, share)
    kept = frames_of(shots, len(times))
    if is_steady(times):  # to half a frame
        assert kept.sum() <= max(1, share * len(times))
    else:
        whole = seconds(np.ones(len(times), bool), times)
        ticks = 0.001 * (len(shots) + 1)
        assert kept.sum() == 1 or seconds(kept, times) <= share * whole + ticks


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 900), st.sampled_from([24, 25, 30000 / 1001, 60]), st.integers(0, 9))
def test_constant_rates_give_what_counting_frames_gives(n_frames, rate, seed):
    """Also where a container keeps time in milliseconds, or in ticks of 1/90000 seconds."""
    exact = np.arange(n_frames) / rate
    own = variable(exact)
    scores = np.random.default_rng(seed).uniform(0, 1, len(own.picks))
    capacity = int(0.15 * n_frames)
    for times in (exact, np.round(exact, 3), np.round(exact * 90000) / 90000):
        assert frame_edges(times).tolist() == [*range(n_frames + 1)]
        kept = frames_of(summary_shots(scores, own.picks, own.scenes, times), n_frames)
        assert kept.sum() <= max(capacity, 1)
        count = -(-n_frames // max(min(round(2 * rate), capacity), 1))
        starts = {part * n_frames // count for part in range(count)}
        assert capacity == 0 or {int(a) for a, _ in parts(kept)} <= starts


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


@pytest.mark.parametrize("steady", [True, False])
def test_shots_that_hold_frames_are_parts_of_scenes_of_two_seconds(steady):
    gaps = np.full(400, 0.1) if steady else np.random.default_rng(1).uniform(0.05, 0.15, 400)
    times = np.concatenate([[0.0], np.cumsum(gaps)[:-1]])
    scenes = np.array([[0, 149], [150, 399]])
    frames = np.array([0, 20, 149, 150, 399])
    shots = shots_with(frames, scenes, times)
    for first, last in shots.tolist():
        assert ((frames >= first) & (frames <= last)).any()
        assert any(start <= first and last <= end for start, end in scenes)
        assert times[last] - times[first] <= 2.2
    for frame in frames:
        assert ((shots[:, 0] <= frame) & (frame <= shots[:, 1])).sum() == 1
