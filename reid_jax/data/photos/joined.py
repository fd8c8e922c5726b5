"""Two sources as one, to search the photos of one in those of the other."""

import collections

import numpy as np

from reid_jax.data.photos.content import COLUMN, content_digests
from reid_jax.data.photos.dataset import Dataset
from reid_jax.data.photos.reading import SIDE
from reid_jax.errors import UserError

# What a photo has whose source does not say; of other facts only those are kept that both say.
_UNKNOWN = {
    **dict.fromkeys(("camera", "orientation", SIDE), np.str_("")),
    "date": np.datetime64("NaT", "s"),
}


def joined(first: Dataset, second: Dataset) -> tuple[Dataset, np.ndarray, np.ndarray]:
    """Two sources as one, and the rows in it of the photos of each, int64 (N,) and (M,).

    Individuals of the same name are the same. A photo of both, the same path with the same content
    and individual, is there once, with the facts that the first source says.

    Raises:
      UserError: no individual is in both, or one source is in memory and the other is not, or not
        in the same size.
    """
    if not set(first.identities) & set(second.identities):
        names = [", ".join(each.identities[:3]) for each in (first, second)]
        raise UserError(
            "The two sources share no individual; they are matched by their names, which are "
            f"{names[0]}, ... in the first and {names[1]}, ... in the second."
        )
    both, rows = _one_after_the_other(first, second), dict[object, int]()
    keys = zip(
        both.paths.tolist(), both.labels.tolist(), both.columns[COLUMN].tolist(), strict=True
    )
    place = [rows.setdefault(key, row) for row, key in enumerate(keys)]
    kept, place_in_kept = np.unique(place, return_inverse=True)
    parts = np.split(place_in_kept.reshape(-1), [len(first)])
    return both.subset(kept), parts[0], parts[1]


def _one_after_the_other(first: Dataset, second: Dataset) -> Dataset:
    sources = (first, second)
    names = [np.asarray(each.identities)[each.labels] for each in sources]
    identities, labels = np.unique(np.concatenate(names), return_inverse=True)
    passed_over = collections.Counter(first.passed_over)
    passed_over.update(second.passed_over)
    return Dataset(
        paths=np.concatenate([each.paths for each in sources]),
        labels=labels.reshape(-1).astype(np.int32),
        identities=tuple(identities.tolist()),
        columns=_columns(first, second),
        pixels=_pixels(first, second),
        skipped=first.skipped + second.skipped,
        passed_over=passed_over,
        notes=first.notes + second.notes,
        unread={**first.unread, **second.unread},
    )


def _columns(first: Dataset, second: Dataset) -> dict[str, np.ndarray]:
    columns = {COLUMN: np.concatenate([content_digests(first), content_digests(second)])}
    for name in first.columns.keys() | second.columns.keys():
        there = name in first.columns and name in second.columns
        if name != COLUMN and (there or name in _UNKNOWN):
            values = [
                each.columns.get(name, np.full(len(each), _UNKNOWN.get(name)))
                for each in (first, second)
            ]
            columns[name] = np.concatenate(values)
    return columns


def _pixels(first: Dataset, second: Dataset) -> np.ndarray | None:
    if first.pixels is None and second.pixels is None:
        return None
    shapes = [None if each.pixels is None else each.pixels.shape[1:] for each in (first, second)]
    if shapes[0] != shapes[1]:
        raise UserError(
            "One source holds its photos in memory and the other does not, or not in the same "
            "size; two of files (folder:, csv:) can be searched one in the other."
        )
    return np.concatenate([first.pixels, second.pixels])
