"""Features of several files are those of the same frames, side by side, or left out."""

import numpy as np
import pytest

from reid_jax.data.videos.features import load_video_features
from reid_jax.data.videos.fused import files_of, load_fused, load_named
from reid_jax.errors import UserError
from tests.keyframe_videos import write_videos

h5py = pytest.importorskip("h5py")


def write_others(path, file, width, drop=(), shift=()):
    """The same videos as in `path` with other features."""
    rng = np.random.default_rng(width)
    with h5py.File(path) as before, h5py.File(file, "w") as others:
        for key in before:
            if key in drop:
                continue
            picks = before[key]["picks"][:]
            group = others.create_group(key)
            group["features"] = rng.normal(size=(len(picks), width)).astype(np.float32)
            group["picks"] = picks + (key in shift)
            group["n_frames"] = before[key]["n_frames"][()]
    return file


@pytest.fixture
def path(tmp_path):
    return write_videos(tmp_path / "a.h5", 4)


def test_features_stand_side_by_side_and_the_rest_is_of_the_first_file(path, tmp_path, capsys):
    other = write_others(path, tmp_path / "b.h5", 5)
    plain, alone = load_video_features(path), load_video_features(other)
    fused = load_fused(path, f"{other}, {path}")
    for video, its, own in zip(fused, plain, alone, strict=True):
        np.testing.assert_array_equal(video.features, np.hstack([own.features, its.features]))
        assert video.widths == (5, 12)
        np.testing.assert_array_equal(video.user_scores, its.user_scores)
    assert capsys.readouterr().err == ""
    assert load_fused(path, "")[0].widths == ()
    assert load_fused(path, str(other))[0].features.shape[1] == 5


def test_videos_that_differ_are_left_out_and_named(path, tmp_path, capsys):
    other = write_others(path, tmp_path / "b.h5", 5, drop=["video_2"], shift=["video_3"])
    fused = load_fused(path, f"{path},{other}")
    assert [video.key for video in fused] == ["video_1", "video_4"]
    said = capsys.readouterr().err
    assert "2 videos are left out of the fused features: video_2 is not in" in said
    assert "video_3 has " in said
    assert "picks from 1 to" in said
    assert said.count("\n") == 1


def test_files_that_have_nothing_in_common_are_refused(path, tmp_path):
    keys = [f"video_{number}" for number in range(1, 5)]
    other = write_others(path, tmp_path / "b.h5", 5, shift=keys)
    with pytest.raises(UserError, match=r"No video of .* is in all files of data\.features at the"):
        load_fused(path, f"{path},{other}")


def test_a_command_names_several_files_with_commas(path, tmp_path):
    other = write_others(path, tmp_path / "b.h5", 5)
    assert files_of(" a.h5,, b.h5") == [type(path)("a.h5"), type(path)("b.h5")]
    assert load_named(type(path)(f"{path},{other}"))[0].widths == (12, 5)
    comma = path.rename(tmp_path / "a,c.h5")
    assert load_named(comma)[0].widths == ()
