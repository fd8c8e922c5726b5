"""Runs that train a similarity, compared on the same pairs: luck is not called a difference."""

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reid_jax import UserError, questions
from reid_jax.ops.verification import roc_auc
from reid_jax.same_video.compare import PairContender, compare
from reid_jax.same_video.measures import auc_components
from reid_jax.same_video.run import ScoredPairs
from tests.keyframe_videos import write_videos
from tests.tiny_run import tiny_similarity_config


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=2, max_size=30))
def test_components_are_those_of_a_loop_and_their_means_the_auc(pairs):
    scores = np.array([score for score, _ in pairs], float)
    same = np.array([one for _, one in pairs])
    if same.all() or not same.any():
        return
    found = auc_components(scores, same)
    for value, score, one in zip(found, scores, same, strict=True):
        wins = [
            0.5 if score == other else float((score > other) == one)
            for other in scores[same != one]
        ]
        assert value == pytest.approx(np.mean(wins))
    for part in (same, ~same, np.ones(len(same), bool)):
        assert found[part].mean() == pytest.approx(roc_auc(scores, same))


def test_a_better_run_is_told_and_an_equal_one_is_not():
    rng = np.random.default_rng(0)
    videos = np.repeat(np.arange(20), 20)
    same = np.tile([True, False], 200)
    noise = rng.normal(size=400)
    scores = {
        "good": same + 0.3 * noise,
        "also good": same + 0.3 * noise + 1e-3 * rng.normal(size=400),
        "bad": same + 1.5 * noise,
    }
    scored = ScoredPairs(
        list(scores), {"same": same, "video": np.stack([videos, videos], 1)}, {}, scores, {}, 20, ()
    )
    rows = {name: {"roc_auc": roc_auc(s, same), "threshold": 0.5} for name, s in scores.items()}
    contenders = [
        PairContender(name, rows[name], 1, 1, scores=each, same=same)
        for name, each in scores.items()
    ]
    found = {
        (one.first, one.second, one.measure.key): one
        for one in compare(contenders, scored, rows).differences
    }
    assert len(found) == 6
    told = found["good", "bad", "roc_auc"]
    assert told.is_one
    assert told.value == pytest.approx(rows["good"]["roc_auc"] - rows["bad"]["roc_auc"])
    assert (told.groups, told.of) == (20, "videos")
    assert found["good", "bad", "accuracy"].is_one
    assert not found["good", "also good", "roc_auc"].is_one


def test_two_runs_are_compared_and_those_on_other_folds_refused(tmp_path, capsys):
    write_videos(tmp_path / "videos.h5", 12)
    config = tiny_similarity_config(tmp_path / "videos.h5")
    for name, seed, fold in (("a", 0, 0), ("b", 1, 0), ("c", 0, 1)):
        changed = dataclasses.replace(
            config,
            data=dataclasses.replace(config.data, fold=fold),
            train=dataclasses.replace(config.train, seed=seed),
        )
        questions.train(changed, tmp_path / name)
    before = (tmp_path / "a" / "report" / "index.html").read_bytes()
    capsys.readouterr()
    found = questions.compare_runs([tmp_path / "a", tmp_path / "b"], tmp_path / "out")
    said = capsys.readouterr().out
    assert "intervals over videos" in said
    assert "Split by video: whole videos were held out, those of fold 0 of 3" in said
    assert {one["measure"] for one in found["differences"]} == {"roc_auc", "accuracy"}
    assert [one["name"] for one in found["runs"]] == ["a", "b"]
    for name in ("comparison.txt", "comparison.json", "roc.png", "kinds.png"):
        assert (tmp_path / "out" / name).is_file()
    written = json.loads((tmp_path / "out" / "comparison.json").read_text())
    assert written["differences"][0]["groups_of"] == "videos"
    own = json.loads((tmp_path / "a" / "report" / "metrics.json").read_text())["metrics"]
    assert written["runs"][0]["metrics"]["roc_auc"] == pytest.approx(own["roc_auc"])
    assert (tmp_path / "a" / "report" / "index.html").read_bytes() == before
    with pytest.raises(UserError, match=r"differ in data\.fold"):
        questions.compare_runs([tmp_path / "a", tmp_path / "c"])
