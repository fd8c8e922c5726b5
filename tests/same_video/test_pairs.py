"""Pairs of clips are of the kind that they say, and the same for the same seed and step."""

import unicodedata
from dataclasses import replace

import numpy as np
import pytest

from reid_jax.data.videos.features import VideoFeatures, load_video_features
from reid_jax.data.videos.frame_folders import read_frame_folders
from reid_jax.errors import UserError
from reid_jax.models.temporal.frames import masked_mean
from reid_jax.ops.distances import normalize
from reid_jax.ops.verification import roc_auc
from reid_jax.same_video.edits import edit_frames, edit_names
from reid_jax.same_video.pairs import (
    NEGATIVE,
    POSITIVE,
    ClipSampler,
    PairSource,
    PairVideo,
    Track,
    close_videos,
    evaluation_pairs,
    pair_videos,
)
from tests.paths import shared

T = 8


def make_video(number: int, category: str | None, rows: int = 60, copies: bool = True) -> PairVideo:
    frames = np.arange(rows) * 15
    # A row says which video, which row, and whether it is edited.
    features = np.stack([np.full(rows, number), np.arange(rows), np.zeros(rows)], 1)
    edges = np.arange(0, rows * 15, 150)
    segments = np.stack([edges, np.append(edges[1:], rows * 15) - 1], 1)
    edited = Track((features[::3] + np.array([0, 0, 1])).astype(np.float32), frames[::3])
    return PairVideo(
        f"video_{number}",
        Track(features.astype(np.float32), frames),
        segments,
        category,
        {"flip": edited} if copies else {},
    )


@pytest.fixture
def source() -> PairSource:
    categories = ["a", "a", "b", "b", "c"]
    return PairSource([make_video(i, c) for i, c in enumerate(categories)], T)


