"""Data sets made from data sets."""

import dataclasses

import numpy as np

from reid_jax.data.photos.dataset import Dataset
from reid_jax.errors import UserError


def relabelled(dataset: Dataset) -> Dataset:
    """Only the individuals that have photos, in the same order; labels from 0 without gaps."""
    present, labels = np.unique(dataset.labels, return_inverse=True)
    return dataclasses.replace(
        dataset,
        labels=labels.astype(np.int32),
        identities=tuple(dataset.identities[index] for index in present),
    )


def with_mirror_images(dataset: Dataset) -> Dataset:
    """Two individuals out of each: its photos, and their mirror images as another one's.

    An animal's pattern seen in a mirror is that of no animal. `dataset` has no mirrored photos yet.
    """
    each = len(dataset)
    both = dataset.subset(np.tile(np.arange(each), 2))
    labels = dataset.labels + np.int32(len(dataset.identities))
    return dataclasses.replace(
        both,
        labels=np.concatenate([dataset.labels, labels]),
        identities=(*dataset.identities, *(f"{who}@mirrored" for who in dataset.identities)),
        mirrored=np.repeat([False, True], each),
    )


def with_symmetries(dataset: Dataset, count: int) -> Dataset:
    """`count` individuals out of each: its photos turned by quarters (4), and mirrored too (8).

    The usual enlargement of Omniglot's characters (Santoro et al. 2016, section 4.1), by which a
    turned character is another one.

    Raises:
      UserError: when the photos are not in memory, or not square.
    """
    if dataset.pixels is None:
        raise UserError(
            "data.symmetries needs a source whose photos are in memory, such as omniglot:PATH; "
            "photos in files do not become other individuals by turning them."
        )
    height, width = dataset.pixels.shape[1:3]
    if height != width:
        raise UserError(
            "data.symmetries needs square photos, which keep their shape when they are turned; "
            f"these have {height} x {width} pixels."
        )
    mirrored = dataset.pixels[:, :, ::-1]
    pixels = [np.rot90(dataset.pixels, turns, axes=(1, 2)) for turns in range(4)]
    pixels += [np.rot90(mirrored, turns, axes=(1, 2)) for turns in range(4)]
    names = [f"{mirror}@{90 * turns}" for mirror in ("", "mirrored") for turns in range(4)]
    individuals = len(dataset.identities)
    return Dataset(
        paths=np.concatenate([np.char.add(dataset.paths.astype(str), n) for n in names[:count]]),
        labels=np.concatenate([dataset.labels + np.int32(k * individuals) for k in range(count)]),
        identities=tuple(who + name for name in names[:count] for who in dataset.identities),
        columns={name: np.tile(column, count) for name, column in dataset.columns.items()},
        pixels=np.concatenate(pixels[:count]),
        skipped=dataset.skipped,
    )
