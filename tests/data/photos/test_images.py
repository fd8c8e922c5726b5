"""Photos as people have them: turned, transparent, 16-bit, broken."""

import contextlib
import io
import struct

import numpy as np
import pytest
from PIL import Image

from reid_jax.data.photos.checks import check_images
from reid_jax.data.photos.images import (
    BadImageError,
    is_picture,
    proportions,
    read_image,
    read_upright,
    resize,
)
from reid_jax.errors import UserError

GREY = 128


def gradient(height=40, width=60):
    """Red grows to the right, green downwards: every orientation looks different."""
    rows, columns = np.mgrid[:height, :width]
    blue = np.full_like(rows, 90)
    return np.stack([columns * 255 // width, rows * 255 // height, blue], -1).astype(np.uint8)


def saved(path, pixels, **options):
    Image.fromarray(pixels).save(path, **options)
    return str(path)


def close(a, b, tolerance=3):
    return np.abs(a.astype(int) - b.astype(int)).max() <= tolerance


def test_a_photo_is_squashed_with_antialiasing(tmp_path):
    checkers = np.indices((64, 96)).sum(0)[..., None].repeat(3, -1) % 2 * 255
    pixels = read_image(saved(tmp_path / "a.png", checkers.astype(np.uint8)), 16)
    assert pixels.shape == (16, 16, 3)
    assert pixels.dtype == np.uint8
    assert close(pixels[2:-2, 2:-2], np.full((12, 12, 3), 127), 8)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path, orientation):
    upright = gradient()
    # What the camera stored, so that undoing the orientation gives the upright photo.
    stored = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.swapaxes(0, 1),
        6: lambda a: np.rot90(a, 1),
        7: lambda a: np.rot90(a, 2).swapaxes(0, 1),
        8: lambda a: np.rot90(a, -1),
    }[orientation](upright)
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = saved(tmp_path / "a.png", np.ascontiguousarray(stored), exif=exif)
    assert close(read_image(path, 20), read_image(saved(tmp_path / "b.png", upright), 20), 1)


def test_broken_exif_does_not_lose_the_photo(tmp_path):
    path = tmp_path / "a.jpg"
    Image.fromarray(gradient()).save(path, exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\0\0broken")
    assert read_image(str(path), 16).shape == (16, 16, 3)


def test_sixteen_bit_grey_is_scaled_by_its_full_range(tmp_path):
    values = np.tile(np.linspace(0, 65535, 32).astype(np.uint16), (32, 1))
    pixels = read_image(saved(tmp_path / "a.png", values), 32, 1)
    assert pixels.shape == (32, 32, 1)
    np.testing.assert_array_equal(pixels[..., 0], np.rint(values / 257).astype(np.uint8))


def test_transparency_is_composited_over_mid_grey(tmp_path):
    pixels = np.zeros((16, 16, 4), np.uint8)
    pixels[:8] = (200, 100, 50, 255)
    result = read_image(saved(tmp_path / "a.png", pixels), 16)
    assert (result[0, 0] == (200, 100, 50)).all()
    assert (result[-1, -1] == GREY).all()


def test_a_palette_with_a_transparent_colour(tmp_path):
    image = Image.fromarray(np.repeat([[0, 1]], 16, 0).repeat(8, 1).astype(np.uint8), mode="P")
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.save(tmp_path / "a.gif", transparency=1)
    result = read_image(str(tmp_path / "a.gif"), 16)
    assert (result[0, 0] == (255, 0, 0)).all()
    assert (result[0, -1] == GREY).all()


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "LA", "RGBA", "I;16", "I", "F", "YCbCr"])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_mode_gives_the_channels_asked_for(tmp_path, mode, channels):
    image = Image.fromarray(gradient()[..., 0] if mode in ("I;16", "I", "F") else gradient())
    path = tmp_path / "a.tif"
    image = image.convert("I").convert(mode) if mode == "I;16" else image.convert(mode)
    image.save(path)
    pixels = read_image(str(path), 16, channels)
    assert pixels.shape == (16, 16, channels)
    assert pixels.dtype == np.uint8


def test_grey_is_repeated_and_colour_reduced_as_pil_does(tmp_path):
    path = saved(tmp_path / "grey.png", gradient()[..., 0])
    colour = read_image(path, 20, 3)
    np.testing.assert_array_equal(colour, np.repeat(read_image(path, 20, 1), 3, -1))


def test_big_jpegs_are_decoded_small_but_look_the_same(tmp_path):
    large = np.asarray(Image.fromarray(gradient()).resize((1600, 1200)))
    path = saved(tmp_path / "a.jpg", large, quality=95)
    assert close(read_image(path, 32), resize(large, 32, 3), 5)


def test_pixels_in_memory_are_resized_as_files_are(tmp_path):
    path = saved(tmp_path / "a.png", gradient())
    np.testing.assert_array_equal(resize(gradient(), 24, 3), read_image(path, 24, 3))
    np.testing.assert_array_equal(resize(gradient(), 24, 1), read_image(path, 24, 1))


