"""Keyframe runs compared and reported: what is in the tables, the figures and the files."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest

from reid_jax import UserError, configurations
from reid_jax.keyframes import compare as keyframe_compare
from reid_jax.keyframes import figures as keyframe_plots
from reid_jax.keyframes import model as trained_scorer
from reid_jax.keyframes.compare import (
    KeyframeContender,
    compare,
    ensemble,
    ensemble_scores,
)
from reid_jax.keyframes.cost import scoring_cost
from reid_jax.keyframes.measures import evaluate_keyframes
from reid_jax.keyframes.report import write_keyframe_report
from reid_jax.questions import compare_runs, report, train
from reid_jax.reporting import cost
from reid_jax.reporting.cost import ForwardCost
from tests.keyframes.test_measures import make_video

RNG = np.random.default_rng(0)
VIDEOS = [make_video(f"video_{i}", picks=40, seed=i) for i in range(6)]


def contender(name, scores, videos=VIDEOS):
    return KeyframeContender(
        name=name,
        scores=scores,
        metrics=evaluate_keyframes(scores, videos),
        parameters=1_000,
        bytes_on_disk=2**20,
        forward={batch: ForwardCost(0.001 * batch, 2**20 * batch) for batch in (1, 4, 8)},
        frames=16,
    )


def near(noise, videos=VIDEOS):
    return {v.key: v.gtscore + noise * RNG.standard_normal(len(v.picks)) for v in videos}


def test_the_ensemble_is_the_mean_of_ranks():
    first, second = {"a": np.array([1.0, 5, 2, 2])}, {"a": np.array([0.1, 0.2, 0.3, 0.4])}
    found = ensemble_scores([first, second])["a"]
    np.testing.assert_allclose(found, np.array([1 + 1, 4 + 2, 2.5 + 3, 2.5 + 4]) / 8)
    scaled = {"a": 1000 * second["a"] - 7}
    np.testing.assert_allclose(ensemble_scores([first, scaled])["a"], found)


def test_runs_that_err_apart_are_better_together():
    runs = [contender("a", near(0.3)), contender("b", near(0.3))]
    both = ensemble(runs, VIDEOS)
    assert both.metrics["spearman_mean"] > max(one.metrics["spearman_mean"] for one in runs)
    assert np.isnan(both.metrics["mse"])
    assert both.parameters == 2_000
    assert both.forward[4] == ForwardCost(0.008, 4 * 2**20)
    assert ForwardCost.one_after_the_other([ForwardCost(1, None)] * 2) == ForwardCost(2, None)
    compared = compare([*runs, both], VIDEOS, {"random": runs[0].metrics})
    assert len(compared.differences) == 3 * 2
    text = compared.as_text()
    for word in ("ensemble", "random", "Kendall", "ms @8", "MiB @1", "points"):
        assert word in text
    content = json.loads(compared.as_json(), parse_constant=pytest.fail)
    assert [one["name"] for one in content["runs"]] == ["a", "b", "ensemble"]
    assert content["runs"][2]["metrics"]["mse"] is None
    assert content["runs"][0]["seconds"]["8"] == 0.008
    assert set(content["runs"][0]["metrics"]["per_video"]) == {v.key for v in VIDEOS}


def differences(*runs):
    return compare(runs, VIDEOS, {}).differences


def test_a_difference_is_seen_when_every_video_shows_it():
    videos = [make_video(f"video_{i}", picks=40, seed=i) for i in range(9)]
    good, bad = (
        contender(name, near(noise, videos), videos)
        for name, noise in (("good", 0.05), ("bad", 2.0))
    )
    assert all(one.is_one and one.value > 0 for one in differences(good, bad))
    few = differences(contender("good", near(0.05)), contender("bad", near(2.0)))
    assert not any(one.is_one for one in few), "six videos cannot show it in two measures"
    for one in differences(good, replace(good, name="again")):
        assert one.equal
        assert not one.is_one
        assert one.sentence.endswith("good and again are equal for all videos")


def test_curves_and_scatter_are_drawn_for_odd_videos():
    odd = [
        replace(VIDEOS[0], change_points=None, shots_2s=None),
        replace(VIDEOS[1], gtscore=None, user_scores=None),
        make_video("single", picks=1),
    ]
    odd[2] = replace(odd[2], change_points=None, shots_2s=np.array([[0, 2]]))
    scores = {v.key: np.full(len(v.picks), np.nan if v is odd[0] else 0.5) for v in odd}
    for videos in ([odd[0]], odd):
        for runs in ({"a": scores}, {"a": scores, "b": scores}):
            assert keyframe_plots.score_curves(runs, videos).startswith(b"\x89PNG")
    assert keyframe_plots.scatter({"a": scores}, odd).startswith(b"\x89PNG")
    assert keyframe_plots.scatter({"a": scores}, odd[1:2]) is None


def test_the_report_stands_alone(tmp_path, capsys):
    scores = near(0.2)
    scores["video_5"] = np.full(40, 0.5)
    history = [{"step": i, "loss": 1 / i, "validation/spearman": -0.1 * i} for i in (1, 2, 3)]
    metrics = write_keyframe_report(
        tmp_path, "A <test>", scores, VIDEOS[3:], VIDEOS[:3], history, seed=1
    )
    said = capsys.readouterr().out
    for name in ("this network", "random", "centre", "ridge", "one annotator", "ceiling"):
        assert name in said
    assert "1 of 3 videos has scores that are all equal" in said
    content = json.loads((tmp_path / "metrics.json").read_text(), parse_constant=pytest.fail)
    assert content["metrics"]["kendall_users"] == metrics["kendall_users"]
    assert content["baselines"]["one annotator"]["mse"] is None
    assert set(content["per_video"]) == {"video_3", "video_4", "video_5"}
    with np.load(tmp_path / "scores.npz") as kept:
        np.testing.assert_array_equal(kept["video_4"], scores["video_4"])
    html = (tmp_path / "index.html").read_text()
    assert "A &lt;test&gt;" in html
    assert "<test>" not in html
    assert html.count("data:image/png;base64") == 4
    assert 'src="http' not in html
    assert (tmp_path / "tables.md").read_text().count("video_4") == 1
    for name in ("agreement", "curves", "scatter", "loss_curve"):
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def write_videos(path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        for video in VIDEOS:
            for name in ("features", "picks", "n_frames", "gtscore", "user_scores", "shots_2s"):
                file[f"{video.key}/{name}"] = getattr(video, name)
            file[f"{video.key}/change_points"] = video.change_points
    return path


def tiny_run(workdir: Path, data: Path) -> Path:
    """Trains a small scorer for two steps and writes its report."""
    config = configurations.get("tvsum")
    videos = {"path": str(data), "splits": "", "folds": 3, "fold": 1, "clip": 16, "components": 4}
    network = {"width": 8, "depth": 1, "heads": 2, "head_dim": 4, "mlp": 8, "dual_head_dim": 4}
    steps = {"steps": 2, "log_every": 1, "evaluate_every": 2, "checkpoint_every": 2}
    config = replace(
        config,
        data=replace(config.data, **videos, batch_size=4),
        model=replace(config.model, **network, hidden=4, radius=2),
        optimizer=replace(config.optimizer, warmup_steps=1),
        train=replace(config.train, **steps, parallel="single"),
    )
    train(config, workdir)
    return workdir


def changed_copy(run: Path, name: str, part: str, **values) -> Path:
    """The same network as if it had been trained with another configuration."""
    copy = shutil.copytree(run, run.parent / name)
    config = json.loads((copy / "config.json").read_text())
    config[part] |= values
    (copy / "config.json").write_text(json.dumps(config))
    (copy / "split.json").unlink()
    return copy


def test_two_runs_from_end_to_end(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(keyframe_compare, "_BATCHES", (1, 2))
    data = write_videos(tmp_path / "videos.h5")
    first = tiny_run(tmp_path / "runs" / "a", data)
    second = changed_copy(first, "b", "model", smoothing=0.0)
    compare_runs([first, second], tmp_path / "out")
    said = capsys.readouterr().out
    assert "a minus ensemble" in said
    assert "one annotator" in said
    content = json.loads((tmp_path / "out" / "comparison.json").read_text())
    assert [one["name"] for one in content["runs"]] == ["a", "b", "ensemble"]
    for one in content["runs"]:
        assert one["parameters"] > 100
        assert one["bytes_on_disk"] > 100
        assert one["seconds"]["1"] > 0
        assert one["memory_bytes"]["2"] > one["memory_bytes"]["1"]
    for name in ("curves", "scatter"):
        assert (tmp_path / "out" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    with monkeypatch.context() as changed:
        for module in (cost, trained_scorer):
            changed.setattr(module, "compiler_options", lambda: {"xla_no_such_option": "1"})
        scorer = trained_scorer.load_scorer(first)
        for call in (
            lambda: scorer.score_features(VIDEOS[0].features),
            lambda: scoring_cost(scorer, 1, 4),
        ):
            with pytest.raises(jax.errors.JaxRuntimeError, match="xla_no_such_option"):
                call()
    reported = json.loads((first / "report" / "metrics.json").read_text())["metrics"]
    compared = [one["metrics"]["spearman_users"] for one in content["runs"]]
    assert reported["spearman_users"] == compared[0] != compared[1]

    assert report(first)["spearman_users"] == reported["spearman_users"]
    found = report(first, source=str(data))
    assert (found["num_videos"], found["num_trained"]) == (6, 4)
    assert found["kendall_users_without_trained"] == pytest.approx(reported["kendall_users"])
    said = capsys.readouterr().out
    assert "4 of 6 videos were trained on or chosen by, which flatters; without them: K" in said
    assert (first / "report-videos" / "index.html").is_file()
    with pytest.raises(UserError, match="has no --rerank"):
        report(first, rerank=True)

    with pytest.raises(UserError, match="hold out different videos"):
        compare_runs([first, changed_copy(first, "c", "data", fold=2)], None)
    everything = changed_copy(first, "d", "data", fold=-1)
    with pytest.raises(UserError, match="trained on all videos"):
        compare_runs([first, everything], None)
    with pytest.raises(UserError, match="trained on all videos"):
        report(everything)
    with pytest.raises(UserError, match="two runs or more"):
        compare_runs([first], None)
    (first / "split.json").write_text("{}")
    with pytest.raises(UserError, match="trained on other videos"):
        report(first)
