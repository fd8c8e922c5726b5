"""A run of one's own pairs: trained, judged, and asked in the words of its labels."""

import csv
import dataclasses
import itertools
import json
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reid_jax import questions
from reid_jax.commands.videos import pairs as judge
from reid_jax.errors import UserError
from reid_jax.ops.losses.objectives import Contrastive
from reid_jax.ops.verification import average_precision, best_f1
from reid_jax.same_video.config import check
from reid_jax.same_video.experiment import build, make_task
from reid_jax.same_video.labelled import LabelledSampler, labelled_pairs
from reid_jax.same_video.labels import Labels
from reid_jax.same_video.model import load_similarity_run
from reid_jax.same_video.pairs import PairVideo, Track
from reid_jax.same_video.run import load_run_videos, score_by_network
from tests.keyframe_videos import write_videos
from tests.tiny_run import tiny_similarity_config

pytest.importorskip("h5py")
GROUPS = 4  # alike is what has the same rest of its number


def write_labels(file, count: int = 24, label=lambda one, other: one % GROUPS == other % GROUPS):
    rows = [
        (f"video_{one + 1}", f"films/video_{other + 1}.mp4", int(label(one, other)))
        for one, other in itertools.combinations(range(count), 2)
    ]
    with file.open("w", newline="") as stream:
        csv.writer(stream).writerows([("first", "second", "label"), *rows])
    return file


def labelled(path, **data):
    config = tiny_similarity_config(path)
    facts = {"labels": str(path.parent / "pairs.csv"), "question": "same group", **data}
    return dataclasses.replace(
        config,
        data=dataclasses.replace(config.data, clips_per_video=0, **facts),
        loss=Contrastive(),
    )


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    folder = tmp_path_factory.mktemp("labelled")
    write_labels(folder / "pairs.csv")
    return write_videos(folder / "videos.h5", 24)


@pytest.fixture(scope="module")
def run(path, tmp_path_factory):
    workdir = tmp_path_factory.mktemp("run") / "mine"
    questions.train(labelled(path), workdir)
    return workdir


def clips(*lengths):
    return [
        PairVideo(
            str(number),
            Track(
                np.stack([np.full(rows, number), np.arange(rows)], 1).astype(np.float32),
                np.arange(rows),
            ),
            np.zeros((0, 2), np.int64),
        )
        for number, rows in enumerate(lengths)
    ]


def test_batches_are_of_labelled_pairs_half_of_each():
    labels = Labels(np.array([["0", "1"], ["1", "2"], ["2", "3"]]), np.array([1, 0, 0], bool))
    sampler = LabelledSampler(clips(2, 4, 9, 30), labels, 4, 8, seed=0)
    seen = set()
    for step in range(20):
        batch = sampler(step)
        rows = batch["label"].reshape(-1, 2)
        assert (rows[:, 0] == rows[:, 1]).tolist() == [True, False, True, False]
        assert len(np.unique(rows)) == 6  # no two pairs share a label
        named = batch["features"][:, 0, 0].astype(int).reshape(-1, 2)
        for pair, same in zip(named.tolist(), (rows[:, 0] == rows[:, 1]).tolist(), strict=True):
            assert pair in ([[0, 1]] if same else [[1, 2], [2, 3]])
        lengths = batch["frames"].sum(axis=1).reshape(-1, 2)
        assert lengths[0].tolist() == [2, 4]
        for clip, there in zip(batch["features"], batch["frames"], strict=True):
            assert (np.diff(clip[there, 1]) > 0).all()
            seen |= {(int(clip[0, 0]), int(row)) for row in clip[there, 1]}
        again = sampler(step)
        assert all(np.array_equal(batch[name], again[name]) for name in batch)
    assert {row for video, row in seen if video == 3} >= set(range(0, 30, 9))
    assert len({row for video, row in seen if video == 3}) > 15  # not the same four each time
    with pytest.raises(UserError, match="multiple of 4"):
        LabelledSampler(clips(2, 4, 9, 30), labels, 4, 6, seed=0)


