"""Decoding photos: every file becomes uint8 pixels or one exception that says why not."""

import contextlib
import logging
import os
import warnings
from typing import IO

import numpy as np
from PIL import Image, UnidentifiedImageError

from reid_jax.data.crops import BadBoxError, Box, whole_and_box
from reid_jax.data.elsewhere import is_elsewhere, open_binary, open_head
from reid_jax.data.photos import cropping
from reid_jax.errors import UserError

# PIL warns about odd but readable files; the ones that cannot be used are reported by name instead.
warnings.filterwarnings("ignore", module=r"PIL\.")
logging.getLogger("PIL").setLevel(logging.CRITICAL)

with contextlib.suppress(ImportError):  # of an extra; Pillow alone knows no HEIC
    from pillow_heif import register_heif_opener

    register_heif_opener()

EXTENSIONS = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp"),
    *(".ppm", ".pgm", ".pbm", ".avif", ".heic", ".heif"),
)
"""Of files that are taken for photos by their name; others are by their content."""

RAW_EXTENSIONS = frozenset(
    (
        *(".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".fff", ".gpr", ".iiq"),
        *(".k25", ".kdc", ".mef", ".mos", ".mrw", ".nef", ".nrw", ".orf", ".pef", ".raf", ".raw"),
        *(".rw2", ".rwl", ".sr2", ".srf", ".srw", ".x3f"),
    )
)
MINIMUM_SIDE = 8
MAXIMUM_ASPECT = 20
MAXIMUM_PIXELS = 178_000_000  # just below the size at which PIL suspects a decompression bomb
BACKGROUND = (128, 128, 128)

_HEAD = 2**16  # bytes by which a file that is elsewhere is known to be a picture
_SCALED = ("JPEG", "MPO")  # formats that can be decoded smaller than they are
_FORMATS = ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "AVIF", "JPEG2000")
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_HEIC = "HEIC needs pillow-heif (pip install 'reid-jax[heic]'); or convert it to JPEG"
_RAW = "a camera's raw file, export it as JPEG"
_SUBFILE_TAG, _DNG_TAG = 0x00FE, 0xC612
_ORIENTATION_TAG = 0x0112
_ORIENTATIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

_UPRIGHT = (
    Image.Transpose.FLIP_LEFT_RIGHT,
    Image.Transpose.ROTATE_180,
    Image.Transpose.FLIP_TOP_BOTTOM,
)


class BadImageError(UserError):
    """A file that cannot be used as a photo; `reason` is short and does not repeat the path."""

    def __init__(self, path: str, reason: str):
        super().__init__(f"{path} cannot be used as a photo: {reason}.")
        self.reason = reason


def reason_of(error: Exception) -> str:
    """Why a file cannot be used as a photo, by what reading it raised; short, without the path."""
    if isinstance(error, FileNotFoundError):
        return "the file is missing"
    if isinstance(error, PermissionError):
        return "no permission to read it"
    if isinstance(error, IsADirectoryError):
        return "it is a folder"
    if isinstance(error, UnidentifiedImageError):
        return "not an image, or not one of a known format"
    if isinstance(error, Image.DecompressionBombError):
        return f"more than {MAXIMUM_PIXELS // 10**6} million pixels"
    if isinstance(error, BadBoxError):
        return str(error)
    if "truncated" in str(error).lower():
        return "the file is truncated"
    if isinstance(error, MemoryError):
        return "not enough memory to decode it"
    return f"the file is corrupt ({str(error).strip().rstrip('.') or type(error).__name__})"


def _refusal(width: int, height: int) -> str | None:
    if min(width, height) < MINIMUM_SIDE:
        return f"{width} x {height} pixels, smaller than {MINIMUM_SIDE} x {MINIMUM_SIDE}"
    if max(width, height) > MAXIMUM_ASPECT * min(width, height):
        return f"{width} x {height} pixels, more than {MAXIMUM_ASPECT} times as long as wide"
    if width * height > MAXIMUM_PIXELS:
        return f"{width} x {height} pixels, more than {MAXIMUM_PIXELS // 10**6} million"
    return None


