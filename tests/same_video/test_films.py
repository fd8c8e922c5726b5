"""From video files to a run to a verdict on two clips."""

import functools
import json
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reid_jax.errors import UserError
from reid_jax.ops.convolution.compilation import compiler_options
from reid_jax.questions import train
from reid_jax.same_video import model
from reid_jax.same_video.films import (
    compare_clips,
    compare_films,
    encoder_of_run,
)
from reid_jax.same_video.judged import judge_runs
from reid_jax.same_video.model import chosen_threshold, load_similarity_run
from reid_jax.same_video.run import CHAMFER
from reid_jax.weights.frozen import FrameEncoder
from tests.data.videos.test_files import encode
from tests.stories.test_multihost import finish
from tests.stories.test_shares import start
from tests.tiny_run import tiny_similarity_config

pytest.importorskip("av")
pytest.importorskip("matplotlib")
h5py = pytest.importorskip("h5py")

WIDTH = 12


@functools.partial(jax.jit, compiler_options=compiler_options())
def colours(images):
    """uint8 (N, S, S, 3) -> means of a 2 x 2 grid (N, 12): a network that needs no weights."""
    side = images.shape[1] // 2
    images = images.astype(jnp.float32)
    return images.reshape(-1, 2, side, 2, side, 3).mean((2, 4)).reshape(-1, WIDTH)


@pytest.fixture(scope="module", autouse=True)
def by_colours():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            model,
            "frozen_encoder",
            lambda backbone, weights: FrameEncoder(8, colours, f"{backbone} ({weights})"),
        )
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("same")


@pytest.fixture(scope="module")
def run(folder) -> Path:
    """Trained on videos that have a colour each, in the range of the files' features."""
    rng = np.random.default_rng(0)
    with h5py.File(folder / "videos.h5", "w") as file:
        for number in range(12):
            group = file.create_group(f"video_{number}")
            rows = rng.uniform(20, 250, WIDTH) + rng.normal(size=(30, WIDTH))
            group["features"] = rows.astype(np.float32)
            group["picks"] = np.arange(30) * 15
            group["n_frames"] = 450
    config = tiny_similarity_config(folder / "videos.h5")
    train(config, folder / "run")
    return folder / "run"


@pytest.fixture(scope="module")
def clips(folder) -> tuple[Path, Path, Path]:
    """A video, the same frames by another codec, and a folder of pictures of something else."""
    from PIL import Image

    pictures = folder / "pictures"
    pictures.mkdir()
    for number in range(5):
        pixels = np.zeros((16, 16, 3), np.uint8)
        pixels[8:, :, 2] = 200 + number
        Image.fromarray(pixels).save(pictures / f"{number}.png")
    one = encode(folder / "one.mp4", 150)
    return one, encode(folder / "again.mp4", 150, codec="mpeg4"), pictures


def test_a_clip_and_itself_are_the_same_and_another_is_not(run, clips, folder, capsys):
    one, again, pictures = clips
    compare_films((one, one, again, pictures, folder / "absent.mp4"), run, json=folder / "a.json")
    said = capsys.readouterr().out
    assert "skipped: " in said
    assert "absent.mp4" in said
    assert "one.mp4 and again.mp4" in said
    content = json.loads((folder / "a.json").read_text())
    threshold = chosen_threshold(run, CHAMFER)
    assert content["threshold"] == threshold
    assert content["features_by"] == "tf_efficientnet_lite0 (pypi)"
    pairs = {(pair["first"], pair["second"]): pair for pair in content["pairs"]}
    assert len(content["pairs"]) == 6
    itself = pairs[str(one), str(one)]
    assert itself["chamfer"] == 1.0
    assert itself["same"]
    recoded, other = pairs[str(one), str(again)], pairs[str(one), str(pictures)]
    assert recoded["same"]
    assert not other["same"]
    assert itself["chamfer"] >= recoded["chamfer"] >= threshold > other["chamfer"]
    assert itself["network"] >= recoded["network"] > other["network"]
    assert said.count("same video") == 3
    assert said.count("different") == 3


