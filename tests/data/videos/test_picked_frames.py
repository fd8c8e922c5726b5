"""Frames of films at the picks of an H5 file, for networks that are trained on images."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from reid_jax.data.videos.features import load_video_features
from reid_jax.data.videos.images import load_frames
from reid_jax.data.videos.picked_frames import keep_picked_frames
from reid_jax.errors import UserError
from reid_jax.keyframes.config import check
from reid_jax.keyframes.question import Keyframes
from tests.data.videos.test_files import encode, grey
from tests.keyframe_videos import of_images, write_videos

h5py = pytest.importorskip("h5py")
pytest.importorskip("av")


def as_published(path, films):
    """An H5 file as TVSum's and SumMe's, without anything about files of frames, and its films.

    One film has the group's name, one that of `video_name`; one is known by its length; one is
    another copy with half as many frames.
    """
    write_videos(path, 4, seed=5)
    films.mkdir()
    with h5py.File(path, "a") as file:
        file["video_2"]["video_name"] = "Air_Force_One"
        lengths = [int(file[f"video_{i}"]["n_frames"][()]) for i in (1, 2, 3, 4)]
    assert len(set(lengths)) == 4
    encode(films / "video_1.mp4", lengths[0])
    encode(films / "Air_force_one.mp4", lengths[1])
    encode(films / "-esJrBWj2d8.mkv", lengths[2])
    encode(films / "video_4.mp4", lengths[3] // 2)
    return path


def test_frames_at_the_picks_are_written_once(tmp_path):
    path = as_published(tmp_path / "tvsum.h5", tmp_path / "films")
    folder = tmp_path / "frames"
    keep_picked_frames(path, tmp_path / "films", folder)
    videos = load_video_features(path)
    for video, images in load_frames(path, folder, videos, 16):
        (own,) = [each for each in videos if each.key == video.key]
        assert video.picks.tolist() == own.picks.tolist()
        np.testing.assert_allclose(video.gtscore, own.gtscore)
        shown = own.picks // 2 if video.key == "video_4" else own.picks
        expected = [grey(min(pick, own.n_frames - 1)) for pick in shown]
        # The last pick of a film of half the length is its last frame.
        np.testing.assert_allclose(images[:, -2:, -2:].mean((1, 2, 3))[:-1], expected[:-1], atol=6)
    one = folder / "video_1" / "frame_000000.jpg"
    assert Image.open(one).size == (128, 64)
    before = one.stat().st_mtime_ns
    for film in (tmp_path / "films").iterdir():
        film.unlink()
    keep_picked_frames(path, tmp_path / "films", folder)
    assert one.stat().st_mtime_ns == before


def test_a_video_without_a_film_is_named(tmp_path):
    path = as_published(tmp_path / "tvsum.h5", tmp_path / "films")
    (tmp_path / "films" / "video_4.mp4").unlink()
    with pytest.raises(UserError, match=r"no film of video_4 in .*: name films as its groups"):
        keep_picked_frames(path, tmp_path / "films", tmp_path / "frames")


def test_a_configuration_of_films_keeps_frames_beside_the_file(tmp_path):
    path = as_published(tmp_path / "tvsum.h5", tmp_path / "films")
    config = of_images(path)
    films = replace(
        config.data, frames="", validation_fraction=0.0, videos=str(tmp_path / "films"), folds=2
    )
    config = replace(config, data=films)
    check(config)
    config = Keyframes().complete(config)
    assert config.data.frames == (tmp_path / "tvsum_frames").as_posix()
    _, split = Keyframes().load_data(config, tmp_path / "run")
    assert len(split.train) + len(split.validation) + len(split.test) == 4
    assert len(list((tmp_path / "tvsum_frames").iterdir())) == 4
