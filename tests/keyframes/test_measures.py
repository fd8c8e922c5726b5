"""Agreement with annotators, against plain loops and the published numbers of the protocol."""

import math
from dataclasses import replace

import numpy as np
import pytest

from reid_jax import UserError
from reid_jax.data.videos.features import VideoFeatures, load_folds, load_video_features
from reid_jax.keyframes.baselines import (
    ANNOTATOR,
    CEILING,
    CENTRE,
    RANDOM,
    RIDGE,
    keyframe_baselines,
    ridge_scores,
)
from reid_jax.keyframes.measures import (
    METRICS,
    annotator_summaries,
    evaluate_keyframes,
    f1_scores,
    mean_over_videos,
    precision_at_top,
)
from reid_jax.keyframes.report import remarks
from reid_jax.keyframes.targets import annotations
from tests.paths import shared

RNG = np.random.default_rng(0)


def make_video(key="a", picks=8, users=4, seed=0):
    """A pick every third frame, segments of two picks, shots of one."""
    rng = np.random.default_rng(seed)
    frames = 3 * picks
    starts, short = np.arange(0, frames, 6), np.arange(0, frames, 3)
    scores = np.repeat(rng.integers(1, 6, (users, picks)), 3, axis=1).astype(np.float32)
    return VideoFeatures(
        key=key,
        features=rng.standard_normal((picks, 5)).astype(np.float32),
        picks=short,
        n_frames=frames,
        gtscore=(scores[:, ::3].mean(axis=0) - 1) / 4,
        user_scores=scores,
        change_points=np.stack([starts, np.append(starts[1:], frames) - 1], axis=1),
        shots_2s=np.stack([short, short + 2], axis=1),
    )


def kendall(a, b):
    """Kendall's tau-b by going through all pairs."""
    agree = ties_a = ties_b = pairs = 0
    for i in range(len(a)):
        for k in range(i):
            x, y = np.sign(a[i] - a[k]), np.sign(b[i] - b[k])
            agree += x * y
            ties_a += x == 0
            ties_b += y == 0
            pairs += 1
    return agree / math.sqrt((pairs - ties_a) * (pairs - ties_b))


def spearman(a, b):
    """Pearson's correlation of the ranks, ties at the mean rank."""

    def ranks(values):
        return [sum(v < x for v in values) + (sum(v == x for v in values) + 1) / 2 for x in values]

    return np.corrcoef(ranks(a), ranks(b))[0, 1]


def test_correlations_are_those_of_the_definition():
    video = make_video(picks=11)
    scores = RNG.integers(0, 5, 11).astype(float)
    found = evaluate_keyframes({"a": scores}, [video])
    users = video.user_scores[:, video.picks]
    for name, measure in (("kendall", kendall), ("spearman", spearman)):
        expected = np.mean([measure(scores, user) for user in users])
        assert found[f"{name}_users"] == pytest.approx(expected)
        assert found[f"{name}_mean"] == pytest.approx(measure(scores, video.gtscore))
    assert found["mse"] == pytest.approx(np.mean((scores - video.gtscore) ** 2))
    assert found["mae"] == pytest.approx(np.mean(np.abs(scores - video.gtscore)))
    assert found["num_videos"] == 1
    assert found["num_picks"] == 11
    assert set(METRICS) == set(found["per_video"]["a"])


def test_errors_against_ratings_are_those_against_what_is_learnt():
    video = make_video()
    low, high = video.gtscore.min(), video.gtscore.max()
    scores = {"a": (video.gtscore - low) / (high - low)}
    rated = replace(video, gtscore=1 + 4 * video.gtscore)
    assert evaluate_keyframes(scores, [rated])["mae"] == pytest.approx(0, abs=1e-6)


def test_f1_is_the_harmonic_mean_of_precision_and_recall():
    own, others = RNG.random((3, 20)) < 0.4, RNG.random((4, 20)) < 0.4
    own[0] = others[0] = False
    for i, k in np.ndindex(3, 4):
        both = np.sum(own[i] & others[k])
        expected = 0.0
        if both:
            precision, recall = both / own[i].sum(), both / others[k].sum()
            expected = 2 * precision * recall / (precision + recall)
        assert f1_scores(own, others)[i, k] == pytest.approx(expected)


