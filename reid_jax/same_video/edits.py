"""Edited copies of video frames: what people do to a video before they upload it again."""

import io
from collections.abc import Callable
from typing import Any

import numpy as np

# Frames -> frames, PIL images with numbers drawn once for the whole clip.
Edit = Callable[[Any], Any]


def edit_names() -> tuple[str, ...]:
    """The edits that `edit_frames` knows."""
    return tuple(_EDITS)


def edit_frames(frames: np.ndarray, name: str, rng: np.random.Generator) -> np.ndarray:
    """A copy of `frames` uint8 (N, H, W, 3) with one edit, the same for all frames.

    Args:
      name: "crop" (to 65-85% of each side, and back to size), "colour" (brightness, contrast,
        saturation by 0.6-1.5), "logo" (a disc with a ring in a corner), "flip" (mirrored),
        "reencode" (half size, JPEG of quality 8-25, and back), "combined" (all of these).
      rng: where the numbers come from.
    """
    from PIL import Image

    edit = _EDITS[name](rng)
    return np.stack([np.asarray(edit(Image.fromarray(frame))) for frame in frames])


def _crop(rng: np.random.Generator) -> Edit:
    share = rng.uniform(0.65, 0.85)
    left, top = rng.uniform(0, 1 - share, size=2)

    def edit(image: Any) -> Any:
        width, height = image.size
        box = (left * width, top * height, (left + share) * width, (top + share) * height)
        return image.resize(image.size, resample=_bilinear(), box=box)

    return edit


def _colour(rng: np.random.Generator) -> Edit:
    factors = rng.uniform(0.6, 1.5, size=3)

    def edit(image: Any) -> Any:
        from PIL import ImageEnhance

        kinds = (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color)
        for kind, factor in zip(kinds, factors, strict=True):
            image = kind(image).enhance(float(factor))
        return image

    return edit


def _logo(rng: np.random.Generator) -> Edit:
    right, bottom = rng.integers(2, size=2)
    size = rng.uniform(0.14, 0.22)
    colour, ring = (tuple(map(int, rng.integers(256, size=3))) for _ in range(2))

    def edit(image: Any) -> Any:
        from PIL import ImageDraw

        image = image.copy()
        side = size * min(image.size)
        gap = side / 4
        x = image.width - side - gap if right else gap
        y = image.height - side - gap if bottom else gap
        width = max(1, round(side / 8))
        ImageDraw.Draw(image).ellipse((x, y, x + side, y + side), colour, ring, width)
        return image

    return edit


def _flip(rng: np.random.Generator) -> Edit:
    del rng

    def edit(image: Any) -> Any:
        from PIL import ImageOps

        return ImageOps.mirror(image)

    return edit


def _reencode(rng: np.random.Generator) -> Edit:
    quality = int(rng.integers(8, 26))

    def edit(image: Any) -> Any:
        from PIL import Image

        small = image.resize((max(1, image.width // 2), max(1, image.height // 2)), _bilinear())
        stream = io.BytesIO()
        small.save(stream, format="JPEG", quality=quality)
        return Image.open(stream).convert("RGB").resize(image.size, _bilinear())

    return edit


def _combined(rng: np.random.Generator) -> Edit:
    edits = [make(rng) for make in (_crop, _colour, _logo, _flip, _reencode)]

    def edit(image: Any) -> Any:
        for one in edits:
            image = one(image)
        return image

    return edit


def _bilinear() -> Any:
    from PIL import Image

    return Image.Resampling.BILINEAR


_EDITS: dict[str, Callable[[np.random.Generator], Edit]] = {
    "crop": _crop,
    "colour": _colour,
    "logo": _logo,
    "flip": _flip,
    "reencode": _reencode,
    "combined": _combined,
}
