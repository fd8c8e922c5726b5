"""The report of a gallery: who was seen when, how many there are, how sure it is."""

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from reid_jax.console import counted
from reid_jax.errors import UserError
from reid_jax.files import as_text
from reid_jax.individuals.gallery.calibrating import calibrated
from reid_jax.individuals.gallery.output import shown
from reid_jax.individuals.gallery.reports import catches, histories
from reid_jax.individuals.gallery.reports.catches import Catches
from reid_jax.individuals.gallery.reports.histories import Histories
from reid_jax.individuals.gallery.reports.occasions import UNITS, Occasion, Unit, between, by_unit
from reid_jax.individuals.gallery.reports.photos import Photos, photos_of
from reid_jax.individuals.gallery.reports.population import Estimate, estimate
from reid_jax.individuals.gallery.reports.sure import Sure, said, sure_of
from reid_jax.individuals.gallery.reports.sureness import Class, Consequences
from reid_jax.individuals.gallery.reports.where import Where
from reid_jax.individuals.gallery.spreadsheet import defused
from reid_jax.individuals.gallery.stored.reading import read_gallery


@dataclass(frozen=True)
class Wanted:
    """What a report is to be about.

    Attributes:
      where: the photos.
      by: how long an occasion is; dates: between which occasions lie instead.
      group: a column by which individuals are grouped; "" for none.
      only_confirmed: whether those photos alone count that somebody confirmed.
    """

    where: Where = field(default_factory=Where)
    by: Unit = "month"
    dates: tuple[str, ...] = ()
    group: str = ""
    only_confirmed: bool = False

    def __post_init__(self) -> None:
        """Raises a UserError where a unit is none."""
        if self.by not in UNITS:
            raise UserError(f"An occasion is a {', '.join(UNITS)}, not a {self.by}.")


@dataclass(frozen=True)
class Report:
    """Attributes:
    name: of the gallery.
    photos: that it is about.
    months, years: what was seen.
    histories: who was seen on which occasion.
    estimate, assumed: how many there are, and what that rests on or why it is not known.
    sure: how sure the gallery is; None where nobody knows.
    """

    name: str
    photos: Photos
    months: Catches
    years: Catches
    histories: Histories
    estimate: Estimate | None
    assumed: str
    sure: Sure | None


def population(photos: Photos, wanted: Wanted) -> Histories:
    """Encounter histories by the occasions that are wanted.

    Raises:
      UserError: a date or the column of groups is none.
    """
    if wanted.dates:
        occasions, places = between(photos.dates, wanted.dates)
    else:
        occasions, places = by_unit(photos.dates, wanted.by)
    return histories.histories(photos, occasions, places, wanted.group)


def report_of(folder: Path, wanted: Wanted) -> Report:
    """The report of a gallery in a folder; its calibration is found out where nobody knows it.

    Raises:
      UserError: there is no gallery, or what is wanted is not in it.
    """
    everything = read_gallery(folder, thumbnails=False, marked=True)
    photos = photos_of(everything, wanted.where, only_confirmed=wanted.only_confirmed)
    found = population(photos, wanted)
    how_many, assumed = estimate(found)
    return Report(
        name=folder.name,
        photos=photos,
        months=catches.catches(photos, "month"),
        years=catches.catches(photos, "year"),
        histories=found,
        estimate=how_many,
        assumed=assumed,
        sure=sure_of(calibrated(everything.taking_part)),
    )


