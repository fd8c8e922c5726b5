"""Photos without content are told from photos with some, whatever their size and form."""

import io

import numpy as np
import pytest
from PIL import Image

from reid_jax.data.photos import load_dataset
from reid_jax.data.photos.blank import without_content


def as_jpeg(pixels):
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format="jpeg", quality=60)
    return np.asarray(Image.open(stream))


@pytest.mark.parametrize("side", [32, 64, 224, 600])
@pytest.mark.parametrize("saved", [np.asarray, as_jpeg])
def test_plain_colours_and_noise_show_nothing(side, saved):
    for colour in ((128, 128, 128), (20, 40, 200), (0, 0, 0), (255, 255, 255)):
        plain = np.full((side, side, 3), colour, np.uint8)
        assert "one colour" in without_content(saved(plain))
    rng = np.random.default_rng(side)
    for noise in (
        rng.integers(0, 256, (side, side, 3), dtype=np.uint8),
        np.clip(128 + 60 * rng.normal(size=(side, side, 3)), 0, 255).astype(np.uint8),
    ):
        assert without_content(saved(noise)) is not None
        assert without_content(np.ascontiguousarray(noise[..., :1])) is not None


def test_drawn_animals_murky_photos_and_drawings_show_something():
    animals = load_dataset("synthetic:20x6").pixels
    assert all(without_content(photo) is None for photo in animals)
    murky = (100 + 0.1 * (animals.astype(np.float32) - 100)).astype(np.uint8)
    assert all(without_content(photo) is None for photo in murky)
    drawing = np.full((105, 105, 1), 255, np.uint8)
    drawing[20:80, 50:53] = drawing[60:63, 20:90] = 0
    assert without_content(drawing) is None
    ramp = np.broadcast_to(np.arange(0, 256, 4, dtype=np.uint8)[:, None, None], (64, 64, 3))
    assert without_content(np.ascontiguousarray(ramp)) is None
