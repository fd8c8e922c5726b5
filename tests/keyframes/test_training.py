"""Keyframe runs from the configuration to the scores: loss, stages, resume, folds, commands."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reid_jax.data.videos.features import load_video_features
from reid_jax.data.videos.images import load_frames
from reid_jax.errors import UserError
from reid_jax.individuals.model import load_run
from reid_jax.keyframes.config import VideoDataConfig, check
from reid_jax.keyframes.experiment import build, load_videos
from reid_jax.keyframes.model import load_scorer
from reid_jax.keyframes.ridge import linear_start
from reid_jax.keyframes.run import score_to_file
from reid_jax.keyframes.targets import annotations, importance, mean_ranks
from reid_jax.keyframes.task import KeyframeLoss, normalised_ranks
from reid_jax.keyframes.video_set import ClipSampler, end_to_end
from reid_jax.ops.batching import padded
from reid_jax.questions import train
from reid_jax.training.checkpoint import Checkpoints
from reid_jax.training.loop import fit, initial_state
from reid_jax.training.optimizer import make_optimizer, rate_factor, with_reduced_rate
from reid_jax.training.parallel import make_layout
from reid_jax.training.stages import Stage
from tests.keyframe_videos import make_config, write_videos
from tests.tiny_run import breaking_off


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    return write_videos(folder / "videos.h5", frames=folder / "frames")


def made(config):
    return build(config, load_videos(config.data, config.train.seed))


def leaves(state):
    return jax.tree.leaves(jax.device_get(state))


def fitted(config, workdir, experiment=None, mode="single"):
    experiment = experiment or made(config)
    layout = make_layout(mode)
    return fit(experiment, config.train, layout, workdir, ema_decay=config.optimizer.ema_decay)


REDUCED = {"train": {"reduce_patience": 1, "reduce_factor": 0.5, "patience": 0}}


def test_a_run_that_breaks_off_ends_where_an_undisturbed_one_does(path, tmp_path):
    config = make_config(path, **REDUCED)
    experiment = made(config)
    expected = fitted(config, tmp_path / "whole", experiment)

    with pytest.raises(KeyboardInterrupt):
        fitted(config, tmp_path / "parts", breaking_off(experiment, 8))
    resumed = fitted(config, tmp_path / "parts", experiment)
    for ours, theirs in zip(leaves(resumed.state), leaves(expected.state), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert resumed.progress == expected.progress
    rows = [json.loads(line) for line in (tmp_path / "parts" / "metrics.jsonl").open()]
    values = [row["validation/spearman"] for row in rows if "validation/spearman" in row]
    stagnant = sum(value <= max(values[:place], default=-1) for place, value in enumerate(values))
    assert rate_factor(resumed.state.opt_state) == 0.5**stagnant
    assert "clips_per_second" in rows[0]  # a clip is many images
    assert "images_per_second" not in rows[0]


def test_the_log_has_the_reduced_rate_and_a_run_without_improvement_ends_early(path, tmp_path):
    config = make_config(path, train={"reduce_patience": 1, "reduce_factor": 0.5, "patience": 2})
    experiment = made(config)
    worse = iter(np.linspace(1.0, 0.0, 10))

    class Worsening(type(experiment.task)):
        def evaluate(self, predictions, examples):
            return {self.monitor: float(next(worse))}

    fields = {f.name: getattr(experiment.task, f.name) for f in dataclasses.fields(experiment.task)}
    outcome = fitted(config, tmp_path, dataclasses.replace(experiment, task=Worsening(**fields)))
    assert (outcome.end, int(outcome.state.step), outcome.progress.best_step) == ("early", 9, 3)
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").open()]
    logged = {row["step"]: row["learning_rate"] for row in rows if "learning_rate" in row}
    factors = {step: rate / float(experiment.schedule(step - 1)) for step, rate in logged.items()}
    assert factors == pytest.approx({3: 1.0, 6: 1.0, 9: 0.5})


def test_a_reduced_rate_makes_smaller_steps():
    optimizer = make_optimizer(
        "sgd",
        lambda step: 0.1,
        momentum=0.0,
        weight_decay=0.0,
        clip_norm=0.0,
        reducible=True,
    )
    params = {"x": jnp.ones(3)}
    state = optimizer.init(params)
    with jax.numpy_dtype_promotion("standard"):
        before, state = optimizer.update(params, state, params)
        after, _ = optimizer.update(params, with_reduced_rate(state, 0.25), params)
    np.testing.assert_allclose(after["x"], 0.25 * before["x"], rtol=1e-6)


def test_weight_decay_pulls_on_kernels_and_not_on_biases_and_batch_norm(path):
    config = make_config(
        path,
        data={"frames": str(path.parent / "frames"), "image_size": 16, "clip": 6, "batch_size": 2},
        model={"backbone": "small_cnn"},
        optimizer={"weight_decay": 0.5, "warmup_steps": 0},
    )
    experiment = made(config)
    params = jax.tree.map(jnp.ones_like, initial_state(experiment, 0, ema=False).params)
    still = jax.tree.map(jnp.zeros_like, params)
    with jax.numpy_dtype_promotion("standard"):
        pull, _ = experiment.optimizer.update(still, experiment.optimizer.init(params), params)
    names = {True: set(), False: set()}
    for place, leaf in jax.tree_util.tree_leaves_with_path(pull):
        names[bool(np.any(leaf))].add(place[-1].key)
    assert "kernel" in names[True] - names[False]
    assert {"bias", "scale"} <= names[False] - names[True]


@pytest.mark.exhaustive
def test_eight_devices_take_the_same_steps(path, tmp_path):
    config = make_config(path, optimizer={"name": "sgd"}, train={"steps": 3})
    one, eight = (leaves(fitted(config, tmp_path / m, mode=m).state) for m in ("single", "pmap"))
    for ours, theirs in zip(one, eight, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_training_finds_what_makes_frames_important(path, tmp_path):
    config = make_config(
        path,
        train={"steps": 60, "evaluate_every": 60, "checkpoint_every": 60},
        augment={"mix": 0.0, "noise": 0.0},
    )
    loss = KeyframeLoss(squared=1.0, rank=1.0, temperature=0.3)
    train(dataclasses.replace(config, loss=loss), tmp_path)
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    losses = [row["loss"] for row in rows if "loss" in row]
    assert losses[-1] < losses[0]
    assert {"squared_error", "spearman"} <= set(rows[0])
    assert rows[-1]["validation/spearman"] > 0.4


def test_the_ridge_start_is_ridge_regression(path):
    config = make_config(path, model={"ridge": 0.1, "smoothing": 0.0}, data={"context": 0.0})
    split = load_videos(config.data, 0)
    experiment = made(config)
    state = initial_state(experiment, 0, ema=False)
    inputs = np.asarray(experiment.feed.shared["frames"], np.float64)
    lengths = [len(video.picks) for video in split.train]
    parts = np.split(inputs, np.cumsum(lengths)[:-1])
    rows, wanted = [], []
    for part, video in zip(parts, split.train, strict=True):
        y = mean_ranks(video)
        rows.append(part / np.sqrt(len(part) * len(parts)))
        wanted.append((y - y.mean()) / y.std() / np.sqrt(len(part) * len(parts)))
    width = inputs.shape[1]
    stacked = np.concatenate([*rows, np.sqrt(0.1) * np.eye(width)])
    solution = np.linalg.lstsq(stacked, np.concatenate([*wanted, np.zeros(width)]), rcond=None)[0]
    found = np.asarray(state.params["net"]["scorer"]["skip"]["kernel"])[:, 0]
    np.testing.assert_allclose(
        found / np.linalg.norm(found), solution / np.linalg.norm(solution), atol=1e-4
    )
    linear = linear_start([part.astype(np.float32) for part in parts], split.train, 0.1)
    said = 1 / (1 + np.exp(-(inputs @ linear.weights + linear.bias)))
    truth = np.concatenate([importance(video) for video in split.train])
    assert abs(said.mean() - truth.mean()) < 0.03
    assert np.mean((said - truth) ** 2) < 0.3 * truth.var()


@pytest.mark.exhaustive
def test_frozen_blocks_stand_still_and_the_last_ones_follow(path, tmp_path):
    config = make_config(
        path,
        data={"frames": str(path.parent / "frames"), "image_size": 16, "clip": 6, "batch_size": 2},
        augment={"noise": 0.0, "mix": 0.0},
        model={"backbone": "small_cnn"},
        optimizer={"ema_decay": 0.0},
        images={"flip": True, "brightness": 0.2},
        train={"steps": 4, "log_every": 2, "evaluate_every": 4, "checkpoint_every": 2},
    )
    stages = (Stage(0, blocks=0), Stage(2, blocks=1, backbone_rate=0.1))
    config = dataclasses.replace(config, stages=stages)
    check(config)
    experiment = made(config)
    start = jax.device_get(initial_state(experiment, 0, ema=False))

    def changed(state):
        """The top-level blocks of the backbone whose parameters or statistics have changed."""
        found = set()
        for tree, first in (
            (state.params["net"]["backbone"], start.params["net"]["backbone"]),
            (
                state.model_state["batch_stats"]["backbone"],
                start.model_state["batch_stats"]["backbone"],
            ),
        ):
            for name in tree:
                same = jax.tree.map(np.array_equal, tree[name], first[name])
                if not all(jax.tree.leaves(same)):
                    found.add(name)
        return found

    with pytest.raises(KeyboardInterrupt):
        fitted(config, tmp_path, breaking_off(experiment, 2))
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    middle, _ = checkpoints.restore_latest(initial_state(experiment, 0, ema=False))
    checkpoints.close()
    assert int(middle.step) == 2
    assert changed(jax.device_get(middle)) == set()
    end = jax.device_get(fitted(config, tmp_path, experiment).state)
    assert changed(end) == {experiment.blocks[-1]}


@pytest.fixture(scope="module")
def run(path, tmp_path_factory):
    workdir = tmp_path_factory.mktemp("run")
    train(make_config(path, model={"ridge": 0.1, "smoothing": 1.0}), workdir)
    return workdir


def test_a_run_says_its_kind_and_reports_beside_baselines(run):
    assert json.loads((run / "config.json").read_text())["type"] == "KeyframeConfig"
    metrics = json.loads((run / "report" / "metrics.json").read_text())
    assert metrics["metrics"]["spearman_users"] > 0.5
    assert "ridge regression" in metrics["baselines"]
    with pytest.raises(UserError, match="run of another kind, of KeyframeConfig, not Emb"):
        load_run(run)


def test_scores_of_other_videos_are_written(run, tmp_path):
    other = write_videos(tmp_path / "other.h5", count=2, seed=0)
    score_to_file(run, other, tmp_path / "scores.npz")
    with np.load(tmp_path / "scores.npz") as scores:
        for video in load_video_features(other):
            assert scores[video.key].shape == video.picks.shape
            assert scores[video.key].dtype == np.float32
            rho = (
                normalised_ranks(scores[video.key][None])[0]
                @ normalised_ranks(video.gtscore[None]).T
            )
            assert rho > 0.5
    with pytest.raises(UserError, match="scores 12 features a frame"):
        load_scorer(run).score_features(np.zeros((4, 3), np.float32))


def test_a_very_long_video_is_scored(run):
    features = np.random.default_rng(0).normal(size=(3_000, 12)).astype(np.float32)
    scores = load_scorer(run).score_features(features)
    assert scores.shape == (3_000,)
    assert np.all((scores > 0) & (scores < 1))


def test_all_videos_can_be_trained_on(path):
    split = load_videos(VideoDataConfig(path=str(path), fold=-1, validation_fraction=0.0), seed=0)
    assert (len(split.train), split.validation, split.test) == (6, (), ())


@pytest.mark.parametrize("fold", [0, 1, 2])
def test_no_video_is_on_two_sides(path, fold):
    split = load_videos(VideoDataConfig(path=str(path), folds=3, fold=fold), seed=1)
    parts = [{v.key for v in part} for part in (split.train, split.validation, split.test)]
    assert all(parts)
    assert len(set.union(*parts)) == sum(map(len, parts)) == 6


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": {"fold": 3}}, "data.fold is 3; there are 3 folds"),
        ({"data": {"validation_fraction": 0.01}}, "makes 0 of 4 training videos"),
    ],
)
def test_data_that_does_not_fit_is_refused(path, change, message):
    config = make_config(path, **change)
    check(config)
    with pytest.raises(UserError, match=message):
        load_videos(config.data, 0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": {"fold": -2}}, "data.fold is -2"),
        ({"data": {"clip": 0}}, "data.clip is 0; it must be above 0"),
        ({"model": {"dropout": 1.0}}, "model.dropout is 1.0"),
        ({"model": {"backbone": "small_cnn"}}, "give both model.backbone and data.frames"),
        ({"train": {"accumulate": 3}}, "batch_size is 8, which is not a multiple of train.accumul"),
        (
            {"data": {"validation_fraction": 0.0}, "train": {"patience": 2}},
            "train.patience is 2, but there is no validation",
        ),
        ({"data": {"validation_fraction": 0.0}, **REDUCED}, "train.reduce_patience is 1, but the"),
        ({"optimizer": {"learning_rate": 0.0}}, "learning_rate is 0.0"),
        ({"model": {"ridge": float("nan")}}, "model.ridge is nan; it must be 0 or more, or auto"),
        ({"data": {"batch_size": 0}}, "batch_size is auto, which is for a backbone"),
        ({"images": {"blur": 2.0}}, "blur of Augmentation is 2.0; it must be from 0 to 1"),
    ],
)
def test_impossible_values_are_refused(path, change, message):
    with pytest.raises(UserError, match=message):
        check(make_config(path, **change))


def test_clips_of_a_step_follow_from_seed_and_step():
    sampler = ClipSampler(5, 12, seed=3)
    np.testing.assert_array_equal(sampler(7), ClipSampler(5, 12, seed=3)(7))
    rows = sampler(7)
    assert rows.shape == (12, 3)
    assert set(np.bincount(rows[:, 0], minlength=5)) <= {2, 3}
    assert list(rows[:, 2]) == list(range(84, 96))


def test_videos_end_to_end_and_padded():
    videos = [np.arange(6.0).reshape(3, 2), np.ones((1, 2))]
    together = end_to_end(videos, [np.arange(3.0), np.zeros(1)])
    np.testing.assert_array_equal(together.offset, [0, 3])
    np.testing.assert_array_equal(together.length, [3, 1])
    assert together.frames.shape == (4, 2)
    np.testing.assert_array_equal(padded(videos)[1], [[1, 1], [0, 0], [0, 0]])


def test_targets_fall_back_to_what_there_is(path):
    video = load_video_features(path)[0]
    assert annotations(video).shape == (3, len(video.picks))
    alone = dataclasses.replace(video, user_scores=None)
    np.testing.assert_array_equal(annotations(alone)[0], video.gtscore)
    without = dataclasses.replace(video, gtscore=None)
    assert importance(without).min() == 0
    assert importance(without).max() == 1
    np.testing.assert_array_equal(importance(video), video.gtscore)
    rated = dataclasses.replace(video, gtscore=1 + 4 * video.gtscore)
    low, high = video.gtscore.min(), video.gtscore.max()
    np.testing.assert_allclose(importance(rated), (video.gtscore - low) / (high - low), atol=1e-6)
    with pytest.raises(UserError, match="neither user_scores nor user_summary nor gtscore"):
        annotations(dataclasses.replace(alone, gtscore=None))
    constant = dataclasses.replace(video, user_scores=np.ones_like(video.user_scores))
    np.testing.assert_array_equal(mean_ranks(constant), np.zeros(len(video.picks)))


def test_images_of_frames_behind_the_end_of_a_video_are_refused(path):
    video = load_video_features(path)[0]
    short = dataclasses.replace(video, n_frames=int(video.picks[-1]))
    with pytest.raises(UserError, match=f"sampled_frames of {video.key} .* below n_frames"):
        load_frames(path, path.parent / "frames", [short], 8)
