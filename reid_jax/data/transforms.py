"""Data sets made from data sets."""

import dataclasses

import numpy as np

from reid_jax.data.dataset import Dataset
from reid_jax.errors import UserError

QUARTERS = ("", "@90", "@180", "@270")


def relabelled(dataset: Dataset) -> Dataset:
    """Only the individuals that have photos, in the same order; labels from 0 without gaps."""
    present, labels = np.unique(dataset.labels, return_inverse=True)
    return dataclasses.replace(
        dataset,
        labels=labels.astype(np.int32),
        identities=tuple(dataset.identities[index] for index in present),
    )


def with_rotations(dataset: Dataset) -> Dataset:
    """Four individuals out of each: itself and its photos turned by 90, 180 and 270 degrees.

    The usual enlargement of Omniglot's characters (Santoro et al. 2016, section 4.1).

    Raises:
      UserError: when the photos are not in memory.
    """
    if dataset.pixels is None:
        raise UserError(
            "data.rotations needs a source whose photos are in memory, such as omniglot:PATH; "
            "photos in files do not become other individuals by turning them."
        )
    count = len(dataset.identities)
    return Dataset(
        paths=np.concatenate([np.char.add(dataset.paths.astype(str), q) for q in QUARTERS]),
        labels=np.concatenate([dataset.labels + np.int32(k * count) for k in range(4)]),
        identities=tuple(name + quarter for quarter in QUARTERS for name in dataset.identities),
        columns={name: np.tile(column, 4) for name, column in dataset.columns.items()},
        pixels=np.concatenate([np.rot90(dataset.pixels, k, axes=(1, 2)) for k in range(4)]),
        skipped=dataset.skipped,
    )
