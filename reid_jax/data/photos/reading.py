"""How a source of photos is read: what a person may say of boxes, dates, junk and sides."""

import dataclasses
from collections.abc import Collection, Mapping

import numpy as np

from reid_jax.console import counted
from reid_jax.data.names import UNKNOWN, composed
from reid_jax.data.photos.dataset import Dataset
from reid_jax.data.photos.transforms import relabelled
from reid_jax.errors import UserError
from reid_jax.fields import NOT_NEGATIVE, PROBABILITY

SIDE = "side"


@dataclasses.dataclass(frozen=True)
class Reading:
    """What a person may say of how a source is read.

    Attributes:
      margin: what is seen around a box on each side, as a part of its width and height.
      confidence: boxes that a detector was less sure of are left out.
      categories: of boxes, those that are read; empty reads those that the source is for.
      exif: whether dates and places are read from the photos where the source says none.
      ignored: names under which photos are of nobody.
      side_column: the column that says which side of an animal is seen; empty for none.
      side_needed: whether a table without that column is refused.

    Example:
      >>> photos = rj.load_dataset("folder:photos", reading=rj.Reading(ignored=("animal 1",)))
      >>> photos.notes
      ('left out of training and measures: 3 photos of "animal 1" (data.ignore_identity)',)
    """

    margin: float = 0.0
    confidence: float = 0.2
    categories: tuple[str, ...] = ()
    exif: bool = False
    ignored: tuple[str, ...] = ("-1",)
    side_column: str = ""
    side_needed: bool = True

    def __post_init__(self) -> None:
        """Raises a UserError for a number that is impossible."""
        NOT_NEGATIVE.check("margin", self.margin)
        PROBABILITY.check("box_confidence", self.confidence)


def words(text: str) -> tuple[str, ...]:
    """The words of a list that has commas between them."""
    return tuple(filter(None, (word.strip() for word in text.split(","))))


def without_ignored(
    dataset: Dataset, ignored: Collection[str], *, unnamed: bool, keep: Collection[str]
) -> Dataset:
    """The photos but those of ignored names, which a note counts.

    Args:
      dataset: what a source holds.
      ignored: names, compared in the composed form and without case.
      unnamed: whether these photos stay, as those of one individual "unknown".
      keep: paths that a run has used already, and which stay as they are.

    Raises:
      UserError: no other photo is there.
    """
    wanted = {composed(name).strip().lower() for name in ignored}
    names = np.asarray(dataset.identities, object)[dataset.labels]
    out = np.array([name.strip().lower() in wanted for name in names], bool)
    if keep:
        out &= ~np.isin(dataset.paths, list(keep))
    if not out.any():
        return dataset
    which = ", ".join(f'"{name}"' for name in sorted(set(names[out].tolist())))
    what = counted(int(out.sum()), "photo of", "photos of")
    if unnamed:
        note = f'taken for "{UNKNOWN}": {what} {which} (data.ignore_identity)'
        return dataclasses.replace(_as_unknown(dataset, out), notes=(*dataset.notes, note))
    if out.all():
        raise UserError(
            f"All photos are of {which}, which is ignored; --data.ignore-identity says which names "
            "are of nobody."
        )
    note = f"left out of training and measures: {what} {which} (data.ignore_identity)"
    rest = relabelled(dataset.subset(np.flatnonzero(~out)))
    return dataclasses.replace(rest, notes=(*dataset.notes, note))


def _as_unknown(dataset: Dataset, rows: np.ndarray) -> Dataset:
    names = (*dataset.identities, UNKNOWN)
    number = names.index(UNKNOWN)
    labels = np.where(rows, np.int32(number), dataset.labels)
    identities = names if number == len(dataset.identities) else dataset.identities
    return relabelled(dataclasses.replace(dataset, labels=labels, identities=identities))


def with_sides(dataset: Dataset, column: str) -> Dataset:
    """The photos with a column "side", in lower case; a note where the source has no such column.

    Args:
      dataset: with `column` among its columns.
      column: its name.
    """
    if (given := dataset.columns.get(column.lower())) is None:
        note = f'there is no column "{column}", so no photo has a side'
        return dataclasses.replace(dataset, notes=(*dataset.notes, note))
    sides = np.char.strip(np.char.lower(given.astype(np.str_)))
    columns: Mapping[str, np.ndarray] = {**dataset.columns, SIDE: sides}
    return dataclasses.replace(dataset, columns=columns)
