"""Pairs are judged as by hand, and a run goes from videos to a report."""

from dataclasses import replace

import numpy as np
import pytest

from reid_jax.commands.videos import pairs
from reid_jax.errors import UserError
from reid_jax.ops.losses.objectives import Contrastive
from reid_jax.same_video.config import (
    ClipDataConfig,
    SimilarityConfig,
    VideoSimilarityConfig,
    check,
)
from reid_jax.same_video.edits import edit_names
from reid_jax.same_video.measures import (
    choose_threshold,
    ensemble,
    evaluate_pairs,
    rank_normalized,
)
from reid_jax.same_video.report import pairs_table
from reid_jax.same_video.whitening import fit_whitening
from reid_jax.weights import input_info
from reid_jax.weights.frozen import FrameEncoder
from tests.tiny_run import tiny_similarity_config


def test_pairs_are_judged_as_by_hand():
    scores = np.array([0.9, 0.8, 0.3, 0.7, 0.2, 0.1])
    same = np.array([1, 1, 1, 0, 0, 0], bool)
    kinds = np.array(["shot", "video", "video", "hard", "other", "other"])
    edits = np.array(["", "flip", "", "flip", "", ""])
    result = evaluate_pairs(scores, same, kinds, threshold=0.5, edits=edits)
    assert result["confusion"] == [[2, 1], [1, 2]]
    np.testing.assert_allclose(result["f1"], 2 / 3)
    np.testing.assert_allclose(result["roc_auc"], 8 / 9)
    assert result["kinds"]["shot"] == {"pairs": 1, "accepted": 1.0, "roc_auc": 1.0}
    np.testing.assert_allclose(result["kinds"]["video"]["roc_auc"], 5 / 6)
    np.testing.assert_allclose(result["kinds"]["hard"]["roc_auc"], 2 / 3)
    assert result["edits"] == {"flip": {"pairs": 1, "accepted": 1.0, "roc_auc": 1.0}}
    assert "| a | 0.889 |" in pairs_table({"a": {**result, "kinds": {}}}).as_markdown()
    with pytest.raises(UserError, match="finite"):
        evaluate_pairs(np.full(6, np.nan), same, kinds, threshold=0.5)


def test_ranks_do_not_mind_monotone_changes_and_share_ties():
    reference = np.array([3.0, 1.0, 2.0, 2.0])
    np.testing.assert_allclose(rank_normalized(np.array([0, 2, 9]), reference), [0, 0.5, 1])
    one, other = np.random.default_rng(0).normal(size=(2, 50))
    plain = ensemble([one, other], [other, one])
    changed = ensemble([np.exp(one), 3 * other], [np.exp(other), 3 * one])
    np.testing.assert_allclose(plain, changed)


def test_a_threshold_is_of_copies_and_other_parts_against_other_videos():
    scores = np.array([0.1, 0.3, 0.4, 0.6, 0.2, 0.25])
    same = np.array([False, False, True, True, True, True])
    kinds = np.array(["same category", "other video", "same video", "near-duplicate"])
    kinds = np.append(kinds, ["same shot", "same shot"])
    assert choose_threshold(scores, same, kinds) == 0.4
    kinds[4:] = "same video"
    assert choose_threshold(scores, same, kinds) == 0.2


def test_whitening_makes_what_varies_within_videos_a_sphere():
    rng = np.random.default_rng(0)
    videos = [
        (rng.normal(size=(40, 4)) * [3, 1, 1, 2] + rng.normal(size=4) * 3).astype(np.float32)
        for _ in range(30)
    ]
    made = fit_whitening(videos, 3)
    np.testing.assert_allclose(made["mean"], np.mean(videos, axis=(0, 1)), rtol=1e-4)
    within = np.mean([np.cov(video.T, bias=True) for video in videos], axis=0)
    shrunk = 0.7 * within + 0.3 * np.trace(within) / 4 * np.eye(4)
    matrix = made["matrix"]
    np.testing.assert_allclose(matrix.T @ shrunk @ matrix, np.eye(3), atol=1e-4)
    spread = np.var((np.concatenate(videos) - made["mean"]) @ matrix, axis=0)
    assert (np.diff(spread) <= 0).all()


VIDEOS = ClipDataConfig(path="videos.h5")


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("encoder", {"model": SimilarityConfig(encoder="lstm")}),
        ("clips_per_video", {"loss": Contrastive()}),
        ("frame_dropout", {"model": SimilarityConfig(frame_dropout=1.0)}),
        (
            "validation_fraction",
            {"data": ClipDataConfig(path="videos.h5", validation_fraction=1.0)},
        ),
        ("pairs", {"data": ClipDataConfig(path="videos.h5", pairs=0)}),
    ],
)
def test_impossible_configurations_are_refused(field, change):
    config = VideoSimilarityConfig(data=VIDEOS)
    check(config)
    with pytest.raises(UserError, match=field):
        check(replace(config, **change))