def test_summaries_are_by_knapsack_over_segments():
    video = make_video(picks=20)  # 60 frames: 9 of them are 15%, a segment is 6 and a shot 3
    scores = np.zeros(20)
    scores[[4, 9, 14]] = 3, 2, 1
    user = np.ones((2, 60), np.float32)
    user[0, 12:15], user[0, 27:30], user[1, 42:45] = 5, 5, 5
    user[1, 45:51] = 2
    video = replace(video, user_scores=user)
    found = evaluate_keyframes({"a": scores}, [video])
    # Segments: ours is 12-17; of the first also (of equals the earlier), of the second 42-47.
    assert annotator_summaries(video, "kts").nonzero()[1].tolist() == [
        *range(12, 18),
        *range(42, 48),
    ]
    assert found["f1_kts_mean"] == pytest.approx(0.5)
    assert found["f1_kts_max"] == pytest.approx(1)
    # Shots: ours are 12-14, 27-29, 42-44; of the first two of these and 0-2, of the second 42-50.
    assert found["f1_2s_mean"] == pytest.approx((2 / 3 + 1 / 3) / 2)
    assert found["f1_2s_max"] == pytest.approx(2 / 3)


def test_summaries_of_the_file_are_taken_for_its_segments():
    video = make_video(picks=20)
    summary = np.zeros((2, 60), np.float32)
    summary[:, 6:12] = 1
    both = replace(video, user_summary=summary)
    np.testing.assert_array_equal(annotator_summaries(both, "kts"), summary > 0)
    np.testing.assert_array_equal(annotator_summaries(both, "2s"), annotator_summaries(video, "2s"))
    alone = replace(both, user_scores=None)
    np.testing.assert_array_equal(annotator_summaries(alone, "2s"), summary > 0)
    assert annotator_summaries(replace(video, user_scores=None), "kts") is None


def test_summaries_take_the_place_of_scores_that_a_file_lacks():
    """As in SumMe's and the community's TVSum file; validation sees the same annotators."""
    video = make_video(picks=12)
    summary = (RNG.random((3, 36)) < 0.4).astype(np.float32)
    alone = replace(video, user_scores=None, user_summary=summary)
    scores = RNG.random(12)
    found = evaluate_keyframes({"a": scores}, [alone])
    rows = summary[:, alone.picks]
    np.testing.assert_array_equal(annotations(alone), rows)
    for name, measure in (("kendall", kendall), ("spearman", spearman)):
        expected = np.mean([measure(scores, row) for row in rows])
        assert found[f"{name}_users"] == pytest.approx(expected)
    assert found["num_without_users"] == 0
    assert remarks(found) == [
        "1 of 1 videos has no scores of annotators: their summaries take the place of these."
    ]
    assert keyframe_baselines([alone], [alone], 0)[ANNOTATOR]["kendall_users"] == pytest.approx(
        np.mean([kendall(rows[i], rows[k]) for i, k in [(0, 1), (0, 2), (1, 2)]])
    )
    both = evaluate_keyframes({"a": scores}, [replace(video, user_summary=summary)])
    assert both["kendall_users"] == evaluate_keyframes({"a": scores}, [video])["kendall_users"]
    assert remarks(both) == []


def test_precision_counts_ties_of_the_truth_as_right():
    target = np.array([5, 4, 4, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1.0])  # 15% of 13 is 2
    assert precision_at_top(np.array([9, 0, 8, *range(-10, 0)]), target) == 1
    assert precision_at_top(np.array([9, 0, 0, *range(1, 11)]), target) == 0.5
    assert precision_at_top(-target, target) == 0


