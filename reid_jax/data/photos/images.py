"""Decoding photos: every file becomes uint8 pixels or one exception that says why not."""

import contextlib
import functools
import logging
import os
import time
import warnings
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from hashlib import blake2b
from pathlib import Path
from typing import IO, Any

import numpy as np
import PIL
from PIL import Image, UnidentifiedImageError

from reid_jax.data import cache
from reid_jax.data.digests import DTYPE, file_digest
from reid_jax.data.elsewhere import is_elsewhere, open_binary, open_head
from reid_jax.data.parallel import parallel_map
from reid_jax.errors import UserError
from reid_jax.files import digest_of

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

_YOUNG = 2_000_000_000  # nanoseconds
_HEAD = 2**16  # bytes by which a file that is elsewhere is known to be a picture
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


def _reason(error: Exception) -> str:
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


def _squash(image: Image.Image, size: int) -> np.ndarray:
    # PIL widens the bilinear filter by the scale when it shrinks, which is the antialiasing.
    pixels = np.asarray(image.resize((size, size), Image.Resampling.BILINEAR))
    return pixels.reshape(size, size, -1)


def read_image(file: str | IO[bytes], size: int, channels: int = 3) -> np.ndarray:
    """Decodes one photo to uint8 (size, size, channels); the whole photo is squashed to a square.

    EXIF orientation is applied, 16-bit scaled to 8, palettes resolved, transparency composited over
    mid-grey, grey repeated or colour converted to `channels` (1 or 3). JPEGs are decoded at the
    smallest of the scales 1, 1/2, 1/4, 1/8 that still has twice the wanted size.

    Raises `BadImageError`, and nothing else, for whatever is wrong with the file.
    """
    name = file if isinstance(file, str) else str(getattr(file, "name", "image"))
    if _ending(name) in RAW_EXTENSIONS:
        raise BadImageError(name, _RAW)
    try:
        file = _opened(file)
        with Image.open(file) as image:
            if _is_raw(image):
                raise BadImageError(name, _RAW)
            if reason := _refusal(*image.size):
                raise BadImageError(name, reason)
            if image.format in ("JPEG", "MPO"):
                image.draft(None, (2 * size, 2 * size))
            return from_image(image, size, channels)
    except UserError:
        raise
    except UnidentifiedImageError as error:
        unread = "HEIF" not in Image.OPEN and _is_heic(file)
        raise BadImageError(name, _HEIC if unread else _reason(error)) from error
    except Exception as error:
        raise BadImageError(name, _reason(error)) from error


def _opened(file: str | IO[bytes]) -> str | IO[bytes]:
    """What Pillow opens: a path of this system, or what was fetched from elsewhere."""
    if not isinstance(file, str):
        return file
    opened = open_binary(file) if is_elsewhere(file) else file
    if not (os.path.getsize(opened) if isinstance(opened, str) else opened.seek(0, os.SEEK_END)):
        raise BadImageError(file, "the file is empty")
    if not isinstance(opened, str):
        opened.seek(0)
    return opened


def from_image(image: Image.Image, size: int, channels: int = 3) -> np.ndarray:
    """uint8 (size, size, channels) of an image of Pillow, upright, as `read_image` makes it."""
    image.load()
    orientation = _orientation(image)  # of a PNG only known once the pixels are read
    pixels = _squash(_flatten(image, channels), size)
    if orientation is None:
        return pixels
    # After squashing to a square, turning costs size^2 instead of the photo's pixels.
    turned = Image.fromarray(pixels[..., 0] if channels == 1 else pixels).transpose(orientation)
    return np.asarray(turned).reshape(size, size, channels)


