"""Pairs are judged as by hand, and a run goes from videos to a report."""

from dataclasses import replace

import numpy as np
import pytest

from reid_jax.errors import UserError
from reid_jax.evaluation.pairs import (
    choose_threshold,
    ensemble,
    evaluate_pairs,
    pairs_table,
    rank_normalized,
)
from reid_jax.tasks.objectives import Contrastive, Triplet
from reid_jax.training.config import OptimizerConfig, TrainConfig
from reid_jax.training.video_similarity_config import (
    ClipDataConfig,
    SimilarityConfig,
    VideoSimilarityConfig,
    validate_video_similarity,
)
from reid_jax.training.whitening import fit_whitening


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
    assert "| a | 0.889 |" in pairs_table({"a": result})
    with pytest.raises(UserError, match="finite"):
        evaluate_pairs(np.full(6, np.nan), same, kinds, threshold=0.5)


def test_ranks_do_not_mind_monotone_changes_and_share_ties():
    reference = np.array([3.0, 1.0, 2.0, 2.0])
    np.testing.assert_allclose(rank_normalized(np.array([0, 2, 9]), reference), [0, 0.5, 1])
    one, other = np.random.default_rng(0).normal(size=(2, 50))
    plain = ensemble([one, other], [other, one])
    changed = ensemble([np.exp(one), 3 * other], [np.exp(other), 3 * one])
    np.testing.assert_allclose(plain, changed)
    np.testing.assert_array_equal(plain[0], plain[1])
    assert choose_threshold(np.array([0.1, 0.4, 0.6]), np.array([False, True, True])) == 0.4


def test_whitening_brings_frames_of_a_video_together():
    rng = np.random.default_rng(0)
    loud = np.array([10.0, 1, 1, 1])  # what varies within videos and says nothing
    videos = [
        (rng.normal(size=(40, 4)) * loud + [0, *rng.normal(size=3) * 3]).astype(np.float32)
        for _ in range(30)
    ]
    made = fit_whitening(videos, 3)
    assert made["matrix"].shape == (4, 3)
    np.testing.assert_allclose(made["mean"], np.concatenate(videos).mean(axis=0), rtol=1e-4)
    assert np.abs(made["matrix"][0]).max() < 0.2 * np.abs(made["matrix"][1:]).max()


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("encoder", {"model": SimilarityConfig(encoder="lstm")}),
        ("clips_per_video", {"loss": Contrastive()}),
        ("frame_dropout", {"model": SimilarityConfig(frame_dropout=1.0)}),
        ("validation_fraction", {"data": ClipDataConfig(validation_fraction=1.0)}),
        ("pairs", {"data": ClipDataConfig(pairs=0)}),
    ],
)
def test_impossible_configurations_are_refused(field, change):
    validate_video_similarity(VideoSimilarityConfig())
    with pytest.raises(UserError, match=field):
        validate_video_similarity(replace(VideoSimilarityConfig(), **change))


def test_a_run_trains_and_reports(tmp_path, capsys):
    h5py = pytest.importorskip("h5py")
    pytest.importorskip("matplotlib")
    from reid_jax.evaluation.run import evaluate_run, train_and_report
    from reid_jax.evaluation.video_similarity_run import report_video_pairs

    rng = np.random.default_rng(0)
    with h5py.File(tmp_path / "videos.h5", "w") as file:
        for number in range(12):
            group = file.create_group(f"video_{number}")
            centre = rng.normal(size=8)
            group["features"] = (centre + rng.normal(size=(30, 8))).astype(np.float32)
            group["picks"] = np.arange(30) * 15
            group["n_frames"] = 450
    config = VideoSimilarityConfig(
        data=ClipDataConfig(
            path=str(tmp_path / "videos.h5"), folds=3, clip=4, batch_size=8, pairs=10
        ),
        model=SimilarityConfig(embedding_dim=8, width=8),
        loss=Triplet(mining="all"),
        optimizer=OptimizerConfig(warmup_steps=0),
        train=TrainConfig(steps=2, evaluate_every=1, checkpoint_every=2, parallel="single"),
    )
    train_and_report(config, tmp_path / "run")
    said = capsys.readouterr().out
    assert "whitened, Chamfer" in said
    for name in ("pairs.md", "pairs.json", "roc.png", "kinds.png", "confusion.png"):
        assert (tmp_path / "run" / "report" / name).is_file()
    with pytest.raises(UserError, match="compares videos"):
        evaluate_run(tmp_path / "run", "folder:photos")
    again = report_video_pairs([tmp_path / "run", tmp_path / "run"], tmp_path / "both")
    assert "ensemble of the runs" in again
