"""H5 files of videos: what is read, what is left out and named, and how they are divided."""

import itertools
import json
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reid_jax import UserError
from reid_jax.data.videos.features import load_folds, load_video_features, natural_order
from tests.paths import shared

h5py = pytest.importorskip("h5py")


def fields(frames: int = 31, width: int = 4, **changes):
    """A video in the community's layout, one row every 15th frame."""
    rng = np.random.default_rng(frames)
    picks = np.arange(0, frames, 15)
    values = {
        "features": rng.random((len(picks), width)).astype(np.float32),
        "gtscore": rng.random(len(picks)),
        "gtsummary": np.zeros(len(picks)),
        "user_summary": rng.integers(0, 2, (3, frames)).astype(np.float32),
        "change_points": np.array([[0, 9], [10, frames - 1]]),
        "n_frame_per_seg": np.array([10, frames - 10]),
        "n_frames": frames,
        "picks": picks,
        "n_steps": len(picks),
    } | changes
    return {name: value for name, value in values.items() if value is not None}


def write(path, videos):
    with h5py.File(path, "w") as file:
        for key, values in videos.items():
            for name, value in values.items():
                file[f"{key}/{name}"] = value
    return path


def test_the_communitys_layout(tmp_path, capsys):
    one, ten = fields(31), fields(50, video_name="a", category=b"VT")
    videos = load_video_features(write(tmp_path / "a.h5", {"video_10": ten, "video_2": one}))
    assert [video.key for video in videos] == ["video_2", "video_10"]
    first, second = videos
    np.testing.assert_array_equal(first.features, one["features"])
    assert first.features.dtype == np.float32
    assert first.picks.tolist() == [0, 15, 30]
    assert first.picks.dtype == np.int64
    assert first.n_frames == 31
    assert first.gtscore.dtype == np.float32
    np.testing.assert_array_equal(first.user_summary, one["user_summary"])
    assert first.change_points.tolist() == [[0, 9], [10, 30]]
    assert first.user_scores is first.shots_2s is first.category is None
    assert second.category == "VT"
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"features": None}, "no features"),
        ({"picks": None, "n_frames": None}, "no picks and no n_frames"),
        ({"features": np.zeros((3,))}, "1 axes"),
        ({"features": np.zeros((0, 4)), "picks": np.zeros(0, int)}, "empty"),
        ({"features": np.full((3, 4), np.nan)}, "not finite"),
        ({"features": np.zeros((2, 4))}, "2 rows of features and 3 picks"),
        ({"features": np.zeros((3, 5))}, "5 numbers a row, not 4"),
        ({"picks": np.array([0, 15, 15])}, "do not rise"),
        ({"picks": np.array([0, 15, 31])}, "do not rise"),
        ({"features": np.array([["a"] * 4] * 3, "S1")}, "left out"),
    ],
)
def test_a_video_that_cannot_be_used_is_left_out_and_named(tmp_path, capsys, changes, reason):
    path = write(tmp_path / "a.h5", {"good": fields(), "well": fields(), "bad": fields(**changes)})
    assert [video.key for video in load_video_features(path)] == ["good", "well"]
    said = capsys.readouterr().err
    assert "1 unusable" in said
    assert "bad is left out" in said
    assert reason in said


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("gtscore", np.zeros(2), "length is 2 where 3"),
        ("gtscore", np.array([0, np.inf, 1]), "not finite"),
        ("user_summary", np.zeros((2, 30)), "length is 30 where 31"),
        ("user_scores", np.zeros(31), "1 axes, not 2"),
        ("user_scores", np.zeros((0, 31)), "empty"),
        ("change_points", np.array([[0, 9], [11, 30]]), "follow each other"),
        ("shots_2s", np.array([[0, 20], [21, 40], [41, 60]]), "follow each other"),
    ],
)
def test_a_field_that_cannot_be_used_is_none(tmp_path, capsys, name, value, reason):
    (video,) = load_video_features(write(tmp_path / "a.h5", {"v": fields(**{name: value})}))
    assert getattr(video, name) is None
    said = capsys.readouterr().err
    assert f"v is read without {name}" in said
    assert reason in said


def test_the_last_segment_ends_with_the_video(tmp_path):
    for end in (28, 30, 31):
        values = fields(change_points=np.array([[0, 9], [10, end]]))
        (video,) = load_video_features(write(tmp_path / "a.h5", {"v": values}))
        assert video.change_points.tolist() == [[0, 9], [10, 30]]


def test_what_is_no_file_of_videos_is_one_sentence(tmp_path):
    with pytest.raises(UserError, match="There is no file"):
        load_video_features(tmp_path / "none.h5")
    (tmp_path / "text.h5").write_text("not H5")
    with pytest.raises(UserError, match="is not an H5 file"):
        load_video_features(tmp_path / "text.h5")
    whole = write(tmp_path / "whole.h5", {"v": fields()})
    (tmp_path / "cut.h5").write_bytes(whole.read_bytes()[:1000])
    with pytest.raises(UserError, match="is not an H5 file"):
        load_video_features(tmp_path / "cut.h5")
    with pytest.raises(UserError, match=r"No video .* can be used \(v is left out: it has no p"):
        load_video_features(write(tmp_path / "bad.h5", {"v": fields(picks=None)}))
    with h5py.File(tmp_path / "loose.h5", "w") as file:
        file["features"] = np.zeros((3, 4))
    with pytest.raises(UserError, match="not a group"):
        load_video_features(tmp_path / "loose.h5")


