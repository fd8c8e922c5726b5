"""Which photos are the same file, whatever they are called: digests of their content."""

import numpy as np

from reid_jax.data.digests import DTYPE, array_digest, file_digest
from reid_jax.data.parallel import parallel_map
from reid_jax.data.photos.dataset import Dataset

COLUMN = "digest"


def content_digests(dataset: Dataset) -> np.ndarray:
    """A digest of each photo's content, (N,) S32: equal for exact copies, whatever their names.

    Of a file all of its bytes count, of a photo in memory its pixels. Files were read for it when
    the source was loaded, see `checks.check_images`; nothing is read again.

    Raises:
      OSError: for a dataset of files that was put together without their digests, when one of them
        cannot be read.
    """
    if COLUMN in dataset.columns:
        return dataset.columns[COLUMN]
    if dataset.pixels is None:
        found = parallel_map(file_digest, [str(path) for path in dataset.paths], "Reading photos")
    else:
        found = parallel_map(array_digest, list(dataset.pixels), "Reading photos")
    return np.array(found, DTYPE)


def pixel_names(dataset: Dataset) -> np.ndarray | None:
    """What names the pixels of each photo, (N,) bytes: its file's digest, and how it is turned.

    None for photos in memory.
    """
    if dataset.pixels is not None:
        return None
    digests = content_digests(dataset)
    if dataset.mirrored is None:
        return digests
    return np.char.add(digests, np.where(dataset.mirrored, b" mirrored", b""))


def has_copy(digests: np.ndarray, query: np.ndarray, gallery: np.ndarray) -> np.ndarray:
    """Which queries have an exact copy in the gallery: bool (Q,).

    A photo is no copy of itself: where its index is in both, another one is needed.

    Args:
      digests: (N,), see `content_digests`.
      query, gallery: indices into the N photos.
    """
    codes = np.unique(digests, return_inverse=True)[1].reshape(-1)
    there = np.bincount(codes[gallery], minlength=len(digests))
    return there[codes[query]] > np.isin(query, gallery)


def shared_by_individuals(digests: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Rows of photos of which another individual has an exact copy: int64 (M,), copies together."""
    pairs, content = np.unique(digests, return_inverse=True)
    content = content.reshape(-1)
    owners = np.unique(np.stack([content, labels.astype(np.int64)]), axis=1)[0]
    rows = np.flatnonzero(np.bincount(owners, minlength=len(pairs))[content] > 1)
    return rows[np.argsort(content[rows], kind="stable")]
