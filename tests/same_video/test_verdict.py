"""Verdicts on clips without a run, by thresholds from films of several domains."""

import numpy as np
import pytest

import reid_jax as rj
from reid_jax.errors import UserError
from reid_jax.same_video.model import compare_clips
from reid_jax.same_video.verdict import Calibration, installed_calibration, through_others

KNOWN = Calibration(
    different=0.3,
    same=0.5,
    different_pairs=np.linspace(-1, 0.6, 101).tolist(),
    copies=np.linspace(0.2, 1, 101).tolist(),
    false_alarms=0.004,
    found=0.95,
    unsure=0.05,
    pairs=[1000, 800],
    domains=["drawn"],
)


@pytest.mark.parametrize(
    ("alike", "verdict"),
    [
        (0.299, "different"),
        (0.3, "unsure"),
        (0.499, "unsure"),
        (0.5, "same video"),
        (1, "same video"),
    ],
)
def test_a_verdict_has_two_thresholds(alike, verdict):
    assert KNOWN.verdict(alike) == verdict


def test_shares_of_pairs_as_alike():
    assert KNOWN.as_alike(0.6) == pytest.approx((0.0, 0.5))
    assert KNOWN.as_alike(-0.2) == pytest.approx((0.5, 0.0))
    assert KNOWN.as_alike(2.0) == (0.0, 1.0)


def test_parts_are_joined_by_their_film_alone():
    def pair(first, second, same):
        return {"first": first, "second": second, "same": same}

    parts = [pair(0, 1, True), pair(0, 2, True), pair(1, 2, False), pair(0, 3, False)]
    parts += [pair(1, 3, False), pair(2, 3, False)]
    assert through_others(parts) == {(1, 2): 0}
    assert through_others([pair(0, 1, False)]) == {}


def test_what_is_installed_says_how_often_it_is_wrong():
    known = installed_calibration()
    assert known.different < known.same
    assert known.about.startswith("On domains of films that its thresholds were not chosen on, ")
    assert all(np.diff(known.different_pairs) >= 0)
    assert all(np.diff(known.copies) >= 0)
    run = rj.load("installed:same-video")
    rng = np.random.default_rng(0)
    clips = rng.normal(size=(2, 9, run.width)).astype(np.float32)
    looks = rng.integers(256, size=(2, 9, 48, 48)).astype(np.uint8)
    (itself,) = compare_clips(run, clips[[0, 0]], looks[[0, 0]])
    assert (itself["verdict"], itself["same"], itself["network"]) == ("same video", True, None)
    assert itself["chamfer"] == 1
    assert itself["alike"] == pytest.approx(1)
    (other,) = compare_clips(run, clips, looks)
    assert other["verdict"] == "different"
    with pytest.raises(UserError, match="looks at pictures: give films, not features"):
        run.similarity(*clips)
