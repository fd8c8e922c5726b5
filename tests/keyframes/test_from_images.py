"""Keyframe networks from images get from the foundation what networks of photos do."""

import dataclasses
import json

import jax
import numpy as np
import pytest

from reid_jax.errors import UserError
from reid_jax.keyframes.experiment import build, load_videos
from reid_jax.keyframes.net import KeyframeNet
from reid_jax.models.backbones.resnet import ResNet
from reid_jax.questions import train
from reid_jax.training.accumulate import make_gradient
from reid_jax.training.config import AUTO
from reid_jax.training.experiment import initial_variables
from reid_jax.training.parallel import Layout
from tests.keyframe_videos import make_config, of_images, one_batch, write_videos
from tests.tiny_run import read_run_config


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    return write_videos(folder / "videos.h5", frames=folder / "frames")


@pytest.mark.exhaustive
def test_the_largest_batch_that_fits_is_chosen_said_and_kept(path, tmp_path, monkeypatch, capsys):
    """As many clips as there are training frames at most; in parts where a batch is accumulated."""
    memory = 4 * 10**7
    monkeypatch.setattr(Layout, "memory", property(lambda self: memory))
    config = of_images(path, data={"batch_size": AUTO}, train={"steps": 2, "accumulate": 2})
    train(config, tmp_path)
    frames = sum(len(video.picks) for video in load_videos(config.data, 0).train)
    size = read_run_config(tmp_path).data.batch_size
    assert 4 <= size <= frames
    assert size % 2 == 0
    assert f"data.batch_size: {size}, which needs" in capsys.readouterr().out
    memory = 10**10  # another machine: the run keeps what it began with
    train(dataclasses.replace(config, train=dataclasses.replace(config.train, steps=4)), tmp_path)
    said = capsys.readouterr().out
    assert "from step 2" in said
    assert "which needs" not in said
    assert read_run_config(tmp_path).data.batch_size == size
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").open()]
    assert all(np.isfinite(row["loss"]) for row in rows if "loss" in row)


@pytest.mark.parametrize(
    ("section", "change", "message"),
    [
        ("data", {"batch_size": AUTO}, "auto, which is for a backbone; give a number"),
        ("model", {"remat": True}, "model.remat is for a backbone; a scorer of features has none"),
        ("train", {"coordinator": "auto"}, "several processes train networks of images"),
    ],
)
def test_a_scorer_of_features_says_that_it_has_none(path, tmp_path, section, change, message):
    with pytest.raises(UserError, match=message):
        train(make_config(path, **{section: change}), tmp_path / "run")
    assert not (tmp_path / "run" / "config.json").exists()


def test_blocks_that_are_computed_again_change_no_value(path):
    config = of_images(path)
    experiment = build(config, load_videos(config.data, 0))
    batch = one_batch(experiment)
    found = []
    for remat in (False, True):
        backbone = ResNet(stages=(1, 1), bottleneck=False, remat=remat)
        net = KeyframeNet(experiment.task.net.scorer, backbone)
        task = dataclasses.replace(experiment.task, net=net)
        variables = initial_variables(dataclasses.replace(experiment, task=task), 0)
        gradient = jax.jit(make_gradient(task), static_argnums=4)
        found.append(gradient(*variables, batch, jax.random.key(1), None))
    plain, again = found
    scale = max(float(np.abs(leaf).max()) for leaf in jax.tree.leaves(plain))
    for (place, x), y in zip(
        jax.tree_util.tree_leaves_with_path(plain), jax.tree.leaves(again), strict=True
    ):
        np.testing.assert_allclose(x, y, 1e-4, 1e-6 * scale, err_msg=jax.tree_util.keystr(place))
