"""Photos for benchmarks: JPEG files of smooth shapes with noise, which compress as photos do."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from reid_jax.data.photos.dataset import Dataset


def write_photos(folder: Path, number: int, width: int) -> Dataset:
    """JPEGs of quality 90, three quarters as high as wide, of one individual."""
    from PIL import Image

    random = np.random.default_rng(0)
    height, paths = 3 * width // 4, []
    for index in range(number):
        shapes = Image.fromarray(random.integers(0, 256, (12, 16, 3), np.uint8))
        smooth = np.asarray(shapes.resize((width, height), Image.Resampling.BICUBIC), np.int16)
        noise = random.integers(-6, 7, smooth.shape, np.int16)
        photo = np.clip(smooth + noise, 0, 255).astype(np.uint8)
        paths.append(folder / f"{index:06}.jpg")
        Image.fromarray(photo).save(paths[-1], quality=90)
    return Dataset(
        np.array([str(path) for path in paths]), np.zeros(number, np.int32), ("somebody",)
    )


def cycle_sampler(batch: int, number: int) -> Callable[[int], np.ndarray]:
    """step -> indices (batch,) of `number` photos, one after another, over and over."""
    rows = np.arange(batch)
    return lambda step: (step * batch + rows) % number