def test_scores_that_rank_nothing():
    videos = [make_video(key, picks=9, seed=seed) for seed, key in enumerate("abcd")]
    single = replace(
        make_video("s", picks=1), change_points=np.array([[0, 2]]), shots_2s=np.array([[0, 2]])
    )
    scores = {key: RNG.random(9) for key in "ab"}
    scores |= {"c": np.full(9, 0.5), "d": np.full(9, np.nan), "s": np.array([0.3])}
    found = evaluate_keyframes(scores, [*videos, single])
    assert found["num_constant"] == found["num_not_finite"] == found["num_single"] == 1
    assert found["num_without_users"] == 1  # with one pick, no annotator differs
    row = found["per_video"]
    assert row["c"]["kendall_users"] == row["c"]["spearman_mean"] == 0
    assert row["c"]["mse"] > 0
    assert row["d"]["kendall_users"] == row["d"]["precision_at_15"] == row["d"]["f1_2s_mean"] == 0
    assert math.isnan(row["d"]["mse"])
    assert math.isnan(row["s"]["kendall_users"])
    assert math.isnan(row["s"]["precision_at_15"])
    assert found["num_without_best"] == 1
    expected = np.mean([row[key]["spearman_users"] for key in "abcd"])
    assert found["spearman_users"] == pytest.approx(expected)
    assert found["spearman_users_low"] <= expected <= found["spearman_users_high"]


def test_an_annotator_who_rates_all_alike_is_left_out():
    video = make_video(picks=9)
    scores = {"a": RNG.random(9)}
    expected = evaluate_keyframes(scores, [video])["kendall_users"]
    dull = replace(video, user_scores=np.vstack([video.user_scores, np.ones((1, 27))]))
    assert evaluate_keyframes(scores, [dull])["kendall_users"] == pytest.approx(expected)


@pytest.mark.parametrize("best", [0, 1, 2])
def test_a_video_without_a_best_part_says_nothing_about_scores(best):
    """15% of 20 picks are 3: where fewer are rated above the rest, any choice would be right."""
    even = np.zeros(20, np.float32)
    even[4 : 4 + best] = 1
    dull = replace(make_video("dull", picks=20), gtscore=even, user_scores=None)
    other = make_video("other", picks=20, seed=1)
    scores = {"dull": RNG.random(20), "other": RNG.random(20)}
    alone = evaluate_keyframes(scores, [dull])
    assert math.isnan(alone["precision_at_15"])
    assert alone["num_without_best"] == 1
    assert "1 of 1 videos has no best 15%" in " ".join(remarks(alone))
    both, one = evaluate_keyframes(scores, [dull, other]), evaluate_keyframes(scores, [other])
    assert both["precision_at_15"] == one["precision_at_15"]
    assert one["num_without_best"] == 0
    for row in keyframe_baselines([other], [dull, other], 0).values():
        assert math.isnan(row["per_video"]["dull"]["precision_at_15"])


@pytest.mark.parametrize("given", [0, 1])
def test_annotators_who_keep_all_or_nothing_are_left_out_of_summaries(given):
    video = make_video(picks=20)
    scores = {"a": RNG.random(20)}
    alike = np.full((1, 60), given, np.float32)
    dull = replace(video, user_scores=np.vstack([video.user_scores, alike]))
    found, expected = (evaluate_keyframes(scores, [v]) for v in (dull, video))
    summary = (RNG.random((2, 60)) < 0.3).astype(np.float32)
    whole = replace(video, user_summary=np.vstack([summary, alike]))
    kept = evaluate_keyframes(scores, [replace(video, user_summary=summary)])
    for name in ("f1_kts_mean", "f1_kts_max", "f1_2s_mean", "f1_2s_max"):
        assert found[name] == expected[name]
        assert evaluate_keyframes(scores, [whole])[name] == kept[name]
    none = replace(video, user_scores=None, user_summary=alike)
    assert math.isnan(evaluate_keyframes(scores, [none])["f1_kts_mean"])


def test_files_without_annotators_or_segments():
    bare = replace(
        make_video(), user_scores=None, change_points=None, shots_2s=None, user_summary=None
    )
    found = evaluate_keyframes({"a": RNG.random(8)}, [bare])
    assert math.isnan(found["kendall_users"])
    assert math.isnan(found["f1_kts_mean"])
    assert not math.isnan(found["kendall_mean"])
    assert found["num_without_users"] == 1
    baselines = keyframe_baselines([bare], [bare], 0)
    assert set(baselines) == {RANDOM, CENTRE, RIDGE, CEILING}
    nothing = replace(bare, gtscore=None)
    assert set(keyframe_baselines([nothing], [nothing], 0)) == {RANDOM, CENTRE}
    assert math.isnan(evaluate_keyframes({"a": RNG.random(8)}, [nothing])["kendall_mean"])


