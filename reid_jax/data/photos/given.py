"""Photos as a caller holds them: files, arrays, Pillow's images; one, many, or a stream of them."""

import itertools
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias, TypeGuard, Union

import numpy as np

from reid_jax.data.parallel import parallel_map
from reid_jax.errors import UserError

if TYPE_CHECKING:
    from PIL import Image

Photo: TypeAlias = Union[str, os.PathLike[str], np.ndarray, "Image.Image"]
Photos: TypeAlias = Photo | Iterable[Photo]

_BLOCK = 512  # photos decoded at a time


def is_path(photo: object) -> TypeGuard[str | os.PathLike[str]]:
    """Whether a photo is given as its file."""
    return isinstance(photo, str | os.PathLike)


def each_photo(photos: Photos) -> Iterator[Photo]:
    """One by one what may be a single photo, a sequence, an array (B, H, W, C) or a generator.

    Raises:
      UserError: it is none of these, or an array of another shape.
    """
    held: Any = photos
    shape = tuple(held.shape) if hasattr(held, "shape") else ()
    is_held = is_path(photos) or hasattr(photos, "getexif") or isinstance(held, Iterable)
    if not is_held or isinstance(held, bytes | Mapping):
        raise UserError(
            f"Photos are {type(held).__name__}; give files, arrays uint8 (H, W, C), Pillow's "
            "images, a list of such, an array (B, H, W, C), or a generator."
        )
    if hasattr(held, "shape") and held.dtype != object and len(shape) not in (2, 3, 4):
        raise UserError(
            f"Photos of the shape {shape} are neither one, (H, W) or (H, W, C), nor many, "
            "(B, H, W, C)."
        )
    if len(shape) == 3 and shape[-1] not in (1, 3, 4):
        raise UserError(
            f"Photos of the shape {shape} could be one or many: give (B, H, W, C), or one of "
            "(H, W, C) with 1, 3 or 4 channels."
        )
    one = is_path(photos) or hasattr(photos, "getexif") or len(shape) in (2, 3)
    return iter([held]) if one else iter(held)


def as_pixels(photo: Photo, size: int, channels: int) -> np.ndarray:
    """uint8 (size, size, channels) of a photo, squashed to a square as `read_image` does it.

    Raises:
      UserError: a file that cannot be used, or an array that is not uint8 (H, W) or (H, W, C).
    """
    from reid_jax.data.photos.images import from_image, read_image, resize

    if isinstance(photo, str) and photo.startswith(
        (
            "folder:",
            "csv:",
            "coco:",
            "megadetector:",
            "tar:",
            "tfds:",
            "market:",
            "synthetic:",
            "gallery:",
        )
    ):
        raise UserError(
            f"{photo} is a source of photos, not a photo: rj.load_dataset({photo!r}) reads it."
        )
    if isinstance(photo, str | os.PathLike):
        return read_image(os.fspath(photo), size, channels)
    if hasattr(photo, "getexif"):
        return from_image(photo, size, channels)  # type: ignore[arg-type]
    pixels = np.asarray(photo)
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if pixels.dtype.kind == "f" and pixels.ndim == 3:
        raise UserError(
            f"A photo is {pixels.dtype}; it must be uint8, values from 0 to 255: of values from 0 "
            "to 1, (255 * photo).round().astype(np.uint8)."
        )
    fits = pixels.ndim == 3 and pixels.shape[-1] in (1, 3, 4) and pixels.size
    if pixels.dtype != np.uint8 or not fits:
        raise UserError(
            f"A photo is {pixels.dtype} of the shape {pixels.shape}; it must be uint8 (H, W) or "
            "(H, W, C) with 1, 3 or 4 channels, values from 0 to 255."
        )
    return resize(pixels, size, channels)


def photo_blocks(photos: Photos, size: int, channels: int) -> Iterator[np.ndarray]:
    """uint8 (b, size, size, channels), in order; a generator is asked for a block at a time.

    Raises:
      UserError: see `as_pixels`.
    """
    every = each_photo(photos)
    while block := list(itertools.islice(every, _BLOCK)):
        yield np.stack(parallel_map(lambda photo: as_pixels(photo, size, channels), block))