def test_pairs_to_judge_are_the_clips_thinned():
    labels = Labels(np.array([["3", "0"]]), np.array([True]))
    found = labelled_pairs(clips(2, 4, 9, 30), labels, 4)
    assert found["features"][0, 0, :, 1].tolist() == [0, 10, 19, 29]
    assert found["frames"].tolist() == [[[True] * 4, [True, True, False, False]]]
    assert found["named"].tolist() == [["3", "0"]]


def test_the_head_learns_from_labelled_pairs_alone(path):
    task = make_task(labelled(path), 8)
    rng = np.random.default_rng(0)
    batch = {"features": rng.normal(size=(8, 4, 12)), "frames": np.ones((8, 4), bool)}
    batch = {name: jnp.asarray(value) for name, value in batch.items()}
    params, _ = task.init(jax.random.key(0), batch)
    params = jax.tree.map(lambda leaf: leaf + 0.05, params)
    z = rng.normal(size=(8, 8)).astype(np.float32)
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    label = np.array([0, 0, 1, 2, 0, 0, 3, 4])  # rows 0 and 4 of unlike pairs share a label
    mask = np.array([1, 1, 1, 1, 1, 1, 1, 0], bool)
    found = task.terms(params, z, {"label": label, "mask": mask}, None)
    variables = {"params": params["net"]}
    same, different = [], []
    for row in (0, 2, 4):
        logit = task.net.apply(variables, z[row], z[row + 1], method="similarity")
        if label[row] == label[row + 1]:
            same.append(np.log1p(np.exp(-logit)))
        else:
            different.append(np.log1p(np.exp(logit)))
    np.testing.assert_allclose(found["head_same"].total, sum(same), rtol=1e-5)
    np.testing.assert_allclose(found["head_different"].total, sum(different), rtol=1e-5)
    assert (found["head_same"].number, found["head_different"].number) == (2, 1)


