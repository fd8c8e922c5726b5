"""Small grey pictures of frames: what is a crop of what, and how much of a clip is in another."""

import numpy as np
import pytest
from PIL import Image

from reid_jax.same_video.edits import edit_frames
from reid_jax.same_video.looks import Clip, Looking, alike, looks_of, picture_correlations


def frames(seed: int, number: int = 5) -> np.ndarray:
    """Blots of another place and colour in each frame, uint8 (number, 96, 96, 3)."""
    rng = np.random.default_rng(seed)
    small = rng.integers(256, size=(number, 7, 7, 3)).astype(np.uint8)
    bicubic = Image.Resampling.BICUBIC
    return np.stack([np.asarray(Image.fromarray(s).resize((96, 96), bicubic)) for s in small])


def by_loops(look: np.ndarray, other: np.ndarray) -> float:
    """The highest Pearson correlation of one resized to each size with each part of the other."""
    best = -1.0
    for crop, whole in ((look, other), (other, look)):
        image = Image.fromarray(whole).resize((24, 24), Image.Resampling.BOX)
        searched = np.asarray(image, float)
        for size in (15, 17, 19, 21, 24):
            wanted = Image.fromarray(crop).resize((size, size), Image.Resampling.BOX)
            for each in (np.asarray(wanted, float), np.asarray(wanted, float)[:, ::-1]):
                for y in range(25 - size):
                    for x in range(25 - size):
                        part = searched[y : y + size, x : x + size]
                        best = max(best, np.corrcoef(part.ravel(), each.ravel())[0, 1])
    return best


def test_correlations_are_those_of_plain_loops():
    looks, others = looks_of(frames(0, 2)), looks_of(frames(1, 3))
    candidates = np.array([[0, 2], [1, 2]])
    found = picture_correlations(looks, others, candidates)
    expected = [max(by_loops(looks[i], others[j]) for j in candidates[i]) for i in (0, 1)]
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("edit", ["crop", "colour", "logo", "flip", "reencode", "combined"])
def test_an_edited_copy_looks_like_its_original_and_another_film_does_not(edit):
    looks = looks_of(frames(0))
    copy = looks_of(edit_frames(frames(0), edit, np.random.default_rng(1)))
    itself = np.arange(5)[:, None]
    every = np.tile(np.arange(5), (5, 1))
    copied = picture_correlations(copy, looks, itself)
    other = picture_correlations(looks_of(frames(7)), looks, every)
    assert copied.mean() > other.mean() + 0.1


def test_of_one_colour_features_alone_speak():
    plain = np.full((2, 48, 48), 90, np.uint8)
    assert np.isnan(picture_correlations(plain, looks_of(frames(0)), np.array([[0], [1]]))).all()
    whitening = {"mean": np.zeros(4), "matrix": np.eye(4)}
    features = np.eye(4, dtype=np.float32)[:2]
    assert alike(Clip(features, plain), Clip(features, plain), whitening) == pytest.approx(1)


def test_a_part_is_in_its_film_whichever_comes_first():
    whitening = {"mean": np.zeros(6), "matrix": np.eye(6)}
    features = np.random.default_rng(0).normal(size=(5, 6)).astype(np.float32)
    film = Clip(features, looks_of(frames(0)))
    part = Clip(features[1:3], film.looks[1:3])
    other = Clip(-features[3:], looks_of(frames(9))[3:])
    assert alike(film, part, whitening) == pytest.approx(1)
    assert alike(part, film, whitening) == pytest.approx(1)
    assert alike(film, other, whitening) < 0.9
    assert alike(film, film, whitening) == pytest.approx(1)


def test_pictures_are_kept_while_features_are_made():
    class Encoder:
        side, batch = 96, 2

        def __call__(self, images):
            return np.zeros((len(images), 3), np.float32)

    looking = Looking(Encoder())
    assert (looking.side, looking.batch) == (96, 2)
    shown = frames(0)
    for start in (0, 2, 4):
        looking(shown[start : start + 2])
    np.testing.assert_array_equal(looking.looks, looks_of(shown))
