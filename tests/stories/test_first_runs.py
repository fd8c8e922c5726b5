"""Runs and a gallery of the first version open, answer as they did, and go on.

`data/first_runs.tar.xz` holds what commit 756a100 made: a run of each kind (twelve drawn
individuals, twelve small videos; the embedding network's convolutions are drawn from three values
and frozen, which keeps the file small), a gallery of the first one over `photos`, and
`expected.npz` with what each answered then.
"""

import json
import shutil
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reid_jax.data.photos import load_dataset
from reid_jax.data.videos.features import load_video_features
from reid_jax.individuals.gallery import members
from reid_jax.individuals.gallery.identify import identify
from reid_jax.individuals.gallery.stored.reading import read_gallery
from reid_jax.individuals.model import load_run
from reid_jax.keyframes.model import load_scorer
from reid_jax.questions import train
from reid_jax.same_video.films import compare_clips
from reid_jax.same_video.model import load_similarity_run
from tests.paths import REPOSITORY
from tests.tiny_run import read_run_config

CLOSE = {"rtol": 1e-5, "atol": 1e-5}  # processors differ


@pytest.fixture(scope="module")
def first(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("first")
    with tarfile.open(REPOSITORY / "tests" / "fixtures" / "first_runs.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    for name in ("keyframes", "same_video"):
        file = folder / name / "config.json"
        config = json.loads(file.read_text())
        config["data"]["path"] = str(folder / "videos.h5")
        file.write_text(json.dumps(config))
    return folder


@pytest.fixture(scope="module")
def expected(first):
    with np.load(first / "expected.npz") as file:
        return dict(file)


def test_photos_are_embedded_as_they_were(first, expected):
    photos = load_dataset(f"folder:{first / 'photos'}", seed=0)
    embeddings = load_run(first / "individuals").embed(photos)
    np.testing.assert_allclose(embeddings, expected["embeddings"], **CLOSE)


def test_a_gallery_names_and_grows(first, tmp_path):
    folder = tmp_path / "gallery"
    shutil.copytree(first / "gallery", folder)
    photo = first / "photos" / "animal 3" / "1.png"
    found = identify(folder, [str(photo)], workdir=first / "individuals")
    assert found.answers[0].candidates[0].identity == "animal 3"
    (tmp_path / "more" / "animal 9").mkdir(parents=True)
    other = Image.open(photo).transpose(Image.Transpose.ROTATE_180)
    other.save(tmp_path / "more" / "animal 9" / "new.png")
    members.add(folder, f"folder:{tmp_path / 'more'}", first / "individuals")
    assert len(read_gallery(folder, thumbnails=False)) == 19


def test_videos_are_scored_and_compared_as_they_were(first, expected):
    videos = [video.features for video in load_video_features(first / "videos.h5")]
    scores = load_scorer(first / "keyframes").score_features(videos[0])
    np.testing.assert_allclose(scores, expected["scores"], **CLOSE)
    pairs = compare_clips(load_similarity_run(first / "same_video"), videos[:3])
    for name in ("network", "chamfer"):
        ours = [pair[name] for pair in pairs]
        np.testing.assert_allclose(ours, expected[name], **CLOSE)


@pytest.mark.parametrize("name", ["individuals", "keyframes", "same_video"])
def test_a_run_goes_on(first, tmp_path, capsys, name):
    shutil.copytree(first / name, tmp_path / name)
    config = read_run_config(tmp_path / name)
    steps = config.train.steps
    train(replace(config, train=replace(config.train, steps=steps + 2)), tmp_path / name)
    said = capsys.readouterr().out
    assert f"from step {steps}" in said
    assert ("pairs of clips that shared frames" in said) == (name == "same_video")
    assert (tmp_path / name / "checkpoints" / "latest" / str(steps + 2)).is_dir()
