"""A scorer learns from others: whole videos are scored once, and clips take what they show."""

import json
import shutil
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reid_jax.errors import UserError
from reid_jax.keyframes.config import check
from reid_jax.keyframes.distillation import ATTENTION, FEATURES, SCORES, taught
from reid_jax.keyframes.experiment import build, load_videos
from reid_jax.keyframes.model import load_scorer
from reid_jax.keyframes.teaching import open_teachers, said_of_training
from reid_jax.models.temporal.attention import attention_map, global_attention
from reid_jax.questions import question_of, train
from reid_jax.training import run as driver
from reid_jax.training.checkpoint import Checkpoints
from reid_jax.training.loop import fit
from reid_jax.training.parallel import make_layout
from tests.keyframe_videos import make_config, of_images, one_batch, write_videos
from tests.tiny_run import breaking_off


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    return write_videos(folder / "videos.h5", frames=folder / "frames")


@pytest.fixture(scope="module")
def teacher(path, tmp_path_factory):
    """Twice as wide as its student."""
    workdir = tmp_path_factory.mktemp("teacher") / "run"
    train(make_config(path, model={"width": 16}, train={"steps": 6}), workdir)
    return workdir


def taught_by(config, *teachers, **fields):
    words = ",".join(map(str, teachers))
    return replace(config, distill=replace(config.distill, teacher=words, **fields))


STILL = {"speed": 0.0, "jitter": 0.0, "drop": 0.0, "noise": 0.0, "mix": 0.0}


def parameters(workdir):
    checkpoints = Checkpoints(workdir / "checkpoints", read_only=True)
    tree, _ = checkpoints.read_raw(checkpoints.latest_step)
    checkpoints.close()
    return jax.tree.leaves(jax.device_get(tree))


def test_a_run_learns_goes_on_bit_for_bit_and_keeps_who_taught(
    path, teacher, tmp_path, monkeypatch
):
    config = taught_by(make_config(path, train={"steps": 6}), teacher)
    train(config, tmp_path / "whole")
    rows = [json.loads(line) for line in (tmp_path / "whole" / "metrics.jsonl").open()]
    terms = ("squared_error", "spearman", "features", "attention")
    assert all(np.isfinite(rows[0][f"teacher_{name}"]) for name in terms)
    kept = json.loads((tmp_path / "whole" / "config.json").read_text())["distill"]
    assert kept["teacher"] == str(teacher)
    assert kept["fingerprints"] == load_scorer(teacher).fingerprint
    once = driver.fit
    monkeypatch.setattr(driver, "fit", lambda e, *a, **k: once(breaking_off(e, 4), *a, **k))
    with pytest.raises(KeyboardInterrupt):
        train(config, tmp_path / "parts")
    monkeypatch.setattr(driver, "fit", once)
    train(config, tmp_path / "parts")
    whole, parts = (parameters(tmp_path / name) for name in ("whole", "parts"))
    for a, b in zip(whole, parts, strict=True):
        np.testing.assert_array_equal(a, b)
    assert len(load_scorer(tmp_path / "whole").score(np.zeros((20, 12), np.float32))) == 20


def test_clips_take_of_whole_videos_what_they_show(path, teacher):
    config = taught_by(make_config(path, augment=STILL, data={"clip": 8}), teacher)
    split = load_videos(config.data, 0)
    said = said_of_training(config, split, set())
    experiment = build(config, split, said)
    batch = one_batch(experiment)
    shared = experiment.feed.shared
    rows, _ = next(iter(experiment.feed.calls(0, 1)))
    scorer = load_scorer(teacher)
    for number, (video, _, _) in enumerate(rows[0]):
        start = shared["offset"][video]
        frames = batch["features"][number]
        [first] = np.flatnonzero((shared["frames"][start:] == frames[0]).all(axis=1))[:1]
        own = slice(first, first + 8)
        whole = scorer.explained(split.train[video].features)
        mask = batch["mask"][number]
        np.testing.assert_allclose(
            batch[taught(SCORES)][number][mask], whole[SCORES][own][mask[: len(whole[SCORES])]]
        )
        if mask.all():
            maps = batch[taught(ATTENTION)][number]
            np.testing.assert_allclose(maps, whole[ATTENTION][own, own], rtol=1e-6)
    assert batch[taught(FEATURES)].shape == (8, 8, 16)


