"""A source of photos, looked at once: what is counted, and which division it allows."""

import collections
import contextlib
import os
from dataclasses import dataclass, field
from typing import Any, get_args

import numpy as np

from reid_jax.data.crops import whole_and_box
from reid_jax.data.names import UNKNOWN
from reid_jax.data.parallel import parallel_map
from reid_jax.data.photos import Dataset, make_splits
from reid_jax.data.photos.blank import without_content
from reid_jax.data.photos.checks import LOOK, looking
from reid_jax.data.photos.content import content_digests
from reid_jax.data.photos.images import proportions
from reid_jax.data.photos.reading import Reading
from reid_jax.data.photos.splits import Method, NoValidationError, Splits
from reid_jax.data.photos.transforms import relabelled
from reid_jax.errors import UserError
from reid_jax.individuals.config import DataConfig
from reid_jax.individuals.inventory import twins
from reid_jax.individuals.sources import load_dataset

_KINDS = ("orientation", "side", "camera", "split")  # columns whose values are counted
_SIDES = (64, 96, 128, 192, 224, 384)  # pixels that networks see


@dataclass(frozen=True)
class Division:
    """What a way to hold photos out would give, or why it cannot be.

    Attributes:
      method: as data.split names it.
      refused: why it cannot be; empty where it can.
      train, individuals, queries, gallery: photos that are trained on, whom they show, photos that
        are searched for and searched in.
      easy: photos that are searched for of which a copy, the same picture or a shot of the same
        moment is among those that are searched in or trained on.
    """

    method: str
    refused: str = ""
    train: int = 0
    individuals: int = 0
    queries: int = 0
    gallery: int = 0
    easy: int = 0


@dataclass(frozen=True)
class Inventory:
    """Attributes:
    source: as it was named.
    photos: all that can be used, those of nobody as of "unknown".
    named: ``(N,)`` bool, whose individual is known.
    sizes: ``(N, 2)`` int64, width and height of each photo or part.
    blank: rows of photos on which there is nothing to see.
    copies: groups of photos of the same content.
    near: pairs that show the same picture in another size or compression.
    bursts: groups of likely shots of one moment.
    divisions: one a method.
    seconds: between two shots.
    """

    source: str
    photos: Dataset
    named: np.ndarray
    sizes: np.ndarray
    blank: tuple[int, ...]
    copies: twins.Groups
    near: tuple[tuple[int, int], ...]
    bursts: twins.Groups
    divisions: tuple[Division, ...]
    seconds: float = twins.BURST_SECONDS
    _counts: dict[str, int] = field(default_factory=dict)

    @property
    def counts(self) -> dict[str, int]:
        """How many photos each named individual has, the most first."""
        if not self._counts:
            labels = self.photos.labels[self.named]
            number = collections.Counter(self.photos.identities[label] for label in labels)
            self._counts.update(number.most_common())
        return self._counts

    @property
    def days(self) -> np.ndarray:
        """``(N,)`` datetime64[D], NaT where a photo has no date."""
        never = np.full(len(self.photos), np.datetime64("NaT", "D"))
        return self.photos.columns.get("date", never).astype("datetime64[D]")


def take_inventory(
    source: str, reading: Reading, *, seed: int = 0, seconds: float = twins.BURST_SECONDS
) -> Inventory:
    """Reads a source, looks at each photo once, and tries each way to divide them.

    Args:
      source: as data.source names it.
      reading: how it is read.
      seed: of what is drawn.
      seconds: between two shots of one moment, at most.

    Raises:
      UserError: there is no such source, or no photo of it can be used.
    """
    looks: dict[str, np.ndarray] = {}
    before = looking.set(looks)
    try:
        photos = load_dataset(source, seed=seed, unnamed=True, reading=reading)
    finally:
        looking.reset(before)
    names = np.asarray(photos.identities, object)[photos.labels]
    named = names != UNKNOWN
    digests = content_digests(photos)
    small = twins.small_pictures(photos, looks)
    copies = twins.copies(digests)
    near = twins.near_duplicates(photos, small, digests)
    dates = photos.columns.get("date")
    bursts = tuple(
        group
        for group in twins.bursts(photos.labels, dates, small, seconds)
        if len(set(digests[list(group)].tolist())) > 1  # neither copies alone are a burst,
        and len({whole_and_box(photos.paths[row])[0] for row in group}) > 1  # nor parts of a photo
    )
    moment = twins.moments(len(photos), (*copies, *bursts), near)
    return Inventory(
        source=source,
        photos=photos,
        named=named,
        sizes=_sizes(photos),
        blank=_blank(photos, small),
        copies=copies,
        near=near,
        bursts=bursts,
        divisions=_divisions(photos, named, moment, seed),
        seconds=seconds,
    )


def _sizes(photos: Dataset) -> np.ndarray:
    if photos.pixels is not None:
        height, width = photos.pixels.shape[1:3]
        return np.tile(np.array([[width, height]], np.int64), (len(photos), 1))
    found = parallel_map(proportions, photos.paths.tolist(), "Measuring photos")
    return np.array(found, np.int64).reshape(-1, 2)


