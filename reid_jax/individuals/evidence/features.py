"""SIFT on photos, by OpenCV: a row of bytes a photo, which is kept and stored as it is."""

import importlib.util
import os
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from reid_jax.data.parallel import parallel_map
from reid_jax.data.photos import Dataset
from reid_jax.data.photos.content import pixel_names
from reid_jax.data.photos.given import Photo, is_path
from reid_jax.data.photos.images import read_upright
from reid_jax.errors import UserError
from reid_jax.individuals.kept import Kept, named
from reid_jax.ops.local.matching import Features, root

Evidence = Literal["none", "local", "fused"]
"""What says how alike two photos are: the network alone, local features alone, or both."""

VERSION = 1
"""Of how features are found; those of two versions are never compared."""

MOST = 500
"""Features a photo, the strongest."""

SIDE = 384
"""Pixels of the shorter side, at most, at which features are looked for."""

LENGTH = 128
"""Bytes of a descriptor."""

_PLACES = 4 * np.dtype(np.float16).itemsize
WIDTH = MOST * (LENGTH + _PLACES)
"""Bytes of a row: descriptors, then x, y, size and direction of each."""


def is_installed() -> bool:
    """Whether OpenCV is there."""
    return importlib.util.find_spec("cv2") is not None


def chosen_evidence(asked: Evidence | None) -> Evidence:
    """What is used where this was asked for; None asks for the best that can be had here.

    Raises:
      UserError: it cannot be had here, or there is no such evidence.
    """
    if asked is None:
        return "fused" if is_installed() else "none"
    if asked not in get_args(Evidence):
        raise UserError(f"There is no evidence {asked!r}; it is one of {get_args(Evidence)}.")
    if asked != "none" and not is_installed():
        raise UserError(
            f"Evidence {asked} needs OpenCV, which is not installed: pip install "
            "'reid-jax[evidence]'. Or give --evidence none."
        )
    return asked


def dataset_rows(dataset: Dataset) -> np.ndarray:
    """``(N, WIDTH)`` uint8, the features of each photo; those of files are kept for the next time.

    Raises:
      UserError: a photo can no longer be read.
    """
    if not len(dataset):
        return _stacked([])
    kept = Kept(_maker(), pixel_names(dataset), len(dataset), np.uint8)
    missing = np.flatnonzero(kept.missing)

    def one(row: int) -> np.ndarray:
        photo = str(dataset.paths[row]) if dataset.pixels is None else dataset.pixels[row]
        turned = dataset.mirrored is not None and bool(dataset.mirrored[row])
        return features_of(photo, mirrored=turned)

    return kept.filled(lambda: _stacked(parallel_map(one, missing.tolist(), _WORDS)))


def photo_rows(photos: Sequence[Photo]) -> np.ndarray:
    """``(N, WIDTH)`` uint8 of photos as a caller holds them; nothing is kept."""
    return _stacked(parallel_map(features_of, list(photos), _WORDS))


def _stacked(rows: list[np.ndarray]) -> np.ndarray:
    return np.stack(rows) if rows else np.zeros((0, WIDTH), np.uint8)


_WORDS = "Finding local features"


def features_of(photo: Photo, *, mirrored: bool = False) -> np.ndarray:
    """``(WIDTH,)`` uint8 of one photo; zeros where nothing is found.

    Raises:
      UserError: a file that cannot be read.
    """
    import cv2

    grey = _grey(photo)
    if mirrored:
        grey = np.ascontiguousarray(grey[:, ::-1])
    sift = cv2.SIFT.create(nfeatures=MOST)
    points, descriptors = sift.detectAndCompute(grey, None)
    order = np.argsort([-point.response for point in points], kind="stable")[:MOST]
    places = np.zeros((MOST, 4), np.float16)
    values = np.zeros((MOST, LENGTH), np.uint8)
    for place, number in enumerate(order):
        point = points[number]
        at = np.array([*point.pt, point.size]) / max(grey.shape)
        places[place] = [*at, np.deg2rad(point.angle)]
        values[place] = descriptors[number]
    return np.concatenate([values.reshape(-1), places.reshape(-1).view(np.uint8)])


def unpacked(rows: np.ndarray) -> Features:
    """The features in ``(N, WIDTH)`` rows, without floors."""
    rows = np.ascontiguousarray(rows)
    places = _places(rows).astype(np.float32)
    number = np.sum(places[..., 2] > 0, axis=1).astype(np.int32)
    descriptors = root(rows[:, : MOST * LENGTH].reshape(-1, MOST, LENGTH))
    return Features(descriptors, places, number, np.full(places.shape[:2], -1, np.float32))


def packed_count(row: np.ndarray) -> int:
    """How many features are in a ``(WIDTH,)`` row."""
    return int(np.sum(_places(np.asarray(row)[None])[..., 2] > 0))


def _places(rows: np.ndarray) -> np.ndarray:
    packed = np.ascontiguousarray(rows[:, MOST * LENGTH :])
    return packed.view(np.float16).reshape(-1, MOST, 4)


def _grey(photo: Photo) -> np.ndarray:
    """Its brightness, uint8, upright and in its true proportions."""
    from PIL import Image

    if is_path(photo):
        image = read_upright(os.fspath(photo))
    elif hasattr(photo, "getexif"):
        image = photo  # type: ignore[assignment]
    else:
        pixels = np.asarray(photo)
        image = Image.fromarray(pixels[..., 0] if pixels.shape[2:] == (1,) else pixels)
    factor = min(SIDE / min(image.size), 1.0)
    width, height = (max(1, round(factor * side)) for side in image.size)
    return np.asarray(image.convert("L").resize((width, height), Image.Resampling.BICUBIC))


def _maker() -> bytes:
    """Names what makes these rows."""
    import cv2

    code = blake2b(Path(__file__).read_bytes(), digest_size=16).hexdigest()
    return named("local features", VERSION, code, cv2.__version__)