def test_scores_that_do_not_belong_to_the_videos():
    with pytest.raises(UserError, match="no video"):
        evaluate_keyframes({}, [])
    with pytest.raises(UserError, match="no scores for a"):
        evaluate_keyframes({"b": np.ones(8)}, [make_video()])
    with pytest.raises(UserError, match=r"shape \(7,\); it has 8 picks"):
        evaluate_keyframes({"a": np.ones(7)}, [make_video()])


def test_ridge_is_the_closed_form_and_finds_what_is_linear():
    videos = [make_video(f"{i}", picks=30, seed=i) for i in range(6)]
    weights = 0.03 * RNG.standard_normal(5)  # so that all scores are in [0, 1]
    videos = [
        replace(v, gtscore=0.5 + v.features @ weights + 0.0015 * RNG.standard_normal(30))
        for v in videos
    ]
    train, test = videos[:5], videos[5:]
    scores = ridge_scores(train, test)["5"]
    rows = np.concatenate([v.features for v in train])
    x = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    y = np.concatenate([v.gtscore for v in train])
    gaps = []
    for penalty in np.logspace(-1, 2, 7) * len(x):
        w = np.linalg.solve(x.T @ x + penalty * np.eye(5), x.T @ (y - y.mean()))
        own = (test[0].features - rows.mean(axis=0)) / rows.std(axis=0) @ w + y.mean()
        gaps.append(np.abs(own - scores).max())
    assert min(gaps) < 1e-5
    found = keyframe_baselines(train, test, 0)
    assert found[RIDGE]["spearman_mean"] > 0.95
    assert found[RIDGE]["spearman_mean"] > found[RANDOM]["spearman_mean"]
    assert found[CEILING]["mse"] == 0
    assert ridge_scores(train[:1], test)["5"].shape == (30,)


def test_one_annotator_against_the_others():
    video = make_video(picks=20, users=3)
    users = video.user_scores[:, video.picks]
    found = keyframe_baselines([video], [video], 0)[ANNOTATOR]
    pairs = [(0, 1), (0, 2), (1, 2)]
    assert found["kendall_users"] == pytest.approx(
        np.mean([kendall(users[i], users[k]) for i, k in pairs])
    )
    assert found["spearman_mean"] == pytest.approx(
        np.mean([spearman(users[i], np.delete(users, i, 0).mean(axis=0)) for i in range(3)])
    )
    summaries = annotator_summaries(video, "kts")
    assert found["f1_kts_mean"] == pytest.approx(
        np.mean([f1_scores(summaries[[i]], summaries[[k]])[0, 0] for i, k in pairs])
    )


@pytest.mark.exhaustive
def test_the_protocol_on_real_videos():
    """The five folds land where this protocol is known to put them."""
    videos = {v.key: v for v in load_video_features(shared("data/tvsum/tvsum.h5"))}
    per_video = {}
    for train, test in load_folds(shared("data/tvsum/splits.json"), list(videos)):
        sides = [[videos[key] for key in side] for side in (train, test)]
        for name, found in keyframe_baselines(*sides, 0).items():
            per_video.setdefault(name, {}).update(found["per_video"])
    for name, kendall_users, spearman_users, f1_2s in [
        (RANDOM, 0.0, 0.0, 0.15),
        (CENTRE, 0.10, 0.13, None),
        (RIDGE, 0.183, 0.24, None),
        (ANNOTATOR, 0.177, 0.204, 0.26),
        (CEILING, 0.378, 0.473, 0.40),
    ]:
        found = mean_over_videos(per_video[name])
        assert found["num_videos"] == 40
        assert found["kendall_users"] == pytest.approx(kendall_users, abs=0.02)
        assert found["spearman_users"] == pytest.approx(spearman_users, abs=0.02)
        if f1_2s is not None:
            assert found["f1_2s_mean"] == pytest.approx(f1_2s, abs=0.01)
        assert 0.45 < found["f1_kts_mean"] < 0.66