def test_streams_are_read_like_files(tmp_path):
    path = saved(tmp_path / "a.png", gradient())
    with open(path, "rb") as stream:
        data = io.BytesIO(stream.read())
    np.testing.assert_array_equal(read_image(data, 24), read_image(path, 24))


def png_with_size(width, height):
    def chunk(kind, data):
        import zlib

        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def broken_files(folder):
    """(path, words of the reason) of files that cannot be used."""
    photo = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (80, 80, 3), np.uint8)
    Image.fromarray(noise).save(photo, "JPEG")
    drawing = io.BytesIO()
    Image.fromarray(gradient(80, 80)).save(drawing, "PNG")
    jpeg, png = photo.getvalue(), drawing.getvalue()
    damaged = bytearray(png)
    damaged[len(png) // 2 : len(png) // 2 + 40] = b"\xff" * 40
    contents = {
        "truncated.jpg": (jpeg[: len(jpeg) // 2], "truncated"),
        "truncated.png": (png[: len(png) // 2], "truncated"),
        "header only.jpg": (jpeg[:20], ""),
        "damaged.png": (bytes(damaged), "corrupt"),
        "empty.jpg": (b"", "empty"),
        "text.jpg": (b"These are my turtles.", "not an image"),
        "bomb.png": (png_with_size(60_000, 60_000), "million"),
        "large.png": (png_with_size(15_000, 12_000), "million"),
        "phone.heic": (b"\0\0\0\x18ftypheic", ""),
    }
    for name, (data, reason) in contents.items():
        (folder / name).write_bytes(data)
        yield str(folder / name), reason
    for size in ((1, 1), (12_000, 10), (7, 300)):
        path = folder / f"{size[0]} by {size[1]}.png"
        Image.new("RGB", size).save(path)
        yield str(path), f"{size[0]} x {size[1]} pixels"
    yield str(folder / "absent.jpg"), "missing"
    yield str(folder), "folder"


def test_each_broken_file_is_refused_with_its_reason(tmp_path):
    files = list(broken_files(tmp_path))
    reasons, digests = check_images([path for path, _ in files])
    assert set(digests.tolist()) == {b""}
    for (path, words), reason in zip(files, reasons, strict=True):
        assert reason is not None, path
        assert words in reason, (path, reason)
        assert str(tmp_path) not in reason
        with pytest.raises(BadImageError, match="cannot be used as a photo") as caught:
            read_image(path, 32)
        assert isinstance(caught.value, UserError)


@pytest.mark.parametrize("ending", ["heic", "jpg"])
def test_a_phones_heic_is_read_upright_whatever_its_name(tmp_path, ending):
    image = Image.fromarray(gradient(40, 60))
    turned = image.getexif()
    turned[0x0112] = 6  # as a phone held upright writes it
    path = str(tmp_path / f"IMG_0001.{ending}")
    image.save(path, "HEIF", exif=turned.tobytes(), quality=95)
    assert is_picture(path)
    upright = read_upright(path)
    assert upright.size == proportions(path) == (image.height, image.width)
    expected = image.transpose(Image.Transpose.ROTATE_270)
    np.testing.assert_allclose(np.asarray(upright, float), np.asarray(expected, float), atol=12)
    expected = np.asarray(expected.resize((16, 16), Image.Resampling.BILINEAR), float)
    np.testing.assert_allclose(read_image(path, 16).astype(float), expected, atol=6)


def test_without_the_extra_heic_is_named_with_it(monkeypatch, tmp_path):
    monkeypatch.setattr(Image, "OPEN", {k: v for k, v in Image.OPEN.items() if k != "HEIF"})
    monkeypatch.setattr(Image, "ID", [name for name in Image.ID if name != "HEIF"])
    path = tmp_path / "a.heic"
    Image.fromarray(gradient()).save(path, "HEIF")
    with pytest.raises(BadImageError, match=r"HEIC needs pillow-heif \(pip install 'reid-jax"):
        read_image(str(path), 16)


def test_random_damage_gives_pixels_or_the_one_exception(tmp_path):
    generator = np.random.default_rng(1)
    for kind, options in (
        ("jpg", {}),
        ("png", {}),
        ("gif", {}),
        ("tif", {}),
        ("webp", {}),
        ("heic", {}),
    ):
        path = tmp_path / f"a.{kind}"
        Image.fromarray(gradient()).save(path, **options)
        original = path.read_bytes()
        for _ in range(40):
            data = bytearray(original)
            for place in generator.integers(len(data), size=6):
                data[place] = generator.integers(256)
            path.write_bytes(bytes(data[: generator.integers(1, len(data) + 1)]))
            with contextlib.suppress(BadImageError):
                assert read_image(str(path), 16).shape == (16, 16, 3)