def _rows(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(head)
    for row in rows:
        writer.writerow([defused(as_text(each)) if isinstance(each, str) else each for each in row])
    return stream.getvalue()


def occasions_csv(found: Histories) -> str:
    """A row an occasion: its days, who was seen, and how long after the one before it began."""
    starts = np.array([each.start for each in found.occasions], "datetime64[D]")
    after = ["", *np.diff(starts).astype(int).tolist()] if len(starts) else []
    return _rows(
        [
            *("occasion", "first day", "last day", "days since the one before began"),
            *("individuals", "seen before", "seen before this occasion, all"),
        ],
        [
            [each.name, str(each.start), str(each.end - 1), days, *counts]
            for each, days, *counts in zip(
                found.occasions,
                after,
                *(some.tolist() for some in (found.caught, found.recaptured, found.marked)),
                strict=True,
            )
        ],
    )


def left_out_csv(photos: Photos, found: Histories) -> str:
    """A row a photo that does not count in the histories, and why."""
    rows = np.flatnonzero(found.reasons != "")
    return _rows(
        ["photo", "individual", "why it does not count"],
        [[str(photos.paths[row]), str(photos.names[row]), found.reasons[row]] for row in rows],
    )


def curve_csv(classes: Sequence[Class]) -> str:
    """A row a class of probabilities."""
    head = ["from", "to", "mean probability", "share right", "95% from", "95% to", "answers"]
    return _rows(
        head,
        [
            [
                *(f"{100 * each.low:.0f}%", f"{100 * each.high:.0f}%"),
                *(round(x, 4) for x in (each.promised, each.kept, each.least, each.most)),
                each.answers,
            ]
            for each in classes
        ],
    )


def thresholds_csv(each: Sequence[Consequences]) -> str:
    """A row a probability from which names are given."""
    return _rows(
        [
            *("names from", "known: own name", "known: another's name", "known: too close to call"),
            *("known: called unknown", "strangers: a wrong name", "strangers: too close to call"),
            "strangers: called unknown",
        ],
        [[round(found.level, 4), *list(asdict(found).values())[1:]] for found in each],
    )


def as_json(report: Report) -> dict[str, Any]:
    """All numbers."""
    return {
        "gallery": report.name,
        "photos": len(report.photos),
        "by_month": catches_json(report.months),
        "by_year": catches_json(report.years),
        "population": population_json(report.histories),
        "sureness": None if report.sure is None else sure_json(report.sure),
    }


def catches_json(found: Catches) -> dict[str, Any]:
    """What was seen when."""
    return {"each": [asdict(one) for one in found.each], "left_out": found.left_out}


def population_json(found: Histories) -> dict[str, Any]:
    """Encounter histories, and the estimate."""
    how_many, assumed = estimate(found)
    return {
        "occasions": [occasion_json(each) for each in found.occasions],
        "groups": list(found.groups),
        "individuals": [
            {
                "name": name,
                "group": found.groups[group] if found.groups else None,
                "history": "".join("1" if each else "0" for each in seen),
            }
            for name, group, seen in zip(found.individuals, found.group, found.seen, strict=True)
        ],
        "caught": found.caught.tolist(),
        "recaptured": found.recaptured.tolist(),
        "marked": found.marked.tolist(),
        "left_out": found.left_out,
        "estimate": None if how_many is None else estimate_json(how_many),
        "assumed": assumed,
    }


def occasion_json(each: Occasion) -> dict[str, str]:
    """An occasion with its days."""
    return {"name": each.name, "first_day": str(each.start), "last_day": str(each.end - 1)}


def estimate_json(found: Estimate) -> dict[str, Any]:
    """An estimate; an end of its interval that is not known is null."""
    high = None if np.isinf(found.high) else found.high
    return {"method": found.method, "number": found.number, "low": found.low, "high": high}


def sure_json(sure: Sure) -> dict[str, Any]:
    """How sure a gallery is, and what follows from each threshold."""
    return {
        "how": sure.how(),
        "confirmed": sure.confirmed,
        "known": int(sure.judged.known.sum()),
        "strangers": int((~sure.judged.known).sum()),
        "difference": sure.difference,
        "curve": [asdict(each) for each in sure.curve],
        "calibrated": sure.calibrated,
        "chosen": sure.chosen,
        "level": sure.level,
        "thresholds": [asdict(each) for each in sure.consequences()],
    }


def estimate_text(found: Estimate | None, assumed: str) -> str:
    """How many individuals there are, in a sentence or two."""
    if found is None:
        return assumed
    high = "no upper limit" if np.isinf(found.high) else f"{found.high:,.0f}"
    return (
        f"About {counted(round(found.number), 'individual')} (95%: {found.low:,.0f} to {high}), by "
        f"{found.method}. {assumed}"
    )


def left_out_text(found: dict[str, int]) -> str:
    """What does not count, in a sentence; empty where all count."""
    parts = [f"{counted(number, 'photo')} {reason}" for reason, number in found.items()]
    return f"Left out: {', '.join(parts)}." if parts else ""


def as_words(report: Report) -> str:
    """The report on a screen."""
    found = report.histories
    individuals = counted(len(found.individuals), "individual")
    occasions = counted(len(found.occasions), "occasion")
    lines = [
        f"{counted(len(report.photos), 'photo')}; {individuals} on {occasions}",
        left_out_text(found.left_out),
        estimate_text(report.estimate, report.assumed),
    ]
    if report.sure is None:
        lines.append("How sure the gallery is cannot be said: nothing could be calibrated.")
    else:
        lines += [said(report.sure.at(report.sure.level)), report.sure.how()]
    return "\n".join(shown(each) for each in lines if each)
