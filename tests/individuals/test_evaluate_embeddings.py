"""All measures together, on embeddings whose answer is known."""

import json

import numpy as np
import pytest

from reid_jax import UserError
from reid_jax.individuals import measures as embedding
from reid_jax.individuals import run as evaluation_run
from reid_jax.individuals.measures import (
    evaluate_embeddings,
    held_out,
    left_out,
    raw_pixel_embeddings,
    some_queries,
)
from reid_jax.individuals.model import load_run
from reid_jax.individuals.run import evaluate_run
from reid_jax.ops.ranking.matching import check_matches, retrieval_rules
from reid_jax.ops.ranking.retrieval import evaluate_distances, evaluate_retrieval
from reid_jax.reporting.plain_json import plain_json
from tests.tiny_run import make_tiny_run


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


def normalized(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_photos_learnt_by_heart_do_not_make_pairs(metric):
    """Noise for every held-out photo says nothing, however well the gallery is known."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(200), 10)
    query = np.flatnonzero(np.arange(2000) % 10 >= 7)
    gallery = np.setdiff1d(np.arange(2000), query)
    embeddings = normalized(rng.standard_normal((200, 16)))[labels]
    embeddings[query] = normalized(rng.standard_normal((len(query), 16)))
    result = evaluate_embeddings(embeddings, labels, query, gallery, metric=metric)
    assert result["roc_auc"] == pytest.approx(0.5, abs=0.04)
    assert result["tar@far=0.001"] < 0.01
    assert result["num_pairs"] == 100_000


def test_pairs_are_those_that_a_search_compares():
    # Two photos of one day, and by one camera, are no pair of an individual.
    labels, everything = np.repeat(np.arange(6), 4), np.arange(24)
    day = np.tile([0, 0, 1, 1], 6)
    columns = {"date": np.datetime64("2020-01-01T10", "s") + day * np.timedelta64(86400, "s")}
    by_day = np.eye(12)[labels * 2 + day]
    result = evaluate_embeddings(by_day, labels, everything, everything, columns=columns)
    assert result["roc_auc"] == pytest.approx(0.5)
    assert result["num_pairs"] == 24 * 23 // 2 - 6 * 2
    columns = {"camera": day}
    result = evaluate_embeddings(by_day, labels, everything, everything, columns=columns)
    assert result["roc_auc"] == pytest.approx(0.5)
    columns["camera"] = np.tile([0, 0, 0, 0], 6)
    result = evaluate_embeddings(by_day, labels, everything, everything, columns=columns)
    assert result["roc_auc"] > 0.6


def test_two_exact_copies_are_no_pair():
    rng = np.random.default_rng(0)
    labels, everything = np.tile(np.repeat(np.arange(20), 5), 2), np.arange(200)
    noise = np.tile(rng.standard_normal((100, 16)), (2, 1))  # each photo under two names
    columns = {"digest": np.tile(np.arange(100), 2).astype("S32")}
    result = evaluate_embeddings(noise, labels, everything, everything, columns=columns)
    assert result["num_pairs"] == 200 * 199 // 2 - 100
    assert result["roc_auc"] == pytest.approx(0.5, abs=0.05)
    assert result["tar@far=0.001"] < 0.02


def test_what_is_held_out_is_pictured_and_asked_in_episodes():
    assert held_out(np.array([3, 1]), np.array([0, 2])).tolist() == [1, 3]
    assert held_out(np.array([3, 1]), np.array([0, 1, 3])).tolist() == [0, 1, 3]
    labels, drawer = np.repeat(np.arange(24), 4), np.tile(np.arange(4), 24)
    embeddings = np.eye(24)[labels]
    query = np.flatnonzero(drawer >= 2)
    embeddings[query] = np.random.default_rng(0).standard_normal((48, 24))
    columns = {"alphabet": labels * 0, "drawer": drawer}
    gallery = np.setdiff1d(np.arange(96), query)
    result = evaluate_embeddings(embeddings, labels, query, gallery, columns=columns)
    assert result["one_shot_20way"] < 0.15  # by heart it would be 0.5 and more


def test_a_missing_camera_excludes_nothing():
    """A column that is filled in once changed Rank-1 from 0.039 to 0.000."""
    rng = np.random.default_rng(0)
    labels, everything = np.repeat(np.arange(30), 6), np.arange(180)
    embeddings = np.eye(30)[labels] + 0.4 * rng.standard_normal((180, 30))
    plain = evaluate_embeddings(embeddings, labels, everything, everything)
    assert not left_out(plain)
    camera = np.full(180, "", "<U8")
    camera[7] = "north"
    once = evaluate_embeddings(
        embeddings, labels, everything, everything, columns={"camera": camera}
    )
    assert once == plain
    camera[:12] = np.tile(["north", "south"], 6)
    some = evaluate_embeddings(
        embeddings, labels, everything, everything, columns={"camera": camera}
    )
    assert some["num_excluded"] == 0
    assert some["num_pairs"] == plain["num_pairs"] - 12  # 2 individuals, 2 cameras, 3 pairs each
    camera[:6] = "north"
    alone = evaluate_embeddings(
        embeddings, labels, everything, everything, columns={"camera": camera}
    )
    assert alone["num_excluded"] == 6
    assert left_out(alone)[0].startswith("6 of 180 photos")


def test_too_few_individuals_have_no_interval():
    labels = np.repeat(np.arange(2), 5)
    embeddings, rows = np.eye(2)[labels], np.arange(10)
    result = evaluate_embeddings(embeddings, labels, rows, rows)
    assert np.isnan([result["rank1_low"], result["mAP_high"]]).all()


def test_cameras_that_are_not_known_agree_with_none():
    ids = np.array([0, 0, 1])
    for unknown in ("", " ", "nowhere"):
        cameras = np.array(["a", unknown, unknown])
        result = evaluate_retrieval(np.eye(3), np.eye(3), ids, ids, cameras, cameras)
        assert result["num_excluded"] == (1 if unknown == "nowhere" else 0)
    days = np.array(["2020-01-01", "NaT", "NaT"], "datetime64[D]")
    result = evaluate_retrieval(
        np.eye(3), np.eye(3), ids, ids, query_groups=days, gallery_groups=days
    )
    assert result["num_excluded"] == 0


def test_photos_that_were_trained_on_are_counted_and_left_out_beside():
    rng = np.random.default_rng(0)
    labels, everything = np.repeat(np.arange(30), 6), np.arange(180)
    trained = np.arange(180) % 6 < 4
    by_heart = np.eye(30)[labels]
    by_heart[~trained] = rng.standard_normal((60, 30))
    result = evaluate_embeddings(by_heart, labels, everything, everything, trained=trained)
    assert result["num_queries_trained"] == 120
    assert result["rank1"] > 0.6
    assert result["rank1_without_trained"] < 0.2
    assert "120 of 180 photos that are searched for were trained on" in left_out(result)[0]
    alone = evaluate_embeddings(by_heart, labels, everything[~trained], everything)
    assert result["mAP_without_trained"] == alone["mAP"]
    nothing = evaluate_embeddings(
        by_heart, labels, everything, everything, trained=np.ones(180, bool)
    )
    assert np.isnan(nothing["rank1_without_trained"])
    assert left_out(nothing)[0].startswith("All 180 photos")
    fresh = evaluate_embeddings(
        by_heart, labels, everything, everything, trained=np.zeros(180, bool)
    )
    assert "num_queries_trained" not in fresh


@pytest.mark.exhaustive
def test_a_run_knows_its_training_photos_in_another_source(tmp_path, capsys):
    run = make_tiny_run(tmp_path / "run", steps=3)
    found = evaluate_run(run, "synthetic:12x6")
    said = capsys.readouterr().out
    with np.load(run / "split.npz") as kept:
        assert found["num_queries_trained"] == len(kept["train"])
    assert f"{found['num_queries_trained']} of 72 photos that are searched for were trained" in said
    assert "Rank-1, not trained on" in said
    page = (run / "report-synthetic-12x6" / "index.html").read_text()
    assert "were trained on, which flatters" in page
    assert "num_queries_trained" not in evaluate_run(run)

    # A run of an earlier version kept no digests: its photos are looked at, if they are there.
    kept = evaluation_run._learnt(load_run(run))
    with np.load(run / "split.npz") as file:
        parts = {name: file[name] for name in file.files if not name.startswith("digests")}
    np.savez(run / "split.npz", **parts)
    assert set(evaluation_run._learnt(load_run(run))) == set(kept)
    config = json.loads((run / "config.json").read_text())
    config["data"]["source"] = f"folder:{tmp_path / 'gone'}"
    (run / "config.json").write_text(json.dumps(config))
    capsys.readouterr()
    assert evaluation_run._learnt(load_run(run)) is None
    assert "were trained on cannot be said" in capsys.readouterr().out


def test_further_rules_are_asked_of_whom_they_change_and_give_the_same(monkeypatch):
    """Days, copies and trained photos beside the plain measures: as if all were ranked again."""
    rng = np.random.default_rng(9)
    labels = rng.integers(0, 12, 90)
    day = np.datetime64("2020-01-01", "s") + (rng.integers(0, 40, 90) * 86400).astype("m8[s]")
    day[::7] = np.datetime64("NaT")
    digest = np.array([b"%032d" % number for number in rng.integers(0, 80, 90)])
    columns = {"date": day, "digest": digest, "camera": rng.choice(["a", "b", ""], 90)}
    embeddings = rng.standard_normal((90, 6)).astype(np.float32) + labels[:, None] / 4
    query, gallery = np.arange(0, 90, 2), np.arange(90)
    trained = rng.random(90) < 0.3
    asked = []

    def recorded(queries, *arguments, **options):
        asked.append(len(queries))
        return evaluate_retrieval(queries, *arguments, **options)

    monkeypatch.setattr(embedding, "evaluate_retrieval", recorded)
    options = {"columns": columns, "trained": trained}
    result = evaluate_embeddings(embeddings, labels, query, gallery, **options)
    assert len(asked) == 3
    assert asked[0] == len(query)
    assert 0 < max(asked[1:]) < len(query)

    rules = retrieval_rules(labels, query, gallery, columns)
    content = np.unique(digest, return_inverse=True)[1]
    fresh = query[~trained[query]]
    rows = {
        "other_day": (query, retrieval_rules(labels, query, gallery, columns, other_day=True)),
        "without_copies": (
            query,
            {**rules, "query_index": content[query], "gallery_index": content[gallery]},
        ),
        "without_trained": (fresh, retrieval_rules(labels, fresh, gallery, columns)),
    }
    for name, (rows_asked, further) in rows.items():
        expected = evaluate_retrieval(embeddings[rows_asked], embeddings[gallery], **further)
        for key in ("rank1", "mAP", "num_excluded"):
            assert result[f"{key}_{name}"] == pytest.approx(expected[key], rel=1e-12), name


def test_a_baseline_too_large_to_rank_is_judged_by_drawn_queries():
    query = np.arange(5, 50_005)
    assert some_queries(query, 50_000, 512, 0) is query
    part = some_queries(query, 10**5, 3072, 0)
    assert 6000 < len(part) < 7000
    assert (np.diff(part) > 0).all()
    assert np.isin(part, query).all()
    np.testing.assert_array_equal(part, some_queries(query, 10**5, 3072, 0))
    assert not np.array_equal(part, some_queries(query, 10**5, 3072, 1))
    assert len(some_queries(query, 10**8, 3072, 0)) == 1000