PROCESS = """
from reid_jax.same_video import model
from reid_jax.weights.frozen import FrameEncoder
from tests.same_video.test_films import colours
model.frozen_encoder = lambda backbone, weights: FrameEncoder(8, colours, f"{backbone} ({weights})")
"""


@pytest.mark.exhaustive
def test_two_processes_compare_films_as_one_does(run, clips, folder, tmp_path):
    films = (clips[0], *clips, folder / "absent.mp4")
    compare_films(films, run, json=tmp_path / "one.json")
    words = ("same-video", *films, "--run", run, "--json", tmp_path / "two.json")
    first, second = finish(start(2, *words, begin=PROCESS, stderr=None), 0, 0)
    assert "absent.mp4 does not exist" in first
    assert second == ""
    assert (tmp_path / "two.json").read_bytes() == (tmp_path / "one.json").read_bytes()
    assert len(list(tmp_path.iterdir())) == 2


def test_the_similarity_is_that_of_the_report(run):
    """Of clips as the report draws them, cut to the frames that exist."""
    from reid_jax.same_video.experiment import load_videos
    from reid_jax.same_video.pairs import PairSource, evaluation_pairs

    loaded = load_similarity_run(run)
    split = load_videos(loaded.config.data, run)
    pairs = evaluation_pairs(PairSource(split.test, 4), 10, 0)
    accepted = []
    for features, frames in zip(pairs["features"], pairs["frames"], strict=True):
        (found,) = compare_clips(loaded, [features[i][frames[i]] for i in (0, 1)])
        accepted.append(found["same"])
    right = np.mean(np.array(accepted) == pairs["same"])
    report = json.loads((run / "report" / "pairs.json").read_text())["whitened, Chamfer"]
    assert right == pytest.approx(report["accuracy"])


def test_what_cannot_be_done_is_said(run, clips, folder):
    one = clips[0]
    with pytest.raises(UserError, match="1 was given, name two"):
        compare_films((one,), run)
    with pytest.raises(UserError, match="--rate is 0"):
        compare_films((one, one), run, rate=0.0)
    with pytest.raises(UserError, match=r"absent.mp4 does not exist\.$"):
        compare_films((one, folder / "absent.mp4"), run)
    with pytest.raises(UserError, match="Only 1 of 3 videos could be used"):
        compare_films((one, folder / "absent.mp4", folder / "lost.mp4"), run)
    loaded = load_similarity_run(run)
    whitening = {"mean": np.zeros(7), "matrix": np.zeros((7, 8))}
    narrow = replace(loaded, model_state={"whitening": whitening})
    with pytest.raises(UserError, match=r"trained on 7 numbers a frame, .* makes 12; name"):
        encoder_of_run(narrow)
    with pytest.raises(UserError, match=r"does not hold the threshold .*reid-jax pairs"):
        chosen_threshold(folder, CHAMFER)


def test_films_of_labelled_pairs_are_judged(run, clips, folder, capsys):
    one, again, pictures = (path.name for path in clips)
    (folder / "broken.mp4").write_bytes(b"no film")
    rows = f"{one},{again},1\n./{one},{pictures},0\n{again},{pictures},0\n{one},broken.mp4,1\n"
    (folder / "own.csv").write_text(f"first,second,label\n{rows}")
    found = judge_runs([run], folder / "own.csv", folder / "judged")
    said, problems = capsys.readouterr()
    assert "line 5 names broken.mp4, which is not among the films of" in problems
    assert "3 pairs of own.csv, 1 labelled 1" in said
    assert found[CHAMFER]["threshold"] == chosen_threshold(run, CHAMFER)
    assert found[CHAMFER]["accuracy"] == 1.0
    assert f"{one},{again},1," in (folder / "judged" / "pairs.csv").read_text()