def read_upright(path: str) -> Image.Image:
    """A whole photo in its own size, RGB; pixels and orientation are read as by `read_image`.

    Raises `BadImageError`, and nothing else, for whatever is wrong with the file.
    """
    try:
        with Image.open(_opened(path)) as image:
            if _is_raw(image):
                raise BadImageError(path, _RAW)
            image.load()
            orientation, pixels = _orientation(image), _flatten(image, 3)
    except UserError:
        raise
    except Exception as error:
        raise BadImageError(path, _reason(error)) from error
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
    with contextlib.suppress(OSError), contextlib.ExitStack() as opened:
        stream = opened.enter_context(open(file, "rb")) if isinstance(file, str) else file
        stream.seek(0)
        head = stream.read(12)
        return head[4:8] == b"ftyp" and head[8:12] in _HEIC_BRANDS
    return False


def proportions(path: str) -> tuple[int, int]:
    """Width and height of a photo as it is to be seen, from its header.

    Raises `BadImageError`, and nothing else, for whatever is wrong with the file.
    """
    try:
        with Image.open(_opened(path)) as image:
            width, height = image.size
            turned = _orientation(image)
    except UserError:
        raise
    except Exception as error:
        raise BadImageError(path, _reason(error)) from error
    sideways = turned is not None and turned not in _UPRIGHT
    return (height, width) if sideways else (width, height)


Checked = tuple[list[str | None], np.ndarray]
Check = Callable[[Sequence[str]], Checked]
dividing: ContextVar[Callable[[Check, Sequence[str]], Checked] | None] = ContextVar(
    "dividing", default=None
)
"""How several processes divide the files that are checked; None where this one does all."""


def check_images(paths: Sequence[str]) -> Checked:
    """Decodes and digests files. In parallel, with a progress bar.

    Every file is decoded once (JPEGs at 1/8 scale, which still reads all of the file): a broken
    photo found at hour three of a training run would be worse than the time this takes, which is
    less than one epoch of the stream. Its digest is taken while the system still has it in memory.

    Returns:
      For each file the reason why it cannot be used, or None; and its digest, (N,) S32, see
      `digests.file_digest`, empty where it cannot be used.
    """
    divide = dividing.get()
    return _checked(paths) if divide is None else divide(_checked, paths)


def _checked(paths: Sequence[str]) -> Checked:
    keys = [_seen_as(path) for path in paths]
    seen = cache.found([key for key in keys if key])

    def check(place: int) -> tuple[str | None, bytes]:
        path = paths[place]
        if (known := seen.get(keys[place])) is not None:
            return None, known
        try:
            if not is_elsewhere(path):
                read_image(path, MINIMUM_SIDE)
                return None, file_digest(path)
            fetched: Any = _opened(path)  # once
            read_image(fetched, MINIMUM_SIDE)
            return None, digest_of(fetched)
        except BadImageError as error:
            return error.reason, b""
        except OSError as error:
            return _reason(error), b""

    results = parallel_map(check, range(len(paths)), "Checking photos")
    cache.keep(
        {
            key: digest
            for key, path, (reason, digest) in zip(keys, paths, results, strict=True)
            if key and reason is None and key not in seen and key == _seen_as(path)
        }
    )
    return [reason for reason, _ in results], np.array([digest for _, digest in results], DTYPE)


def _seen_as(path: str) -> bytes:
    """Names a file that can be decoded by its place, size and times; empty where they say little.

    A file may change again within the resolution of its times: of a young one they are not enough.
    """
    with contextlib.suppress(OSError):
        if not is_elsewhere(path):
            facts = os.stat(path)
            if time.time_ns() - max(facts.st_mtime_ns, facts.st_ctime_ns) > _YOUNG:
                times = facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns, facts.st_ino
                named = repr((PIL.__version__, _code(), os.path.abspath(path), times))
                return blake2b(named.encode(), digest_size=16).digest()
    return b""


@functools.cache
def _code() -> bytes:
    """What decides whether a file can be used."""
    return blake2b(Path(__file__).read_bytes(), digest_size=16).digest()


def is_photo_name(name: str) -> bool:
    """Whether a file name has the extension of an image."""
    return _ending(name) in EXTENSIONS
