"""Parts of photos by their names: where they lie, what is read of them, and what is no box."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from reid_jax.data.crops import BadBoxError, Box, box_of, read_box, whole_and_box
from reid_jax.data.digests import file_digest
from reid_jax.data.names import file_key
from reid_jax.data.photos.checks import check_images
from reid_jax.data.photos.images import (
    BadImageError,
    proportions,
    read_image,
    read_upright,
)

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (60, 100, 3), np.uint8)
BOX = (20, 10, 40, 24)  # x, y, width, height


def saved(path, pixels=PIXELS, **options):
    Image.fromarray(pixels).save(path, **options)
    return str(path)


def test_a_part_is_that_of_a_file_of_its_own(tmp_path):
    whole = saved(tmp_path / "a.png")
    alone = saved(tmp_path / "part.png", PIXELS[10:34, 20:60])
    part = f"{whole}#xywh=20,10,40,24"
    for size, channels in ((16, 3), (64, 1)):
        np.testing.assert_array_equal(
            read_image(part, size, channels), read_image(alone, size, channels)
        )
    np.testing.assert_array_equal(np.asarray(read_upright(part)), PIXELS[10:34, 20:60])
    assert proportions(part) == (40, 24)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_box_is_of_the_photo_as_it_stands_upright(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = saved(tmp_path / "a.png", exif=exif)
    upright = np.asarray(ImageOps.exif_transpose(Image.open(path)))
    part = f"{path}#xywh=10,20,30,24"
    expected = upright[20:44, 10:40]
    np.testing.assert_array_equal(np.asarray(read_upright(part)), expected)
    alone = saved(tmp_path / "part.png", np.ascontiguousarray(expected))
    difference = read_image(part, 12).astype(int) - read_image(alone, 12)
    assert np.abs(difference).max() <= 1
    assert proportions(part) == (30, 24)


def test_of_a_jpeg_a_large_part_is_decoded_smaller(tmp_path):
    coarse = Image.fromarray(PIXELS[:10, :12])
    smooth = np.asarray(coarse.resize((1000, 800), Image.Resampling.BICUBIC))
    path = saved(tmp_path / "a.jpg", smooth, quality=95)
    at = Image.open(path).convert("RGB").crop((203, 101, 803, 701))
    alone = saved(tmp_path / "b.png", np.asarray(at))
    difference = read_image(f"{path}#xywh=203,101,600,600", 32).astype(int) - read_image(alone, 32)
    assert np.abs(difference).max() <= 8  # another decoder's scale, the same place
    small = f"{path}#xywh=203,101,60,60"
    np.testing.assert_array_equal(
        read_image(small, 32),
        read_image(saved(tmp_path / "c.png", np.asarray(at.crop((0, 0, 60, 60)))), 32),
    )


def test_the_margin_is_seen_as_far_as_the_photo_goes(tmp_path):
    box = Box(20, 10, 40, 24, margin=0.25)
    assert box.pixels(100, 60) == (10, 4, 70, 40)
    assert Box(0, 0, 40, 24, margin=0.5).pixels(100, 60) == (0, 0, 60, 36)
    assert Box(-5, -5, 40, 24).pixels(100, 60) == (0, 0, 35, 19)
    part = f"{saved(tmp_path / 'a.png')}{box}"
    np.testing.assert_array_equal(np.asarray(read_upright(part)), PIXELS[4:40, 10:70])


def test_relative_boxes_fit_a_photo_of_any_size():
    box = box_of([0.25, 0.5, 0.5, 0.5], 0, percent=True)
    assert box.pixels(100, 60) == (25, 30, 75, 60)
    assert box.pixels(1000, 600) == (250, 300, 750, 600)


@settings(max_examples=50, deadline=None)
@given(
    st.tuples(*[st.floats(-50, 5000)] * 2, *[st.floats(0.01, 5000)] * 2),
    st.booleans(),
    st.floats(0, 3),
)
def test_a_name_says_the_box_again(numbers, percent, margin):
    box = Box(*(round(number, 6) for number in numbers), percent, round(margin, 6))
    assert whole_and_box(f"photos/a#b.jpg{box}") == ("photos/a#b.jpg", box)


@pytest.mark.parametrize("name", ["a.jpg", "a.jpg#xywh=", "a.jpg#xywh=1,2,3", "#xywh=1,2,3,4", ""])
def test_other_names_are_of_whole_photos(name):
    assert whole_and_box(name) == (name, None)


def test_a_file_that_is_called_like_a_part_is_itself(tmp_path):
    odd = saved(tmp_path / "a.png#xywh=0,0,20,20", format="png")
    assert whole_and_box(odd) == (odd, None)
    assert proportions(odd) == (100, 60)


@pytest.mark.parametrize(
    "text",
    [
        "[20, 10, 40, 24]",
        "20,10,40,24",
        "[20.0 10.0 40.0 24.0]",
        "(20; 10; 40; 24)",
        "[2e1,10,40,24]",
    ],
)
def test_boxes_as_programs_write_them(text):
    assert read_box(text, 0.0) == Box(*BOX)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[]", "empty"),
        ("[0, 0, 0, 0]", "empty"),
        ("[nan, nan, nan, nan]", "a number that is none"),
        ("nan", "a number that is none"),
        ("[1, 2, inf, 4]", "a number that is none"),
        ("[30, 40, -20, -30]", "swapped corners"),
        ("[1, 2, 3]", "not four numbers"),
        ("left half", "not four numbers"),
    ],
)
def test_what_is_no_box(text, reason):
    with pytest.raises(BadBoxError, match=reason):
        read_box(text, 0.0)


@pytest.mark.parametrize("numbers", [None, "1,2,3,4", [1, 2, 3, "4"], {"x": 1}, [True] * 4])
def test_what_is_no_box_in_json(numbers):
    with pytest.raises(BadBoxError, match="four numbers"):
        box_of(numbers, 0.0)


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        ("100,0,20,20", "outside the photo"),
        ("0,-30,20,20", "outside the photo"),
        ("0,0,4,20", "4 x 20 pixels, smaller"),
        ("97,0,20,20", "3 x 20 pixels, smaller"),
    ],
)
def test_a_box_that_shows_nothing_is_named(tmp_path, part, reason):
    path = f"{saved(tmp_path / 'a.png')}#xywh={part}"
    (said,), (digest,) = check_images([path])
    assert reason in said
    assert digest == b""
    with pytest.raises(BadImageError, match=reason):
        read_image(path, 16)


def test_parts_have_a_content_of_their_own(tmp_path):
    path, copy = saved(tmp_path / "a.png"), saved(tmp_path / "b.png")
    parts = ["", "#xywh=0,0,20,20", "#xywh=0,0,21,20", "#xywh=0,0,20,20&margin=0.1"]
    digests = [file_digest(path + part) for part in parts]
    assert len(set(digests)) == 4
    assert [file_digest(copy + part) for part in parts] == digests
    assert check_images([path + part for part in parts])[1].tolist() == digests
    assert len({file_key(path + part) for part in parts}) == 4
    (tmp_path / "link.png").symlink_to(path)
    assert file_key(f"{tmp_path}/link.png{parts[1]}") == file_key(path + parts[1])


def test_a_part_of_a_member_of_a_tar(tmp_path):
    import tarfile

    stream = io.BytesIO()
    Image.fromarray(PIXELS).save(stream, "png")
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        entry = tarfile.TarInfo("ann/1.png")
        entry.size = len(stream.getvalue())
        tar.addfile(entry, io.BytesIO(stream.getvalue()))
    part, file = f"{tmp_path}/a.tar/ann/1.png#xywh=20,10,40,24", saved(tmp_path / "a.png")
    np.testing.assert_array_equal(np.asarray(read_upright(part)), PIXELS[10:34, 20:60])
    reasons, digests = check_images([part])
    assert reasons == [None]
    assert digests[0] == file_digest(part) == file_digest(f"{file}#xywh=20,10,40,24")