def test_scores_of_a_teacher_are_its_scores_and_several_are_their_mean(path, teacher):
    config = make_config(path)
    split = load_videos(config.data, 0)
    alone = said_of_training(taught_by(config, teacher), split, set())
    both = said_of_training(taught_by(config, teacher, teacher), split, set())
    scores = [load_scorer(teacher).score_features(video.features) for video in split.train]
    np.testing.assert_allclose(alone[taught(SCORES)], np.concatenate(scores), rtol=1e-5)
    for name in (SCORES, ATTENTION):
        np.testing.assert_allclose(both[taught(name)], alone[taught(name)], rtol=1e-5, atol=1e-7)
    assert both[taught(FEATURES)].shape[1] == 32
    np.testing.assert_allclose(alone[taught(FEATURES)].std(), 1.0, rtol=1e-3)
    fewer = said_of_training(taught_by(config, teacher, features=0.0, attention=0.0), split, set())
    assert fewer.keys() == {taught(SCORES)}


@pytest.mark.parametrize("mode", [pytest.param("pmap", marks=pytest.mark.exhaustive), "mesh"])
def test_eight_devices_learn_as_one(path, teacher, tmp_path, mode):
    # Keys' biases have no gradient but that of rounding, which Adam would make as large as any.
    config = make_config(path, train={"steps": 3}, optimizer={"name": "sgd"})
    config = taught_by(config, teacher)
    split = load_videos(config.data, 0)
    experiment = build(config, split, said_of_training(config, split, set()))

    def trained(mode):
        layout = make_layout(mode)
        outcome = fit(experiment, config.train, layout, tmp_path / mode, ema_decay=0.5)
        return jax.tree.leaves(jax.device_get(outcome.state.params))

    for a, b in zip(trained("single"), trained(mode), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=2e-5)


@pytest.mark.exhaustive
def test_from_images_too(path, tmp_path):
    config = of_images(path, model={"width": 16})
    train(config, tmp_path / "teacher")
    student = taught_by(of_images(path), tmp_path / "teacher")
    train(student, tmp_path / "student")
    rows = [json.loads(line) for line in (tmp_path / "student" / "metrics.jsonl").open()]
    assert np.isfinite(rows[0]["teacher_attention"])
    with pytest.raises(UserError, match="sees images and this network features"):
        open_teachers(taught_by(make_config(path), tmp_path / "teacher"))


def test_who_cannot_teach_is_refused_in_a_sentence(path, teacher, tmp_path):
    config = make_config(path)
    with pytest.raises(UserError, match="nobody teaches"):
        check(replace(config, distill=replace(config.distill, task=0.0)))
    nothing = {"squared": 0.0, "rank": 0.0, "features": 0.0, "attention": 0.0}
    with pytest.raises(UserError, match="are all 0"):
        check(taught_by(config, teacher, **nothing))
    with pytest.raises(UserError, match="is not the folder of a run"):
        open_teachers(taught_by(config, tmp_path))
    other = write_videos(tmp_path / "wide.h5", width=9)
    wide = taught_by(make_config(other), teacher)
    with pytest.raises(UserError, match=r"scores 12 features a frame, .* has 9"):
        said_of_training(wide, load_videos(wide.data, 0), set())
    begun = shutil.copytree(teacher, tmp_path / "begun")
    text = (begun / "config.json").read_text()
    (begun / "config.json").write_text(text.replace('"steps": 6', '"steps": 60'))
    with pytest.raises(UserError, match="is not finished, at step 6 of 60"):
        open_teachers(taught_by(config, begun))


def test_a_teacher_that_has_seen_the_test_is_named(path, teacher, capsys):
    config = make_config(path, data={"fold": 1})
    question = question_of(teacher)
    split = load_videos(config.data, 0)
    question.build(taught_by(config, teacher), split)
    assert (
        "videos that this run is tested on: what it passes on flatters" in capsys.readouterr().out
    )


def test_a_map_is_what_attention_weighs_by():
    rng = np.random.default_rng(0)
    query, key = jnp.float32(rng.normal(size=(2, 2, 5, 1, 3)))
    mask = jnp.asarray([[True] * 5, [True] * 3 + [False] * 2])
    value = jnp.broadcast_to(jnp.eye(5)[None, :, None, :3], (2, 5, 1, 3))
    expected = global_attention(query, key, value, mask)[:, :, 0]
    found = attention_map(query, key, mask)[..., :3]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
