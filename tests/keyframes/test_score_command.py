"""What reid-jax score writes: the contract of others that read it."""

import signal
from pathlib import Path

import numpy as np
import pytest

from reid_jax.data.videos.features import load_video_features
from reid_jax.keyframes.run import evaluate_run
from reid_jax.training.config_file import claim_workdir
from tests.doors import call
from tests.keyframe_videos import write_videos
from tests.keyframes.test_training import fitted, make_config
from tests.stories.test_multihost import finish
from tests.stories.test_shares import start

h5py = pytest.importorskip("h5py")
TINY = {"steps": 3, "log_every": 3, "evaluate_every": 3, "checkpoint_every": 3}


def make_run(workdir: Path, videos: Path, **sections) -> Path:
    config = make_config(videos, train=TINY, **sections)
    claim_workdir(workdir, config)
    fitted(config, workdir)
    return workdir


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("features")
    return make_run(folder / "run", write_videos(folder / "videos.h5"))


def check_scores(data: Path, out: Path) -> None:
    """One float array a video, under its key, with a finite score for each of its picks."""
    with np.load(out) as scores, h5py.File(data) as videos:
        assert set(scores.files) == set(videos)
        for key, video in videos.items():
            assert np.issubdtype(scores[key].dtype, np.floating)
            assert scores[key].shape == video["picks"].shape
            assert np.all(np.isfinite(scores[key]))


def test_one_float_array_a_video_with_a_score_for_each_pick(run, tmp_path, capsys):
    other = write_videos(tmp_path / "other.h5", count=3, seed=1)
    call("score", "--workdir", run, "--data", other, "--out", tmp_path / "scores.npz")
    check_scores(other, tmp_path / "scores.npz")
    assert "3 videos" in capsys.readouterr().out


def test_a_video_may_have_any_name(run, tmp_path):
    other = write_videos(tmp_path / "other.h5", count=3, seed=1)
    with h5py.File(other, "a") as file:
        for old, new in [("video_1", "file"), ("video_2", "allow_pickle"), ("video_3", "ä b.npy")]:
            file.move(old, new)
    call("score", "--workdir", run, "--data", other, "--out", tmp_path / "scores.npz")
    check_scores(other, tmp_path / "scores.npz")
    evaluate_run(run, other)
    check_scores(other, run / "report-other" / "scores.npz")
    assert {video.key for video in load_video_features(other)} >= {"file", "allow_pickle"}


def test_frames_of_other_videos_are_scored_from_where_they_are(run, tmp_path, capsys):
    own = write_videos(tmp_path / "own.h5", frames=tmp_path / "frames")
    images = make_run(
        tmp_path / "run",
        own,
        data={
            "frames": str(tmp_path / "frames"),
            "image_size": 16,
            "clip": 6,
            "batch_size": 2,
        },
        augment={"noise": 0.0, "mix": 0.0},
        model={"backbone": "small_cnn"},
    )
    other = write_videos(tmp_path / "other.h5", count=8, frames=tmp_path / "elsewhere", seed=1)
    command = ["score", "--data", other, "--out", tmp_path / "scores.npz"]
    with pytest.raises(SystemExit):  # the run's own folder knows six videos, of other lengths
        call(*command, "--workdir", images)
    call(*command, "--workdir", images, "--frames", tmp_path / "elsewhere")
    check_scores(other, tmp_path / "scores.npz")
    capsys.readouterr()
    with pytest.raises(SystemExit):
        call(*command, "--workdir", run, "--frames", tmp_path / "elsewhere")
    assert "scores features" in capsys.readouterr().err


KILLED = """
import os, signal
from reid_jax.keyframes.model import TrainedScorer
score = TrainedScorer._score_video
def killed(scorer, video, *places):
    if os.environ["JAX_PROCESS_ID"] == "1" and video.key == "video_8":
        os.kill(os.getpid(), signal.SIGKILL)
    return score(scorer, video, *places)
TrainedScorer._score_video = killed
"""


@pytest.mark.exhaustive
def test_two_processes_score_the_bytes_of_one_though_one_is_killed(run, tmp_path):
    other = write_videos(tmp_path / "other.h5", count=8, seed=1)
    words = ("score", run, other, "--out", tmp_path / "two.npz")
    first, _ = finish(start(2, *words, begin=KILLED), 1, -signal.SIGKILL)
    assert "error: process 1 on" in first
    assert "of 8 shares are kept in" in first
    assert not (tmp_path / "two.npz").exists()
    finish(start(2, *words), 0, 0)
    call("score", run, other, "--out", tmp_path / "one.npz")
    assert (tmp_path / "two.npz").read_bytes() == (tmp_path / "one.npz").read_bytes()
    assert not list(tmp_path.glob("*.shares"))


@pytest.mark.exhaustive
def test_evaluation_by_two_processes_is_that_of_one(run, tmp_path):
    other = write_videos(tmp_path / "other.h5", count=3, seed=1)
    finish(start(2, "evaluate", run, other, "--out", tmp_path / "two"), 0, 0)
    evaluate_run(run, other, out=tmp_path / "one")
    for name in ("metrics.json", "scores.npz"):
        assert (tmp_path / "two" / name).read_bytes() == (tmp_path / "one" / name).read_bytes()
