"""Drawn photos of any size, grey ones too: nobody's, so that they may lie beside a network."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

SIZES = ((160, 120), (97, 131), (64, 64), (301, 200), (37, 61), (224, 224), (55, 20), (128, 129))
"""Width and height; odd, long and square ones."""


def drawn(seed: int, width: int, height: int, *, grey: bool = False) -> Image.Image:
    """A picture of an animal that there is not: a body of its own colour with its own spots."""
    rng = np.random.default_rng([seed, 19])
    ramp = np.linspace(0, 1, height)[:, None, None] * np.ones((1, width, 1))
    low, high = rng.integers(60, 200, (2, 3))
    image = Image.fromarray((low + ramp * (high.astype(int) - low)).clip(0, 255).astype(np.uint8))
    pen = ImageDraw.Draw(image)
    body = tuple(int(v) for v in rng.integers(0, 256, 3))
    pen.ellipse([0.1 * width, 0.25 * height, 0.9 * width, 0.85 * height], fill=body)
    for _ in range(12):
        x, y = rng.uniform(0.2, 0.8) * width, rng.uniform(0.35, 0.75) * height
        r = rng.uniform(0.02, 0.07) * min(width, height) + 1
        pen.ellipse(
            [x - r, y - r, x + r, y + r], fill=tuple(int(v) for v in rng.integers(0, 256, 3))
        )
    return image.convert("L") if grey else image


def drawn_photos() -> list[Image.Image]:
    """Eight, of `SIZES`; every third one is grey."""
    return [drawn(number, *size, grey=number % 3 == 2) for number, size in enumerate(SIZES)]


def drawn_films(size: int, frames: int = 12) -> np.ndarray:
    """Frames uint8 (T, size, size, 3) of a film of three animals."""
    images = [drawn(number // 4, size + number, size) for number in range(frames)]
    return np.stack([np.asarray(each.resize((size, size))) for each in images])