def test_folds_without_a_file_cover_every_video_once():
    keys = [f"video_{i}" for i in range(12)]
    folds = load_folds(None, keys[::-1], 5)
    assert sorted((key for _, test in folds for key in test), key=natural_order) == keys
    for train, test in folds:
        assert sorted(train + test, key=natural_order) == keys
        assert len(test) in (2, 3)
    with pytest.raises(UserError, match="2 videos cannot be divided into 5"):
        load_folds(None, keys[:2], 5)


def test_keys_of_folds_may_have_another_unicode_form(tmp_path):
    composed, split = "Zo\u00eb", "Zoe\u0308"
    path = tmp_path / "splits.json"
    path.write_text(json.dumps([{"train_keys": ["a"], "test_keys": [composed]}]))
    assert load_folds(path, ["a", split]) == [(["a"], [split])]
    assert load_folds(path, ["a", split, composed]) == [(["a"], [composed])]


def test_folds_of_a_file(tmp_path, capsys):
    path = tmp_path / "splits.json"

    def folds(content):
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return load_folds(path, ["a", "b", "c"])

    assert folds([{"train_keys": ["x.h5/a", "b", "lost"], "test_keys": ["c"]}]) == [
        (["a", "b"], ["c"])
    ]
    said = capsys.readouterr().err
    assert "lost is not in the data" in said
    assert "several folds" not in said
    assert folds([{"train_keys": ["a", "b", "a"], "test_keys": ["c", "x.h5/c"]}]) == [
        (["a", "b"], ["c"])
    ]
    overlapping = [
        {"train_keys": ["a"], "test_keys": ["b", "c"]},
        {"train_keys": ["b"], "test_keys": ["a", "c"]},
    ]
    capsys.readouterr()
    assert len(folds(overlapping)) == 2
    assert "1 of 3 test videos are in the test sets of several folds" in capsys.readouterr().err
    for content, message in [
        ("{", "is not a JSON file"),
        ([], "holds no fold"),
        ([{"train_keys": ["a"]}], "no list test_keys in fold 0"),
        ([{"train_keys": ["a"], "test_keys": ["a"]}], "on its test video a"),
        ([{"train_keys": ["a"], "test_keys": ["z"]}], "without test videos"),
    ]:
        with pytest.raises(UserError, match=message):
            folds(content)


def test_the_real_file(capsys):
    videos = load_video_features(shared("data/tvsum/tvsum.h5"))
    assert len(videos) == 40
    assert capsys.readouterr().err == ""
    for video in videos:
        assert video.features.shape == (len(video.picks), 1280)
        assert video.user_scores.shape == (20, video.n_frames)
        mean = (video.user_scores[:, video.picks].mean(axis=0) - 1) / 4
        np.testing.assert_allclose(video.gtscore, mean, atol=1e-6)
        assert video.change_points is not None
        assert video.shots_2s is not None
        assert video.category
    folds = load_folds(shared("data/tvsum/splits.json"), [video.key for video in videos])
    assert [len(test) for _, test in folds] == [8] * 5
    assert len({key for _, test in folds for key in test}) == 40


@pytest.mark.parametrize(
    "keys",
    [
        [
            "m",
            "m1",
            "m1\u00b2",
            "m2",
            "m\u00b2",
            "m\u00b3a",
        ],  # superscripts are no numbers
        ["v\u0661", "v2", "v\u0661\u0660"],  # 1, 2, 10
        ["v", "v007", "v7", "v8", "v10", "v" + "9" * 4301, "v1" + "0" * 4301],
        ["", "1", "1a", "2", "a"],
    ],
)
def test_any_name_has_a_place_in_the_order(keys):
    assert sorted(keys[len(keys) // 2 :] + keys[: len(keys) // 2], key=natural_order) == keys


@given(st.lists(st.from_regex(r"[ab]{0,2}([0-9]{1,3}[ab]?){0,2}", fullmatch=True)))
def test_names_with_numbers_are_ordered_as_people_do(keys):
    def parts(key):
        split = re.findall(r"[0-9]+|[ab]+", key)
        return [(1, "", int(part)) if part.isdecimal() else (2, part, 0) for part in split]

    found = sorted(keys, key=natural_order)
    for first, second in itertools.pairwise(found):
        assert parts(first) <= parts(second)


def test_keys_with_superscripts_are_read(tmp_path):
    with h5py.File(tmp_path / "videos.h5", "w") as file:
        for key in ("area 5\u00b2", "area 5", "area"):
            file[f"{key}/features"] = np.ones((2, 3), np.float32)
            file[f"{key}/picks"], file[f"{key}/n_frames"] = [0, 15], 30
    found = [video.key for video in load_video_features(tmp_path / "videos.h5")]
    assert found == ["area", "area 5", "area 5\u00b2"]