def test_a_run_reports_on_its_own_pairs(run, path, capsys):
    questions.report(run)
    said = capsys.readouterr().out
    assert "Split by film: of 276 labelled pairs" in said
    report = run / "report"
    for name in ("index.html", "tables.md", "roc.png", "precision_recall.png"):
        assert (report / name).is_file()
    assert not (report / "kinds.png").exists()
    page = (report / "index.html").read_text()
    assert "labelled 1 (same group)" in page
    assert "of one video" not in page
    with (report / "pairs.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    found = json.loads((report / "pairs.json").read_text())["this network"]
    scores = np.array([float(row["this network"]) for row in rows])
    label = np.array([row["label"] == "1" for row in rows])
    assert found["average_precision"] == pytest.approx(average_precision(scores, label))
    for row in rows:
        one, other = (int(row[name].split("_")[1]) - 1 for name in ("first", "second"))
        assert (one % GROUPS == other % GROUPS) == (row["label"] == "1")
    split = load_run_videos(labelled(path), run)
    sides = [{video.key for video in side} for side in (split.train, split.validation, split.test)]
    assert not any(one & other for one, other in itertools.combinations(sides, 2))
    assert {row["first"] for row in rows} | {row["second"] for row in rows} == sides[2]


def test_its_verdict_is_the_network_s_in_the_words_of_the_labels(run, path):
    loaded = load_similarity_run(run)
    found = json.loads((run / "report" / "pairs.json").read_text())["this network"]
    assert loaded.threshold == found["threshold"]
    assert loaded.judge is loaded
    clip = np.random.default_rng(0).normal(size=(9, 12)).astype(np.float32)
    alike = loaded.similarity(clip, clip)
    assert (alike.same, alike.verdict) == (True, "same group")
    high = dataclasses.replace(loaded, threshold=alike.network + 1)
    assert high.similarity(clip, clip)[2:] == (False, "different")


def test_other_pairs_are_judged_at_the_run_s_threshold(run, path, tmp_path, capsys):
    file = write_labels(tmp_path / "others.csv", 8)
    before = (run / "report" / "pairs.json").read_bytes()
    judge((run,), pairs=file, videos=path)
    said = capsys.readouterr().out
    assert "28 pairs of others.csv, 4 labelled 1; thresholds are those of the runs' reports" in said
    found = json.loads((run / "others" / "pairs.json").read_text())
    own = json.loads(before)
    assert {"this network", "whitened, Chamfer", "features, cosine of means"} <= found.keys()
    assert all(found[name]["threshold"] == own[name]["threshold"] for name in found)
    assert (run / "report" / "pairs.json").read_bytes() == before
    with (run / "others" / "pairs.csv").open(newline="") as stream:
        assert len(list(csv.DictReader(stream))) == 28
    shutil.copytree(run, tmp_path / "again")
    judge((run, tmp_path / "again"), pairs=file, videos=path, out=tmp_path / "both")
    both = json.loads((tmp_path / "both" / "pairs.json").read_text())
    assert both["mine"] == both["again"] == found["this network"]


def test_what_cannot_be_judged_is_said(run, path, tmp_path):
    file = write_labels(tmp_path / "others.csv", 8)
    with pytest.raises(UserError, match=r"names video_1, which is not among the films of .*"):
        judge((run,), pairs=file)
    narrow = write_videos(tmp_path / "narrow.h5", 8, width=5)
    with pytest.raises(UserError, match=r"trained on 12 numbers a frame, .*narrow\.h5 has 5"):
        judge((run,), pairs=file, videos=narrow)
    with pytest.raises(UserError, match="--videos is where the clips of --pairs"):
        judge((run,), videos=path)


def test_labels_that_change_are_not_the_run_s(run, path, tmp_path):
    folder = shutil.copytree(path.parent, tmp_path / "moved")
    workdir = shutil.copytree(run, tmp_path / "run")
    config = labelled(folder / "videos.h5")
    assert len(load_run_videos(config, workdir).test)  # moved, and the same
    write_labels(folder / "pairs.csv", label=lambda one, other: (one + other) % GROUPS == 0)
    with pytest.raises(UserError, match="trained on other videos or labels than"):
        load_run_videos(config, workdir)
    (folder / "pairs.csv").unlink()
    with pytest.raises(UserError, match=r"pairs\.csv is not there"):
        load_run_videos(config, workdir)


def test_frames_are_trained_on_and_judged_alike(tmp_path):
    """A backbone under the network, its labels in the place of pairs that are drawn."""
    path = write_videos(tmp_path / "videos.h5", 24, frames=tmp_path / "frames")
    write_labels(tmp_path / "pairs.csv")
    config = labelled(path, frames=str(tmp_path / "frames"), image_size=16)
    config = dataclasses.replace(
        config, model=dataclasses.replace(config.model, backbone="small_cnn")
    )
    check(config)
    split = load_run_videos(config, tmp_path / "run")
    assert not any(video.copies for video in split.train)
    experiment = build(config, split)
    assert experiment.example["image"].shape == (8, 4, 16, 16, 3)
    assert len(experiment.validation.examples["same"]) == len(split.labels.validation.same)


def test_labels_go_with_pairs(path):
    check(labelled(path))
    data = dataclasses.replace(labelled(path).data, clips_per_video=4)
    with pytest.raises(UserError, match=r"data\.labels says which two clips are alike"):
        check(dataclasses.replace(tiny_similarity_config(path), data=data))


def test_the_threshold_is_the_best_f1_of_validation(run, path):
    config = labelled(path)
    split = load_run_videos(config, run)
    pairs = labelled_pairs(split.validation, split.labels.validation, config.data.clip)
    scores = score_by_network(config, run)[0](pairs)
    assert load_similarity_run(run).threshold == pytest.approx(best_f1(scores, pairs["same"])[1])
