"""Where the videos of a run are now: compared by content, whatever folder they are in."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reid_jax.errors import UserError
from reid_jax.questions import report, train
from reid_jax.same_video import copies
from reid_jax.same_video.run import report_pairs
from reid_jax.weights.frozen import FrameEncoder
from tests.keyframe_videos import write_videos
from tests.tiny_run import read_run_config, tiny_similarity_config

h5py = pytest.importorskip("h5py")
WIDTH = 12


@pytest.fixture(scope="module", autouse=True)
def by_colours():
    def colours(images):
        return np.tile(images.mean(axis=(1, 2)), WIDTH // 3).astype(np.float32)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            copies, "frozen_encoder", lambda name, weights, batch: FrameEncoder(8, colours, name)
        )
        yield


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """FOLDER/run, trained on clips and on copies made of frames, and FOLDER/there with both."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "there").mkdir()
    frames = folder / "there" / "frames"
    path = write_videos(folder / "there" / "videos.h5", 12, width=WIDTH, frames=frames)
    config = tiny_similarity_config(path)
    data = dataclasses.replace(config.data, frames=str(frames))
    train(dataclasses.replace(config, data=data), folder / "run")
    return folder


@pytest.fixture
def moved(made, tmp_path) -> Path:
    """A copy of the run, and the files in TMP/here; those that the run names are not there."""
    shutil.copytree(made / "run", tmp_path / "run")
    config = tmp_path / "run" / "config.json"
    config.write_text(config.read_text().replace(str(made / "there"), str(tmp_path / "gone")))
    shutil.copytree(made / "there", tmp_path / "here")
    return tmp_path


def places(moved):
    here = moved / "here"
    return {"path": str(here / "videos.h5"), "frames": str(here / "frames")}


def test_evaluate_says_how_and_then_remembers(made, moved):
    run = moved / "run"
    with pytest.raises(UserError, match=rf"is not there; .*evaluate {run} --videos FILE\.h5"):
        report(run)
    found = report(run, videos=moved / "here" / "videos.h5")
    assert found == report(made / "run")
    data = read_run_config(run).data
    assert {name: getattr(data, name) for name in ("path", "frames")} == places(moved)
    assert report_pairs([run, made / "run"], moved / "both")["ensemble of the runs"]


def test_training_goes_on_where_the_videos_are(moved, capsys):
    config = read_run_config(moved / "run")
    config = dataclasses.replace(
        config,
        data=dataclasses.replace(config.data, **places(moved)),
        train=dataclasses.replace(config.train, steps=4),
    )
    train(config, moved / "run")
    assert "from step 2" in capsys.readouterr().out
    assert read_run_config(moved / "run").data == config.data


@pytest.mark.parametrize("what", ["features", "picks", "a frame", "no frames"])
def test_other_content_is_not_taken_for_the_run_s(moved, what):
    run, here = moved / "run", moved / "here"
    config = read_run_config(run)
    data = dataclasses.replace(config.data, **places(moved))
    if what == "no frames":
        data = dataclasses.replace(data, frames="")
    elif what == "a frame":
        Image.new("RGB", (16, 16)).save(here / "frames" / "video_1" / "000.jpg")
    else:
        with h5py.File(here / "videos.h5", "a") as file:
            file["video_1"][what][-1] += 1
    before = (run / "config.json").read_bytes()
    with pytest.raises(UserError, match="trained on other videos"):
        train(dataclasses.replace(config, data=data), run)
    assert (run / "config.json").read_bytes() == before


def test_a_run_without_digests_stays_where_it_was(moved):
    """As those of earlier versions, which kept nothing of their videos."""
    split = moved / "run" / "split.json"
    kept = json.loads(split.read_text())
    split.unlink()
    with pytest.raises(UserError, match=r"did not keep what its videos .*data\.path: .*gone"):
        report(moved / "run", videos=moved / "here" / "videos.h5")
    (moved / "here").rename(moved / "gone")
    report(moved / "run")
    train(read_run_config(moved / "run"), moved / "run")
    assert json.loads(split.read_text()) == kept
