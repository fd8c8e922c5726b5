"""Clip networks of fused features: a map of each file's own, a gate over all of them."""

import dataclasses

import numpy as np
import pytest

from reid_jax import questions
from reid_jax.commands.videos import pairs as judge
from reid_jax.errors import UserError
from reid_jax.same_video.config import check
from reid_jax.same_video.experiment import load_videos, whitening_of
from reid_jax.same_video.model import encoder_of_run, load_similarity_run
from reid_jax.same_video.whitening import fit_whitening
from tests.data.videos.test_fused import write_others
from tests.keyframe_videos import write_videos
from tests.same_video.test_labelled import write_labels
from tests.tiny_run import tiny_similarity_config

pytest.importorskip("h5py")


def fused(path, **model):
    config = tiny_similarity_config(path)
    other = path.parent / "b.h5"
    return dataclasses.replace(
        config,
        data=dataclasses.replace(config.data, features=f"{path},{other}"),
        model=dataclasses.replace(config.model, encoder="fusion", **model),
    )


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fused")
    path = write_videos(folder / "a.h5", 12)
    write_others(path, folder / "b.h5", 5)
    return path


def test_each_file_has_a_map_of_its_own(path):
    split = load_videos(fused(path).data, path.parent)
    made = whitening_of(split.train, 8)
    first = [video.original.features[:, :12] for video in split.train]
    second = [video.original.features[:, 12:] for video in split.train]
    one, other = fit_whitening(first, 4), fit_whitening(second, 4)
    np.testing.assert_array_equal(made["mean"], np.hstack([one["mean"], other["mean"]]))
    np.testing.assert_array_equal(made["matrix"][:12, :4], one["matrix"])
    np.testing.assert_array_equal(made["matrix"][12:, 4:], other["matrix"])
    assert not made["matrix"][:12, 4:].any()
    assert not made["matrix"][12:, :4].any()
    with pytest.raises(UserError, match=r"5 numbers a frame in one of the files, .* above 10"):
        whitening_of(split.train, 12)


def test_a_run_of_fused_features_is_trained_and_judged(path, tmp_path, capsys):
    config = fused(path)
    check(config)
    questions.train(config, tmp_path / "run")
    assert "held-out videos" in capsys.readouterr().out
    run = load_similarity_run(tmp_path / "run")
    assert run.width == 17
    assert len(run.params["net"]["encoder"]["Dense_0"]["bias"]) == 6  # three streams of each file
    with pytest.raises(UserError, match=r"fused features of several files, which no network makes"):
        encoder_of_run(run)
    file = write_labels(tmp_path / "pairs.csv", 8)
    judge((run.workdir,), pairs=file, videos=type(path)(config.data.features))
    assert "28 pairs of pairs.csv" in capsys.readouterr().out


def test_what_does_not_fit_is_refused(path):
    with pytest.raises(UserError, match=r"embedding_dim is 7; it must be a multiple of the 2"):
        check(fused(path, embedding_dim=7))
    config = fused(path)
    data = dataclasses.replace(config.data, frames="frames")
    with pytest.raises(UserError, match=r"leave out data\.frames and data\.videos"):
        check(dataclasses.replace(config, data=data))
