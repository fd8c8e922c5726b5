"""All measures together, on embeddings whose answer is known."""

import json

import numpy as np
import pytest

from reid_jax import UserError
from reid_jax.evaluation import embedding
from reid_jax.evaluation.embedding import (
    check_matches,
    evaluate_embeddings,
    raw_pixel_embeddings,
)
from reid_jax.evaluation.plain_json import plain_json
from reid_jax.ops.retrieval import evaluate_distances


def test_perfect_and_useless_embeddings():
    labels = np.repeat(np.arange(12), 4)
    everything = np.arange(48)
    perfect = evaluate_embeddings(np.eye(12)[labels], labels, everything, everything)
    for name in ("rank1", "mAP", "mINP", "map_at_r", "roc_auc", "average_precision", "best_f1"):
        assert perfect[name] == pytest.approx(1.0), name
    assert perfect["eer"] == pytest.approx(0.0)
    assert perfect["tar@far=0.001"] == 1.0
    assert (perfect["num_photos"], perfect["num_individuals"]) == (48, 12)
    assert perfect["num_pairs"] == 48 * 47 // 2
    useless = evaluate_embeddings(np.ones((48, 3)), labels, everything, everything)
    assert useless["roc_auc"] == pytest.approx(0.5)
    assert useless["rank1_low"] <= useless["rank1"] <= useless["rank1_high"]
    assert "one_shot_20way" not in useless


def test_cameras_and_alphabets_are_used_when_they_are_there():
    labels = np.repeat(np.arange(24), 4)
    everything, drawer = np.arange(96), np.tile(np.arange(4), 24)
    columns = {"camera": drawer // 2, "alphabet": labels * 0, "drawer": drawer}
    result = evaluate_embeddings(
        np.eye(24)[labels], labels, everything, everything, columns=columns
    )
    assert result["one_shot_20way"] == 1.0
    assert result["precision@5"] == pytest.approx(2 / 5)  # two of three by the other camera
    columns = {"camera": drawer * 0}
    result = evaluate_embeddings(
        np.eye(24)[labels], labels, everything, everything, columns=columns
    )
    assert result["num_excluded"] == 0


def test_photos_of_the_same_day_are_also_left_out():
    # Two days of two photos each; a day's photos are alike, the days of an individual are not.
    labels, everything = np.repeat(np.arange(6), 4), np.arange(24)
    day = np.tile([0, 0, 1, 1], 6)
    columns = {"date": np.datetime64("2020-01-01T10", "s") + day * np.timedelta64(86400, "s")}
    by_day = np.eye(12)[labels * 2 + day]
    result = evaluate_embeddings(by_day, labels, everything, everything, columns=columns)
    assert result["rank1"] == 1.0
    assert result["rank1_other_day"] < 0.5
    assert result["num_excluded_other_day"] == 0
    first, second = everything[day == 0], everything[day == 1]
    result = evaluate_embeddings(by_day, labels, first, second, columns=columns)
    assert "rank1_other_day" not in result  # the queries' days are not in the gallery
    columns["date"] = np.full(24, "NaT", "datetime64[s]")
    result = evaluate_embeddings(by_day, labels, everything, everything, columns=columns)
    assert "rank1_other_day" not in result


def test_exact_copies_are_counted_and_left_out_beside():
    # Every photo is there twice; what is embedded is the file, not the individual.
    photo = np.tile(np.arange(12), 2)
    labels, everything = photo // 3, np.arange(24)
    columns = {"digest": np.array([b"%032d" % number for number in photo])}
    result = evaluate_embeddings(np.eye(12)[photo], labels, everything, everything, columns=columns)
    assert result["rank1"] == 1.0
    assert result["num_queries_with_copy"] == 24
    assert result["rank1_without_copies"] < 0.5
    assert result["num_excluded_without_copies"] == 0
    once = evaluate_embeddings(
        np.eye(12)[photo], labels, everything[:12], everything[:12], columns=columns
    )
    assert "num_queries_with_copy" not in once
    assert "rank1_without_copies" not in once


def test_reranking_is_reported_beside():
    labels, everything = np.repeat(np.arange(12), 4), np.arange(48)
    noisy = np.eye(12)[labels] + np.random.default_rng(0).normal(0, 0.05, (48, 12))
    result = evaluate_embeddings(noisy, labels, everything, everything, rerank=True)
    assert result["rank1_reranked"] == result["rank1"] == 1.0
    assert result["mAP_reranked"] > 0.99


def test_reranking_leave_one_out_ranks_by_each_photo_once(monkeypatch):
    seen = []

    def watched(blocks, **rules):
        blocks = list(blocks)
        seen.append(np.concatenate([distances for _, distances in blocks]))
        return evaluate_distances(blocks, **rules)

    monkeypatch.setattr(embedding, "evaluate_distances", watched)
    x = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
    labels, every = np.repeat(np.arange(15), 4), np.arange(60)
    evaluate_embeddings(x, labels, every, every, rerank=True)
    evaluate_embeddings(x, labels, every[:30], every[30:], rerank=True)
    np.testing.assert_allclose(seen[0][:30, 30:], seen[1], atol=1e-5)


def test_everything_is_json():
    import json

    labels = np.repeat(np.arange(3), 2)
    result = evaluate_embeddings(np.eye(3)[labels], labels, np.arange(3), np.arange(3, 6))
    assert set(map(type, json.loads(json.dumps(result)).values())) <= {int, float}


def test_raw_pixels_ignore_brightness_and_contrast():
    rng = np.random.default_rng(0)
    image = rng.integers(40, 90, (1, 64, 64, 3)).astype(np.uint8)
    both = raw_pixel_embeddings(np.concatenate([image, image * 2 + 30]))
    assert both.shape == (2, 32 * 32 * 3)
    assert both.dtype == np.float32
    np.testing.assert_allclose(both[0], both[1], atol=1e-3)
    np.testing.assert_allclose([both.mean(), both.std()], [0, 1], atol=1e-4)
    assert np.isfinite(raw_pixel_embeddings(np.zeros((1, 20, 20, 1), np.uint8))).all()
    with pytest.raises(UserError, match="shape"):
        raw_pixel_embeddings(np.zeros((4, 4)))


def test_photos_without_a_match_are_refused_by_the_rules_that_rank_them():
    labels, everything = np.array([0, 0, 1]), np.arange(3)
    check_matches(labels, everything, everything, {})
    check_matches(labels, everything[:1], everything, {"camera": np.array(["a", "b", "b"])})
    check_matches(labels, everything, everything, {"camera": np.array(["a", "a", "a"])})
    for query, gallery, cameras in (
        (everything[2:], everything, None),
        (everything, everything[2:], None),
        (everything[:1], everything[:1], None),
        (everything, everything, np.array(["a", "a", "b"])),
    ):
        columns = {} if cameras is None else {"camera": cameras}
        with pytest.raises(UserError, match="Nothing can be searched for"):
            check_matches(labels, query, gallery, columns)
        result = evaluate_embeddings(np.eye(3), labels, query, gallery, columns=columns)
        assert np.isnan(result["mAP"])


def test_json_holds_no_nan():
    values = {"a": float("nan"), "b": [np.float32("inf"), np.int64(2)], 3: {"c": 0.5}}
    written = json.loads(plain_json(values), parse_constant=pytest.fail)
    assert written == {"a": None, "b": [None, 2], "3": {"c": 0.5}}