def test_pairs_are_of_their_kind(source):
    rng = np.random.default_rng(0)
    for _ in range(200):
        one, other = source.draw("same shot", rng)
        assert one.video == other.video
        assert len({row // 10 for row in (*one.rows, *other.rows)}) == 1
        assert not set(one.rows) & set(other.rows)
        one, other = source.draw("same video", rng)
        assert one.video == other.video
        assert not {row // 10 for row in one.rows} & {row // 10 for row in other.rows}
        one, other = source.draw("near-duplicate", rng)
        assert one.video == other.video
        seen = other.rows * 3 if other.track else other.rows
        assert seen.min() >= one.rows.min() - 1
        assert seen.max() <= one.rows.max() + 1
        assert other.edit == ("" if other.track else "speed")
        one, other = source.draw("same category", rng)
        assert {one.video, other.video} in ({0, 1}, {2, 3})
        one, other = source.draw("other video", rng)
        assert one.video != other.video
        assert {one.video, other.video} not in ({0, 1}, {2, 3})
        for clip in (one, other):
            assert 4 <= len(clip.rows) <= T


def test_a_copy_at_another_speed_is_of_the_frames_between():
    source = PairSource([make_video(i, None, copies=False) for i in range(2)], 32)
    rng = np.random.default_rng(0)
    steps = set()
    for _ in range(100):
        one, other = source.draw("near-duplicate", rng)
        assert other.edit == "speed"
        assert not set(one.rows) & set(other.rows)
        assert set(np.diff(one.rows)) == {2}
        steps.add(frozenset(np.diff(other.rows).tolist()))
    assert steps == {frozenset({0, 2}), frozenset({4})}  # half and double speed


def test_noise_finds_no_pair():
    """Clips that shared a row would be found whatever the features are."""
    rng = np.random.default_rng(0)

    def noise(track: Track) -> Track:
        return Track(rng.normal(size=(len(track.frames), 16)).astype(np.float32), track.frames)

    made = [make_video(i, c) for i, c in enumerate("aabbc")]
    videos = [
        replace(v, original=noise(v.original), copies={"flip": noise(v.copies["flip"])})
        for v in made
    ]
    pairs = evaluation_pairs(PairSource(videos, T), 400, seed=0)
    first, second = (
        normalize(masked_mean(pairs["features"][:, i], pairs["frames"][:, i])) for i in (0, 1)
    )
    scores = np.asarray((first * second).sum(axis=1))
    for kind in POSITIVE:
        chosen = ~pairs["same"] | (pairs["kind"] == kind)
        auc = roc_auc(scores[chosen], pairs["same"][chosen])
        assert abs(auc - 0.5) < 0.06, kind


def test_a_very_short_video_still_gives_all_kinds():
    source = PairSource([make_video(i, None, rows=12, copies=False) for i in range(3)], T)
    rng = np.random.default_rng(0)
    for kind in source.kinds:
        for _ in range(50):
            for clip in source.draw(kind, rng):
                assert 4 <= len(clip.rows) <= T
                assert clip.track == ""


def test_without_categories_the_nearest_videos_are_the_hard_ones():
    videos = [make_video(i, None) for i in range(4)]
    means = {0: [1, 0, 0], 1: [1, 0.1, 0], 2: [0, 1, 0], 3: [0.1, 1, 0]}
    videos = [
        replace(v, original=Track(np.tile(np.float32(means[i]), (60, 1)), v.original.frames))
        for i, v in enumerate(videos)
    ]
    close, by_category = close_videos(videos)
    assert not by_category
    assert [rows[0] for rows in close] == [1, 0, 3, 2]


def test_without_two_videos_of_a_category_that_kind_is_missing():
    source = PairSource([make_video(i, c) for i, c in enumerate("ab")], T)
    assert source.kinds == (*POSITIVE, NEGATIVE[1])


@pytest.mark.parametrize("clips_per_video", [0, 4])
def test_batches_are_a_function_of_seed_and_step(source, clips_per_video):
    sampler = ClipSampler(source, 16, clips_per_video, seed=3)
    again = ClipSampler(source, 16, clips_per_video, seed=3)
    for step in (0, 5):
        for name, value in sampler(step).items():
            np.testing.assert_array_equal(value, again(step)[name])
    assert not np.array_equal(sampler(0)["features"], sampler(1)["features"])


def test_batches_hold_what_they_say(source):
    batch = ClipSampler(source, 16, 4, seed=0)(2)
    assert batch["features"].shape == (16, T, 3)
    labels = batch["label"].reshape(4, 4)
    assert (labels == labels[:, :1]).all()
    assert len(set(labels[:, 0])) == 4
    padded = ~batch["frames"]
    assert not batch["features"][padded].any()
    first = batch["features"][:, 0, 0].astype(int)
    np.testing.assert_array_equal(first, batch["label"])

    labels = ClipSampler(source, 16, 0, seed=0)(2)["label"].reshape(8, 2)
    assert (labels[:, 0] == labels[:, 1]).sum() == 4


def test_pairs_for_evaluation(source):
    pairs = evaluation_pairs(source, 6, seed=1)
    assert pairs["features"].shape == (30, 2, T, 3)
    same = pairs["video"][:, 0] == pairs["video"][:, 1]
    np.testing.assert_array_equal(pairs["same"], same)
    edited = pairs["edit"] == "flip"
    assert edited.any()
    np.testing.assert_array_equal(pairs["features"][:, 1, 0, 2] == 1, edited)


@pytest.mark.parametrize(("size", "clips"), [(16, 3), (18, 0), (32, 4), (16, 6)])
def test_impossible_batches_are_refused(source, size, clips):
    with pytest.raises(UserError, match=r"data\."):
        ClipSampler(source, size, clips, seed=0)


def test_too_few_videos_or_rows_are_refused():
    with pytest.raises(UserError, match="at least two"):
        PairSource([make_video(0, None)], T)
    with pytest.raises(UserError, match="12 rows of features or more, and found 1"):
        PairSource([make_video(0, None), make_video(1, None, rows=11)], T)


def test_videos_without_segments_are_cut_evenly():
    video = VideoFeatures("v", np.ones((40, 2), np.float32), np.arange(40) * 15, 600)
    (made,) = pair_videos([video], {})
    assert made.segments[0].tolist() == [0, 239]
    assert made.segments[-1, 1] == 599


@pytest.mark.parametrize("name", edit_names())
def test_an_edit_changes_all_frames_alike_and_is_repeatable(name):
    pytest.importorskip("PIL")
    rng = np.random.default_rng(0)
    frame = rng.integers(256, size=(32, 40, 3)).astype(np.uint8)
    frames = np.stack([frame, frame])
    edited = edit_frames(frames, name, np.random.default_rng(1))
    assert edited.shape == frames.shape
    assert edited.dtype == np.uint8
    np.testing.assert_array_equal(edited[0], edited[1])
    assert not np.array_equal(edited[0], frame)
    np.testing.assert_array_equal(edited, edit_frames(frames, name, np.random.default_rng(1)))
    if name == "flip":
        np.testing.assert_array_equal(edited[0], frame[:, ::-1])


def test_tvsum_names_its_frames_and_categories():
    pytest.importorskip("PIL")
    path = shared("data/tvsum/tvsum.h5")
    folders = read_frame_folders(path, shared("data/tvsum/frames"))
    assert len(folders) == 40
    assert folders["video_10"].load(224, every=30).shape == (2, 224, 224, 3)
    source = PairSource(pair_videos(load_video_features(path), {}), 16)
    assert source.by_category
    assert source.kinds == (*POSITIVE, *NEGATIVE)
    with pytest.raises(UserError, match="no frames"):
        read_frame_folders(path, path.parent / "nothing")


def test_frames_come_in_the_order_of_the_numbers_in_their_names(tmp_path):
    h5py = pytest.importorskip("h5py")
    names = ["img1.jpg", "img2.jpg", "img10.jpg"]
    (tmp_path / "a").mkdir()
    for name in names:
        (tmp_path / "a" / name).touch()
    with h5py.File(tmp_path / "videos.h5", "w") as file:
        file["a/sampled_frames"] = np.array([0, 14, 29])
    folder = read_frame_folders(tmp_path / "videos.h5", tmp_path)["a"]
    assert [path.name for path in folder.paths] == names


@pytest.mark.parametrize(("written", "there"), [("NFC", "NFD"), ("NFD", "NFC"), ("NFC", "NFC")])
def test_a_folder_of_frames_is_found_in_either_unicode_form(tmp_path, written, there):
    """A disk that came from a Mac has accents as characters of their own."""
    h5py = pytest.importorskip("h5py")
    folder = tmp_path / unicodedata.normalize(there, "Tübingen/Zoë")
    folder.mkdir(parents=True)
    (folder / "1.jpg").touch()
    with h5py.File(tmp_path / "videos.h5", "w") as file:
        file["a/sampled_frames"] = np.array([0])
        file["a/video_id"] = unicodedata.normalize(written, "Tübingen/Zoë")
    found = read_frame_folders(tmp_path / "videos.h5", tmp_path)["a"]
    assert found.paths == (folder / "1.jpg",)


def test_frames_under_any_ending_and_beside_what_systems_leave(tmp_path):
    image = pytest.importorskip("PIL.Image")
    h5py = pytest.importorskip("h5py")
    names = {"a": ["1.JPG", "2.png", "10"], "b": ["1.jpg", "2.jpg", "10.jpg", "cover.png"]}
    with h5py.File(tmp_path / "videos.h5", "w") as file:
        file["note"] = "no video"
        for key, files in names.items():
            file[f"{key}/sampled_frames"] = [0, 15, 30]
            (tmp_path / key).mkdir()
            for name in [*files, "._1.jpg"]:
                image.new("RGB", (8, 8)).save(tmp_path / key / name, format="png")
    found = read_frame_folders(tmp_path / "videos.h5", tmp_path)
    for key, files in names.items():
        assert [path.name for path in found[key].paths] == files[:3]
