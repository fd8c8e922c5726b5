"""Clip networks from frames: the features' path with a backbone under it, in stages."""

import dataclasses
import functools
import json

import jax
import numpy as np
import pytest

from reid_jax.errors import UserError
from reid_jax.questions import report, train
from reid_jax.same_video.config import check
from reid_jax.same_video.copies import described
from reid_jax.same_video.experiment import build, imagine
from reid_jax.same_video.model import encoder_of_run, load_similarity_run
from reid_jax.same_video.question import SameVideo
from reid_jax.same_video.run import load_run_videos, score_runs
from reid_jax.training.accumulate import make_gradient
from reid_jax.training.experiment import initial_variables
from reid_jax.training.from_images import describing_before
from reid_jax.training.loop import fit
from reid_jax.training.parallel import make_layout
from reid_jax.training.stages import Stage, frozen_blocks
from tests.keyframe_videos import write_videos
from tests.tiny_run import breaking_off, tiny_similarity_config

STAGES = (Stage(0, blocks=0), Stage(2, blocks=1, backbone_rate=0.1))
KINDS = [
    ("siamese", "self_attention"),
    ("triplet", "mean"),
    ("attention_siamese", "mean"),
]


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    return write_videos(folder / "videos.h5", 12, frames=folder / "frames")


def of_frames(path, **model):
    """Four steps on clips of 16 px under `small_cnn`, the second half with its last block."""
    config = tiny_similarity_config(path)
    frames = {"frames": str(path.parent / "frames"), "image_size": 16, "pairs": 4}
    steps = {"steps": 4, "evaluate_every": 2, "checkpoint_every": 1, "log_every": 1}
    return dataclasses.replace(
        config,
        data=dataclasses.replace(config.data, **frames),
        model=dataclasses.replace(config.model, backbone="small_cnn", **model),
        stages=STAGES,
        train=dataclasses.replace(config.train, **steps),
    )


def fitted(config, workdir, experiment):
    return fit(experiment, config.train, make_layout("single"), workdir, ema_decay=0.0).state


@pytest.mark.exhaustive
@pytest.mark.parametrize(("kind", "encoder"), KINDS)
def test_under_a_frozen_backbone_training_is_that_of_its_features(path, tmp_path, kind, encoder):
    config = of_frames(path, kind=kind, encoder=encoder)
    config = dataclasses.replace(config, stages=STAGES[:1])
    split = load_run_videos(config, tmp_path)
    experiment = build(config, split)
    images = split.train[0].original.features
    assert experiment.example["image"].shape == (8, 4, 16, 16, 3)
    before = describing_before(experiment.task, config.model, config.train, images)
    features = [described(part, before) for part in (split.train, split.validation, split.test)]
    alone = dataclasses.replace(
        config, model=dataclasses.replace(config.model, backbone=""), stages=()
    )
    theirs = build(alone, type(split)(*features))
    state = fitted(config, tmp_path / "images", experiment)
    other = fitted(alone, tmp_path / "features", theirs)
    backbone = state.params["net"].pop("backbone")
    start, _ = initial_variables(experiment, config.train.seed)
    for mine, first in zip(
        jax.tree.leaves(backbone), jax.tree.leaves(start["net"]["backbone"]), strict=True
    ):
        np.testing.assert_array_equal(mine, first)
    for (place, mine), its in zip(
        jax.tree_util.tree_leaves_with_path(state.params),
        jax.tree.leaves(other.params),
        strict=True,
    ):
        np.testing.assert_allclose(mine, its, atol=2e-4, err_msg=jax.tree_util.keystr(place))
    rows = [
        [json.loads(line) for line in (tmp_path / name / "metrics.jsonl").open()]
        for name in ("images", "features")
    ]
    for mine, its in zip(*rows, strict=True):
        for name in ("loss", "validation/roc_auc"):
            assert mine.get(name) == pytest.approx(its.get(name), abs=1e-3)