def _eight_bit(image: Image.Image) -> Image.Image:
    """16-bit values scaled by their full range, so that the same value has the same grey in every
    photo; floating point, which has no full range, by the range that is there."""
    values = np.nan_to_num(np.asarray(image, np.float64))
    if image.mode == "F":
        low, high = values.min(), values.max()
        values = (values - low) / max(high - low, 1e-12) * 255
    else:
        values = values / 257
    return Image.fromarray(np.clip(np.rint(values), 0, 255).astype(np.uint8))


def _flatten(image: Image.Image, channels: int) -> Image.Image:
    """Any PIL mode to "L" (one channel) or "RGB" (three)."""
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        image = _eight_bit(image)
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        image = image.convert("RGBA")
        backdrop = Image.new("RGB", image.size, BACKGROUND)
        backdrop.paste(image, mask=image.getchannel("A"))
        image = backdrop
    if image.mode not in ("L", "RGB"):
        image = image.convert("L" if image.mode == "1" else "RGB")
    return image.convert("L" if channels == 1 else "RGB")


def _orientation(image: Image.Image) -> Image.Transpose | None:
    with contextlib.suppress(Exception):  # broken EXIF beside good pixels: take them as they lie
        return _ORIENTATIONS.get(image.getexif().get(_ORIENTATION_TAG, 1))
    return None


def resize(pixels: np.ndarray, size: int, channels: int) -> np.ndarray:
    """uint8 (H, W, 1 or 3) -> uint8 (size, size, channels), exactly as `read_image` would do it."""
    if pixels.shape == (size, size, channels):
        return pixels
    image = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    return _squash(_flatten(image, channels), size)


def _squash(
    image: Image.Image, size: int, within: tuple[float, float, float, float] | None = None
) -> np.ndarray:
    # PIL widens the bilinear filter by the scale when it shrinks, which is the antialiasing.
    pixels = np.asarray(image.resize((size, size), Image.Resampling.BILINEAR, box=within))
    return pixels.reshape(size, size, -1)


def read_image(file: str | IO[bytes], size: int, channels: int = 3) -> np.ndarray:
    """Decodes one photo to uint8 (size, size, channels); the whole photo is squashed to a square.

    EXIF orientation is applied, 16-bit scaled to 8, palettes resolved, transparency composited over
    mid-grey, grey repeated or colour converted to `channels` (1 or 3). JPEGs are decoded at the
    smallest of the scales 1, 1/2, 1/4, 1/8 that still has twice the wanted size. Of a name of a
    part (see `crops`) the part is read, of the photo as it stands upright.

    Raises `BadImageError`, and nothing else, for whatever is wrong with the file.
    """
    name = file if isinstance(file, str) else str(getattr(file, "name", "image"))
    whole, box = whole_and_box(name)
    if _ending(whole) in RAW_EXTENSIONS:
        raise BadImageError(name, _RAW)
    try:
        file = opened(whole if isinstance(file, str) else file)
        with Image.open(file) as image:
            if _is_raw(image):
                raise BadImageError(name, _RAW)
            if reason := _refusal(*image.size):
                raise BadImageError(name, reason)
            if box is not None:
                return _part(image, box, size, channels)
            if image.format in _SCALED:
                image.draft(None, (2 * size, 2 * size))
            return from_image(image, size, channels)
    except UserError:
        raise
    except UnidentifiedImageError as error:
        unread = "HEIF" not in Image.OPEN and _is_heic(file)
        raise BadImageError(name, _HEIC if unread else reason_of(error)) from error
    except Exception as error:
        raise BadImageError(name, reason_of(error)) from error


def opened(file: str | IO[bytes]) -> str | IO[bytes]:
    """What Pillow opens: a path of this system, or what was fetched from elsewhere.

    Raises `BadImageError` for an empty file.
    """
    if not isinstance(file, str):
        return file
    there = open_binary(file) if is_elsewhere(file) else file
    if not (os.path.getsize(there) if isinstance(there, str) else there.seek(0, os.SEEK_END)):
        raise BadImageError(file, "the file is empty")
    if not isinstance(there, str):
        there.seek(0)
    return there


def from_image(image: Image.Image, size: int, channels: int = 3) -> np.ndarray:
    """uint8 (size, size, channels) of an image of Pillow, upright, as `read_image` makes it."""
    image.load()
    orientation = _orientation(image)  # of a PNG only known once the pixels are read
    return _upright(_squash(_flatten(image, channels), size), orientation)