def test_copies_are_made_once_from_the_frames(tmp_path, monkeypatch):
    h5py = pytest.importorskip("h5py")
    image = pytest.importorskip("PIL.Image")
    from reid_jax.same_video import copies as video_copies

    calls = []

    def mean_colours(backbone, pretrained, batch):
        calls.append(backbone)
        side = input_info(backbone, pretrained).input_size
        return FrameEncoder(side, lambda images: images.mean(axis=(1, 2)), backbone, batch)

    monkeypatch.setattr(video_copies, "frozen_encoder", mean_colours)
    rng = np.random.default_rng(0)
    with h5py.File(tmp_path / "videos.h5", "w") as file:
        group = file.create_group("video_1")
        group["video_id"] = "abc"
        group["sampled_frames"] = np.array([5, 105, 205])
    (tmp_path / "frames" / "abc").mkdir(parents=True)
    for number in range(3):
        pixels = rng.integers(256, size=(20, 20, 3)).astype(np.uint8)
        image.fromarray(pixels).save(tmp_path / "frames" / "abc" / f"{number:03}.jpg")

    def load(seed=0, folder="frames"):
        return video_copies.load_copies(
            tmp_path / "copies.npz",
            features=tmp_path / "videos.h5",
            frames=tmp_path / folder,
            backbone="tf_efficientnet_lite0",
            pretrained="pypi",
            seed=seed,
        )["video_1"]

    made, read = load(), load()
    assert len(calls) == 1
    assert set(made) == set(edit_names())
    for name, track in made.items():
        np.testing.assert_array_equal(track.features, read[name].features)
        assert track.frames.tolist() == [5, 205]
    assert not np.array_equal(load(seed=1)["crop"].features, made["crop"].features)
    whole = (tmp_path / "copies.npz").read_bytes()
    (tmp_path / "copies.npz").write_bytes(whole[: len(whole) // 2])
    np.testing.assert_array_equal(load()["crop"].features, made["crop"].features)

    made_so_far = len(calls)
    (tmp_path / "frames").rename(tmp_path / "moved")
    np.testing.assert_array_equal(load(folder="moved")["crop"].features, made["crop"].features)
    assert len(calls) == made_so_far
    (tmp_path / "moved").rename(tmp_path / "frames")
    with h5py.File(tmp_path / "videos.h5", "a") as file:  # the same name, another content
        del file["video_1/sampled_frames"]
        file["video_1/sampled_frames"] = np.array([7, 107, 207])
    assert load()["crop"].frames.tolist() == [7, 207]
    assert len(calls) == made_so_far + 1
    with np.load(tmp_path / "copies.npz") as kept:  # an earlier version did not note it
        earlier = {name: kept[name] for name in kept.files if name != "content"}
    np.savez(tmp_path / "copies.npz", **earlier)
    load()
    assert len(calls) == made_so_far + 1


def test_a_run_trains_and_reports(tmp_path, capsys):
    h5py = pytest.importorskip("h5py")
    from reid_jax import questions
    from reid_jax.same_video.run import load_videos, report_pairs

    rng = np.random.default_rng(0)
    with h5py.File(tmp_path / "videos.h5", "w") as file:
        for number in range(12):
            group = file.create_group(f"video_{number}")
            centre, rows = rng.normal(size=8), 1 if number in (3, 1) else 30
            group["features"] = (centre + rng.normal(size=(rows, 8))).astype(np.float32)
            group["picks"] = np.arange(rows) * 15
            group["n_frames"] = rows * 15
    config = tiny_similarity_config(tmp_path / "videos.h5")
    questions.train(config, tmp_path / "run")
    said, problems = capsys.readouterr()
    for short in ("video_3", "video_1"):
        assert problems.count(f"{short} is left out: 1 rows of features are too few") == 1
    assert "5 training videos" in said
    assert "3 held-out videos" in said
    assert "whitened, Chamfer" in said
    assert "No videos were held out for validation" not in said
    for name in ("index.html", "tables.md", "pairs.json", "roc.png", "kinds.png", "loss_curve.png"):
        assert (tmp_path / "run" / "report" / name).is_file()
    with pytest.raises(UserError, match="it has no --data"):
        questions.report(tmp_path / "run", source="folder:photos")
    with pytest.raises(UserError, match="judges in seconds; leave out --coordinator"):
        questions.report(tmp_path / "run", coordinator="a:1")
    split = load_videos(config.data, tmp_path / "run")
    alone = replace(split, train=split.train + split.validation, validation=())
    report_pairs([tmp_path / "run"], tmp_path / "alone", split=alone)
    for text in (capsys.readouterr().out, (tmp_path / "alone" / "index.html").read_text()):
        assert "thresholds come from pairs of training videos" in text
    again = report_pairs([tmp_path / "run", tmp_path / "run"], tmp_path / "both")
    assert "ensemble of the runs" in again
    assert "ensemble of the runs" in (tmp_path / "both" / "tables.md").read_text()


def test_without_a_run_it_says_what_to_name():
    with pytest.raises(UserError, match="Name the folder of a run"):
        pairs(())