def test_gradients_reach_the_last_block_in_the_second_stage_alone(path, tmp_path):
    config = of_frames(path)
    experiment = build(config, load_run_videos(config, tmp_path))
    variables = initial_variables(experiment, 0)
    params = jax.tree.map(lambda leaf: leaf + 0.01, variables[0])  # the gate is shut at the start
    for stage in STAGES:
        frozen = frozen_blocks(stage, experiment.blocks)
        task = dataclasses.replace(experiment.task, frozen=frozen)
        gradient = jax.jit(make_gradient(task), static_argnums=4)
        found = gradient(params, variables[1], experiment.example, jax.random.key(1), None)
        reached = {
            name
            for name, leaves in found[3]["net"]["backbone"].items()
            if any(np.any(leaf) for leaf in jax.tree.leaves(leaves))
        }
        assert reached == set(experiment.blocks) - set(frozen)
        assert any(np.any(leaf) for leaf in jax.tree.leaves(found[3]["net"]["encoder"]))


@pytest.fixture(scope="module")
def run(path, tmp_path_factory):
    workdir = tmp_path_factory.mktemp("run") / "whole"
    train(of_frames(path), workdir)
    return workdir


@pytest.mark.exhaustive
def test_a_run_that_breaks_off_between_the_stages_ends_alike(path, run, tmp_path):
    config = of_frames(path)
    question = SameVideo()
    config, split = question.load_data(question.complete(config), tmp_path)
    experiment = build(config, split)
    with pytest.raises(KeyboardInterrupt):
        fitted(config, tmp_path, breaking_off(experiment, 3))
    ours, theirs = fitted(config, tmp_path, experiment), fitted(config, run, experiment)
    for mine, its in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_array_equal(mine, its)


def test_a_run_is_judged_beside_its_backbone_before_training_and_compares_clips(path, run):
    scored = score_runs([run], ["ours"])
    assert {"ours", "whitened, Chamfer", "features, cosine of means"} <= scored.scores.keys()
    assert all(np.isfinite(scores).all() for scores in scored.scores.values())
    assert len(scored.test["same"]) == len(scored.scores["ours"])
    report(run)
    assert (run / "report" / "index.html").is_file()
    loaded = load_similarity_run(run)
    encoder = encoder_of_run(loaded)
    assert encoder.name == "small_cnn (of the run)"
    images = np.random.default_rng(0).integers(0, 256, (6, 16, 16, 3), np.uint8)
    clip = encoder(images)
    assert clip.shape == (6, loaded.width)
    assert loaded.similarity(clip, clip).same
    assert loaded.judge is loaded


def test_runs_of_frames_and_of_features_have_no_pairs_in_common(path, run, tmp_path):
    config = of_frames(path)
    model = dataclasses.replace(config.model, backbone="")
    data = dataclasses.replace(config.data, frames="")
    train(dataclasses.replace(config, data=data, model=model, stages=()), tmp_path / "features")
    with pytest.raises(UserError, match="see frames and features of a file"):
        score_runs([run, tmp_path / "features"], ["a", "b"])


def test_what_belongs_to_a_backbone_is_refused_without_one(path):
    config = of_frames(path)
    check(config)
    data = dataclasses.replace(config.data, frames="")
    with pytest.raises(UserError, match=r"model\.backbone needs frames"):
        check(dataclasses.replace(config, data=data))
    with pytest.raises(UserError, match="stages are for a backbone"):
        check(dataclasses.replace(config, model=dataclasses.replace(config.model, backbone="")))


def test_a_plan_imagines_clips_of_images(path):
    experiment = imagine(of_frames(path), 4, 200)
    assert experiment.example["image"].shape == (8, 4, 16, 16, 3)
    initial = functools.partial(initial_variables, experiment, 0)
    assert "backbone" in jax.eval_shape(initial)[0]["net"]
