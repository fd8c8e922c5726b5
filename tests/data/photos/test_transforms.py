"""Data sets made from data sets."""

import numpy as np
import pytest

from reid_jax.data.photos.dataset import Dataset
from reid_jax.data.photos.transforms import relabelled, with_mirror_images, with_symmetries
from reid_jax.errors import UserError


@pytest.fixture
def dataset():
    pixels = np.random.default_rng(0).integers(0, 256, (4, 5, 5, 1), np.uint8)
    return Dataset(
        paths=np.array(["a", "b", "c", "d"]),
        labels=np.array([2, 0, 2, 3], np.int32),
        identities=("u", "v", "w", "x"),
        columns={"alphabet": np.array(["A", "A", "B", "B"])},
        pixels=pixels,
    )


def test_relabelled_keeps_who_is_there(dataset):
    found = relabelled(dataset)
    assert found.identities == ("u", "w", "x")
    names = [found.identities[label] for label in found.labels]
    assert names == [dataset.identities[label] for label in dataset.labels]
    assert found.labels.dtype == np.int32


@pytest.mark.parametrize("count", [4, 8])
def test_symmetries_are_other_individuals(dataset, count):
    found = with_symmetries(dataset, count)
    assert len(found) == 4 * count
    assert len(found.identities) == len(set(found.identities)) == 4 * count
    assert len(set(found.paths.tolist())) == 4 * count
    views = found.pixels.reshape(count, 4, 5, 5, 1)
    assert len({views[:, 0][k].tobytes() for k in range(count)}) == count
    np.testing.assert_array_equal(views[0], dataset.pixels)
    np.testing.assert_array_equal(views[1], np.rot90(dataset.pixels, 1, axes=(1, 2)))
    np.testing.assert_array_equal(
        found.labels.reshape(count, 4) % 4, np.tile([2, 0, 2, 3], (count, 1))
    )
    if count == 8:
        np.testing.assert_array_equal(views[4], dataset.pixels[:, :, ::-1])


def test_mirror_images_are_other_individuals(dataset, tmp_path):
    from dataclasses import replace

    from PIL import Image

    found = with_mirror_images(dataset)
    assert len(found.identities) == len(set(found.identities)) == 8
    assert found.labels.tolist() == [2, 0, 2, 3, 6, 4, 6, 7]
    assert found.columns["alphabet"].tolist() == ["A", "A", "B", "B"] * 2
    for size in (5, 7):  # as they are, and resized
        pixels = found.load(np.array([1, 5, 4]), size, 1)
        plain = dataset.load(np.array([1, 1, 0]), size, 1)
        np.testing.assert_array_equal(pixels[0], plain[0])
        np.testing.assert_array_equal(pixels[1:], plain[1:, :, ::-1])
    paths = [tmp_path / f"{k}.png" for k in range(4)]
    large = dataset.pixels.repeat(8, axis=1).repeat(8, axis=2)
    for path, photo in zip(paths, large, strict=True):
        Image.fromarray(photo[..., 0]).save(path)
    files = replace(dataset, pixels=None, paths=np.array([str(path) for path in paths]))
    from_files = with_mirror_images(files).subset(np.array([3, 7])).load(np.arange(2), 40, 1)
    np.testing.assert_array_equal(from_files[0], large[3])
    np.testing.assert_array_equal(from_files[1], large[3][:, ::-1])


def test_symmetries_need_square_pixels(dataset):
    from dataclasses import replace

    with pytest.raises(UserError, match="in memory"):
        with_symmetries(replace(dataset, pixels=None), 4)
    with pytest.raises(UserError, match=r"square photos.* 5 x 3 pixels"):
        with_symmetries(replace(dataset, pixels=dataset.pixels[:, :, :3]), 4)