def _part(image: Image.Image, box: Box, size: int, channels: int) -> np.ndarray:
    """The same of a part of it, as of the part alone in a file where nothing is scaled."""
    orientation = _orientation(image)
    left, top, right, bottom = box.pixels(*_seen(image.size, orientation))
    if reason := _refusal(right - left, bottom - top):
        raise BadBoxError(f"its box holds {reason}")
    stored = cropping.as_stored((left, top, right, bottom), image.size, orientation)
    scale = cropping.draft(image, stored, 2 * size) if image.format in _SCALED else 1
    image.load()
    within, around = cropping.scaled(stored, scale, image.size)
    part = _flatten(image.crop(around), channels)
    return _upright(_squash(part, size, within if scale > 1 else None), orientation)


def _upright(pixels: np.ndarray, orientation: Image.Transpose | None) -> np.ndarray:
    if orientation is None:
        return pixels
    # After squashing to a square, turning costs size^2 instead of the photo's pixels.
    grey = pixels.shape[-1] == 1
    turned = Image.fromarray(pixels[..., 0] if grey else pixels).transpose(orientation)
    return np.asarray(turned).reshape(pixels.shape)


def read_upright(path: str) -> Image.Image:
    """A photo, or a part of one, in its own size, RGB; read as by `read_image`, but not squashed.

    Raises `BadImageError`, and nothing else, for whatever is wrong with the file.
    """
    whole, box = whole_and_box(path)
    try:
        with Image.open(opened(whole)) as image:
            if _is_raw(image):
                raise BadImageError(path, _RAW)
            image.load()
            orientation, pixels = _orientation(image), _flatten(image, 3)
        if box is not None:
            part = box.pixels(*_seen(pixels.size, orientation))
            pixels = pixels.crop(cropping.as_stored(part, pixels.size, orientation))
    except UserError:
        raise
    except Exception as error:
        raise BadImageError(path, reason_of(error)) from error
    return pixels if orientation is None else pixels.transpose(orientation)


def is_picture(path: str) -> bool:
    """Whether a file is a picture by its first bytes, whatever its name; it may still be damaged.

    Raw files of cameras are none: what Pillow would show of them is a thumbnail. HEIC is one, so
    that it is named with the reason why it cannot be used.
    """
    if _ending(path) in RAW_EXTENSIONS:
        return False
    file = open_head(path, _HEAD) if is_elsewhere(path) else path
    try:
        with Image.open(file, formats=_FORMATS) as image:
            return not _is_raw(image)
    except Exception:
        return _is_heic(file)


def _ending(name: str) -> str:
    return os.path.splitext(name)[1].lower()


def _is_raw(image: Image.Image) -> bool:
    """Whether a TIFF begins with a thumbnail of what it is about, as DNG, NEF and others do."""
    if image.format != "TIFF":
        return False
    tags = getattr(image, "tag_v2", {})
    return _DNG_TAG in tags or tags.get(_SUBFILE_TAG, 0) == 1


def _is_heic(file: str | IO[bytes]) -> bool:
    with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
        stream = stack.enter_context(open(file, "rb")) if isinstance(file, str) else file
        stream.seek(0)
        head = stream.read(12)
        return head[4:8] == b"ftyp" and head[8:12] in _HEIC_BRANDS
    return False


def proportions(path: str) -> tuple[int, int]:
    """Width and height of a photo, or of a part of one, as it is to be seen, from its header.

    Raises `BadImageError`, and nothing else, for whatever is wrong with the file.
    """
    whole, box = whole_and_box(path)
    try:
        with Image.open(opened(whole)) as image:
            seen = _seen(image.size, _orientation(image))
        if box is None:
            return seen
        left, top, right, bottom = box.pixels(*seen)
        return right - left, bottom - top
    except UserError:
        raise
    except Exception as error:
        raise BadImageError(path, reason_of(error)) from error


def _seen(size: tuple[int, int], orientation: Image.Transpose | None) -> tuple[int, int]:
    """Width and height of what is stored in that size, once it stands upright."""
    sideways = orientation is not None and orientation not in _UPRIGHT
    return (size[1], size[0]) if sideways else size


def is_photo_name(name: str) -> bool:
    """Whether a file name has the extension of an image."""
    return _ending(name) in EXTENSIONS
