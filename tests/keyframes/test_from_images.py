"""Keyframe networks from images get from the foundation what networks of photos do."""

import dataclasses
import json

import jax
import numpy as np
import pytest

from reid_jax import configurations
from reid_jax.data.videos.images import load_frames
from reid_jax.errors import UserError
from reid_jax.keyframes.config import AUTO as AUTO_PENALTY
from reid_jax.keyframes.config import check
from reid_jax.keyframes.experiment import build, load_videos
from reid_jax.keyframes.inputs import fit_preparation, prepare_video
from reid_jax.keyframes.model import TrainedScorer
from reid_jax.keyframes.net import KeyframeNet
from reid_jax.keyframes.question import Keyframes
from reid_jax.keyframes.ridge import linear_start
from reid_jax.keyframes.task import raised
from reid_jax.models.backbones.resnet import ResNet
from reid_jax.questions import train
from reid_jax.training.accumulate import make_gradient
from reid_jax.training.config import AUTO
from reid_jax.training.experiment import initial_variables
from reid_jax.training.loop import fit
from reid_jax.training.parallel import Layout, make_layout
from reid_jax.training.stages import Stage
from tests.keyframe_videos import make_config, of_images, one_batch, write_videos
from tests.tiny_run import breaking_off, read_run_config


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    return write_videos(folder / "videos.h5", frames=folder / "frames")


def read_report(workdir):
    """The measures of a run's own network."""
    return json.loads((workdir / "report" / "metrics.json").read_text())["metrics"]


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


LINEAR = {
    "data": {"clip": 32, "components": 3, "context": 0.7, "power": 0.3},
    "augment": {"drop": 0.0},
    "model": {"backbone": "small_cnn", "ridge": 0.1, "smoothing": 1.0},
}


def test_a_network_of_images_starts_as_ridge_regression_on_its_backbones_features(path, tmp_path):
    """A loop over videos: features before training, prepared, a linear function, smoothed."""
    config = of_images(path, **LINEAR)
    config, split = Keyframes().load_data(config, tmp_path)
    experiment = build(config, split)
    params, model_state = initial_variables(experiment, config.train.seed)
    scorer = TrainedScorer(tmp_path, config, params, model_state, 0)
    described = {video.key: video for video in split.described}
    preparation = fit_preparation(
        [video.features for video in split.described], components=3, context=0.7, power=0.3
    )
    inputs = [prepare_video(preparation, video.features) for video in split.described]
    linear = linear_start(inputs, split.described, 0.1)
    frames = path.parent / "frames"
    scores = scorer.score_videos(split.train, path)
    for rows, video in zip(inputs, split.train, strict=True):
        assert len(described[video.key].features) == len(rows) == len(video.picks)
        logits = rows @ linear.weights + linear.bias
        weights = np.exp(-0.5 * np.square(np.subtract.outer(*[np.arange(len(rows))] * 2)))
        weights[weights < np.exp(-0.5 * 3.5**2)] = 0  # cut off at three standard deviations
        smooth = weights @ logits / weights.sum(axis=1)
        np.testing.assert_allclose(scores[video.key], 1 / (1 + np.exp(-smooth)), atol=1e-5)
    images = load_frames(path, frames, split.train, 16)[0][1]
    batch = {"image": images[None], "mask": np.ones((1, len(images)), bool)}
    predicted = experiment.task.predict(params, model_state, batch)[0]
    np.testing.assert_allclose(predicted, scores[split.train[0].key], atol=1e-5)


@pytest.mark.exhaustive
def test_a_linear_start_over_a_backbone_is_chosen_kept_and_gone_on_with(path, tmp_path, capsys):
    """Two stages; where it breaks off between them, it ends where an undisturbed run does."""
    config = of_images(path, **LINEAR, train={"steps": 4, "checkpoint_every": 1})
    model = dataclasses.replace(config.model, ridge=AUTO_PENALTY)
    stages = (Stage(0, blocks=0), Stage(2, blocks=1, backbone_rate=0.1))
    config = dataclasses.replace(config, model=model, stages=stages)
    train(config, tmp_path / "whole")
    assert "linear start:" in capsys.readouterr().out
    kept = read_run_config(tmp_path / "whole")
    assert kept.model.ridge > 0
    question = Keyframes()
    question.keep(tmp_path / "parts", kept, load_videos(config.data, 0))
    _, split = question.load_data(kept, tmp_path / "parts")
    experiment, layout = build(kept, split), make_layout("single")
    ema = kept.optimizer.ema_decay
    broken = breaking_off(experiment, 3)
    with pytest.raises(KeyboardInterrupt):
        fit(broken, kept.train, layout, tmp_path / "parts", ema_decay=ema)
    ours = fit(experiment, kept.train, layout, tmp_path / "parts", ema_decay=ema).state
    theirs = fit(experiment, kept.train, layout, tmp_path / "whole", ema_decay=ema).state
    for mine, other in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_array_equal(mine, other)
    assert np.isfinite(read_report(tmp_path / "whole")["kendall_users"])


