"""How many were seen in each month or year, and how many of them for the first time."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reid_jax.errors import UserError
from reid_jax.individuals.gallery.reports.histories import NO_DATE
from reid_jax.individuals.gallery.reports.occasions import Unit, codes_of, occasion_of
from reid_jax.individuals.gallery.reports.photos import Photos

_MOST = 20_000  # times that are listed


@dataclass(frozen=True)
class Catch:
    """What was seen in one time.

    Attributes:
      name: of the time.
      photos, individuals: how many.
      new: individuals that were never seen before.
      known: individuals that were seen up to the end of it.
    """

    name: str
    photos: int
    individuals: int
    new: int
    known: int


@dataclass(frozen=True)
class Catches:
    """Attributes:
    each: from the first to the last time without a gap.
    left_out: how many photos do not count, by the reason.
    """

    each: tuple[Catch, ...]
    left_out: dict[str, int]


def catches(photos: Photos, unit: Unit) -> Catches:
    """What was seen in each day, month, season or year, also where that is nothing.

    Raises:
      UserError: they are too many to be listed, as where a date is wrong.
    """
    reasons = photos.reasons.copy()
    free = reasons == ""
    reasons[free & np.isnat(photos.dates)] = NO_DATE
    used = np.flatnonzero(reasons == "")
    values, numbers = np.unique(reasons[reasons != ""].astype(np.str_), return_counts=True)
    left_out = dict(zip(values.tolist(), numbers.tolist(), strict=True))
    if not len(used):
        return Catches((), left_out)
    codes = codes_of(photos.dates[used], unit)
    names, who = np.unique(photos.names[used], return_inverse=True)
    start = int(codes.min())
    length = int(codes.max()) - start + 1
    if length > _MOST:
        ends = [occasion_of(int(code), unit).name for code in (codes.min(), codes.max())]
        raise UserError(
            f"From {ends[0]} to {ends[1]} there are {length:,} times of a {unit}; give --since, or "
            "look for a wrong date."
        )
    pairs = np.unique(np.stack([codes - start, who], axis=1), axis=0)
    first = np.full(len(names), length)
    np.minimum.at(first, pairs[:, 1], pairs[:, 0])
    shown = np.bincount(codes - start, minlength=length)
    seen = np.bincount(pairs[:, 0], minlength=length)
    new = np.bincount(first, minlength=length)
    counts = shown, seen, new, np.cumsum(new)
    each = (
        Catch(occasion_of(start + at, unit).name, *(int(n[at]) for n in counts))
        for at in range(length)
    )
    return Catches(tuple(each), left_out)


def as_csv(each: Sequence[Catch], unit: str) -> str:
    """A row a time."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([unit, "photos", "individuals", "new individuals", "individuals so far"])
    writer.writerows([c.name, c.photos, c.individuals, c.new, c.known] for c in each)
    return stream.getvalue()