def _blank(photos: Dataset, small: np.ndarray) -> tuple[int, ...]:
    """Rows of photos without content; only those are looked at again that may be such."""
    grid = small.reshape(len(small), LOOK, LOOK)
    across = np.sum(grid[:, :, 1:] * grid[:, :, :-1], axis=(1, 2))
    flat = np.einsum("np,np->n", small, small) < 0.5  # of one grey all over
    suspect = np.flatnonzero(flat | (across < 0.7))
    pixels = photos.load(suspect, 96, 3)
    found = parallel_map(without_content, list(pixels))
    return tuple(int(row) for row, why in zip(suspect, found, strict=True) if why)


def _divisions(
    photos: Dataset, named: np.ndarray, moment: np.ndarray, seed: int
) -> tuple[Division, ...]:
    rows = np.flatnonzero(named)
    if not len(rows):
        return tuple(Division(each, "no photo has an individual.") for each in get_args(Method))
    known = relabelled(photos.subset(rows))
    return tuple(_division(known, each, moment[rows], seed) for each in get_args(Method))


def _division(photos: Dataset, method: Method, moment: np.ndarray, seed: int) -> Division:
    try:
        splits = _splits(photos, method, seed)
    except UserError as error:
        return Division(method, str(error))
    query, gallery = splits.test
    there = np.unique(np.concatenate([gallery, splits.train]))
    count = np.bincount(moment[there], minlength=int(moment.max()) + 1)
    easy = count[moment[query]] > np.isin(query, there)
    return Division(
        method,
        train=len(splits.train),
        individuals=len(np.unique(photos.labels[splits.train])),
        queries=len(query),
        gallery=len(gallery),
        easy=int(easy.sum()),
    )


def _splits(photos: Dataset, method: Method, seed: int) -> Splits:
    """As a training with nothing else said divides them; without a validation if need be."""
    data = DataConfig()
    for fraction in (data.validation_fraction, 0.0):
        with contextlib.suppress(NoValidationError):
            return make_splits(
                photos,
                method,
                test_fraction=data.test_fraction,
                validation_fraction=fraction,
                seed=seed,
            )
    raise AssertionError("without a validation none is missing")


def facts(found: Inventory) -> dict[str, Any]:
    """All of it as plain values, for JSON."""
    photos, counts = found.photos, found.counts
    days, shorter = found.days, found.sizes.min(axis=1)
    dated = days[~np.isnat(days)]
    parts = [whole_and_box(path) for path in photos.paths.tolist()]
    boxed = collections.Counter(whole for whole, box in parts if box is not None)
    return {
        "source": found.source,
        "photos": len(photos),
        "files": len({whole for whole, _ in parts}),
        "boxes": sum(boxed.values()),
        "files_with_several_boxes": sum(number > 1 for number in boxed.values()),
        "of_nobody": int((~found.named).sum()),
        "individuals": len(counts),
        "photos_each": list(_spread(np.array(list(counts.values())))) if counts else None,
        "individuals_with_one_photo": sorted(name for name, n in counts.items() if n == 1),
        "shorter_side": list(_spread(shorter)),
        "smaller_than": {str(side): int((shorter < side).sum()) for side in _SIDES},
        "endings": _endings([whole for whole, _ in parts]) if photos.pixels is None else {},
        "dated": len(dated),
        "first_day": str(dated.min()) if len(dated) else None,
        "last_day": str(dated.max()) if len(dated) else None,
        "days": len(np.unique(dated)),
        "individuals_seen_on_several_days": _on_several_days(found),
        "placed": int((~np.isnan(photos.columns.get("latitude", np.zeros(0)))).sum()),
        "columns": {
            name: _values(photos.columns[name]) for name in _KINDS if name in photos.columns
        },
        "copies": [_names(photos, group) for group in found.copies],
        "near_duplicates": [_names(photos, pair) for pair in found.near],
        "bursts": [_names(photos, group) for group in found.bursts],
        "nothing_to_see": _names(photos, found.blank),
        "skipped": [{"path": path, "why": why} for path, why in photos.skipped],
        "passed_over": dict(photos.passed_over),
        "notes": [*photos.notes, *photos.unread.values()],
        "splits": [vars(each) for each in found.divisions],
    }


def _spread(values: np.ndarray) -> tuple[int, float, int]:
    return int(values.min()), float(np.median(values)), int(values.max())


def _endings(files: list[str]) -> dict[str, int]:
    endings = collections.Counter(os.path.splitext(file)[1].lower() for file in set(files))
    return dict(endings.most_common())


def _values(column: np.ndarray) -> dict[str, int]:
    return dict(collections.Counter(column.astype(str).tolist()).most_common())


def _names(photos: Dataset, rows: tuple[int, ...]) -> list[str]:
    return [str(photos.paths[row]) for row in rows]


def _on_several_days(found: Inventory) -> int:
    use = found.named & ~np.isnat(found.days)
    pairs = {
        (int(a), str(b)) for a, b in zip(found.photos.labels[use], found.days[use], strict=True)
    }
    seen = collections.Counter(label for label, _ in pairs)
    return sum(number > 1 for number in seen.values())