def test_features_are_raised_to_a_power_before_they_are_prepared():
    """Value by value in a loop; standardised; without a gradient where they are 0."""
    rng = np.random.default_rng(0)
    features = np.round(rng.normal(size=(20, 5)), 1).astype(np.float32)
    features[3] = 0
    expected = np.array([[np.sign(x) * abs(x) ** 0.3 for x in row] for row in features])
    made = fit_preparation([features], components=0, context=0.0, power=0.3)
    np.testing.assert_allclose(made["mean"], expected.mean(axis=0), atol=1e-6)
    scaled = (expected - expected.mean(axis=0)) / expected.std(axis=0)
    prepared = prepare_video(made, features)
    np.testing.assert_allclose(prepared[:, :5], scaled @ made["basis"], atol=1e-4)
    assert "power" not in fit_preparation([features], components=0, context=0.0)
    gradient = jax.grad(lambda x: raised(x, 0.3).sum())(features)
    assert np.isfinite(gradient).all()
    assert not gradient[3].any()


@pytest.mark.parametrize("still", [False, True])
def test_the_backbone_may_keep_its_statistics_where_its_blocks_train(path, tmp_path, still):
    """In the second stage its last block's weights move; its BatchNorm's means do or do not."""
    stages = (Stage(0, blocks=1),)
    config = of_images(path, model={"backbone": "small_cnn", "keep_statistics": still})
    config = dataclasses.replace(config, stages=stages)
    experiment = build(config, load_videos(config.data, 0))
    first = initial_variables(experiment, config.train.seed)
    layout, ema = make_layout("single"), config.optimizer.ema_decay
    state = fit(experiment, config.train, layout, tmp_path, ema_decay=ema).state
    last = experiment.blocks[-1]
    for tree, before, moves in (
        (state.params["net"]["backbone"], first[0]["net"]["backbone"], True),
        (
            state.model_state["batch_stats"]["backbone"],
            first[1]["batch_stats"]["backbone"],
            not still,
        ),
    ):
        same = jax.tree.map(np.array_equal, tree[last], before[last])
        assert all(jax.tree.leaves(same)) != moves


def test_gaps_in_clips_and_a_linear_start_over_a_backbone_do_not_go_together(path):
    with pytest.raises(UserError, match=r"augment\.drop must be 0 for a linear start"):
        check(of_images(path, **LINEAR | {"augment": {"drop": 0.1}}))


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", ["tvsum_resnet50", "tvsum_efficientnet_b0"])
def test_the_large_networks_take_twenty_steps_of_each_stage(path, tmp_path, name):
    """From drawn weights, of small images: the first stage moves no block, the second the last."""
    config = configurations.get(name)
    first, second = config.stages
    data = {"path": str(path), "frames": str(path.parent / "frames"), "folds": 3}
    config = dataclasses.replace(
        config,
        data=dataclasses.replace(config.data, **data, image_size=32, clip=6, batch_size=2),
        model=dataclasses.replace(config.model, pretrained=""),
        stages=(first, dataclasses.replace(second, start=20)),
        train=dataclasses.replace(
            config.train, steps=40, evaluate_every=20, checkpoint_every=20, parallel="single"
        ),
    )
    train(config, tmp_path)
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").open()]
    losses = [row["loss"] for row in rows if "loss" in row]
    assert len(losses) == 2
    assert np.isfinite(losses).all()
    ends = [row["step"] for row in rows if "validation/spearman" in row]
    assert ends == [20, 40]
    assert np.isfinite(read_report(tmp_path)["kendall_users"])
