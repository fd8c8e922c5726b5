"""What a Camera Trap Data Package says of photos, whoever wrote it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote

import numpy as np

from reid_jax.console import counted
from reid_jax.data.crops import BadBoxError, Box, box_of, whole_and_box
from reid_jax.data.names import is_nobody
from reid_jax.data.photos.csv_file import read_cells
from reid_jax.data.photos.dates import read_dates
from reid_jax.data.photos.reading import SIDE
from reid_jax.errors import UserError
from reid_jax.individuals.gallery.decisions import DIFFERENT, MARKS, NO_ANIMAL, SAME
from reid_jax.individuals.gallery.exchange.camtrap import (
    DATE,
    DESCRIPTOR,
    LINKS,
    NOTES,
    SOURCE,
    TABLES,
    fields_of,
)
from reid_jax.individuals.gallery.exchange.content import Content, Said
from reid_jax.individuals.gallery.exchange.tables import YES
from reid_jax.individuals.gallery.journal.entries import CONFIRMED, INDIVIDUAL, MARK, NOTE
from reid_jax.remote.storage import is_url

_NEEDED = {
    "deployments": ("deploymentID",),
    "media": ("mediaID", "filePath"),
    "observations": ("observationID", "mediaID"),
    "individuals": NOTES,
    "links": LINKS,
}
_BOX = ("bboxX", "bboxY", "bboxWidth", "bboxHeight")


@dataclass
class _Table:
    rows: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def by(self, column: str) -> dict[str, dict[str, str]]:
        return {row[column]: row for _, row in self.rows}


def read_package(folder: Path) -> Content:
    """Reads observations of single media; those of events are about no photo, and counted.

    Raises:
      UserError: it is no data package, or a table is missing or lacks a column.
    """
    file = folder / DESCRIPTOR
    try:
        descriptor = json.loads(file.read_text("utf-8-sig"))
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise UserError(f"{file} is no JSON ({error}).") from error
    resources = descriptor.get("resources") if isinstance(descriptor, dict) else None
    if not isinstance(resources, list):
        raise UserError(f"{file} has no list of resources, so it is no data package.")
    ours = any(isinstance(s, dict) and s.get("title") == SOURCE for s in _list(descriptor))
    named = {str(r.get("name")): r for r in resources if isinstance(r, dict)}
    tables = {name: _read(folder, named.get(name), name) for name in TABLES}
    media, deployments = tables["media"].by("mediaID"), tables["deployments"].by("deploymentID")
    observations = tables["observations"]
    skipped = [pair for each in tables.values() for pair in each.skipped]
    remarks = [text for each in tables.values() for text in each.remarks]
    photos, events = list[Said](), 0
    # Others write when a sequence began; ours when the photo was taken, also of a part of one.
    dated = [row if ours else media.get(row["mediaID"], {}) for _, row in observations.rows]
    dates, _ = read_dates([row.get("eventStart" if ours else "timestamp", "") for row in dated])
    for (line, row), date in zip(observations.rows, dates, strict=True):
        where = f"line {line} of observations"
        if not row["mediaID"]:
            events += 1
            continue
        medium = media.get(row["mediaID"])
        if medium is None:
            skipped.append((where, f"its medium {row['mediaID']} is not in the package"))
            continue
        camera = deployments.get(row.get("deploymentID", ""), {}).get("cameraID", "")
        try:
            photos.append(_said(row, medium, camera, date, where, ours))
        except BadBoxError as error:
            skipped.append((where, str(error)))
    if events:
        remarks.append(f"{counted(events, 'observation is', 'observations are')} about no medium")
    notes, links = _beside(folder, named) if ours else ({}, {})
    return Content(photos, notes, links, str(folder), "", tuple(remarks), tuple(skipped))


def _list(descriptor: Mapping[str, Any]) -> list[Any]:
    found = descriptor.get("sources", [])
    return found if isinstance(found, list) else []


def _read(folder: Path, listed: Any, name: str) -> _Table:
    """A table of the package.

    Raises:
      UserError: it is not in it, lies elsewhere, or lacks a column.
    """
    if listed is None:
        raise UserError(f"{folder / DESCRIPTOR} names no table {name}, which Camtrap DP has.")
    path = listed.get("path")
    pure = PurePosixPath(path) if isinstance(path, str) else None
    if pure is None or pure.is_absolute() or ".." in pure.parts or "://" in str(path):
        raise UserError(f"The table {name} of {folder} lies at {path!r}, not in the package.")
    cells = read_cells(str(folder / pure))
    columns = {each.lower(): each for each in (*cells.header, *_known(name))}
    header = [columns[each] for each in cells.header]
    if absent := [each for each in _NEEDED[name] if each not in header]:
        raise UserError(f"{folder / pure} has no column {' and no column '.join(absent)}.")
    table = _Table(remarks=list(cells.notes))
    for line, fields in cells.rows:
        if len(fields) < len(header):
            why = f"it has {counted(len(fields), 'field')}, not {len(header)}"
            table.skipped.append((f"{folder / pure}, line {line}", why))
        else:
            table.rows.append((line, dict(zip(header, fields, strict=False))))
    return table


def _known(name: str) -> tuple[str, ...]:
    if name in TABLES:
        return tuple(fields_of(name))
    return {"individuals": NOTES, "links": LINKS}.get(name, ())


def _said(
    row: Mapping[str, str],
    medium: Mapping[str, str],
    camera: str,
    date: np.datetime64,
    where: str,
    ours: bool,
) -> Said:
    """What an observation says of a photo.

    Raises:
      BadBoxError: its box is none.
    """
    tags = _tags(row.get("observationTags", ""))
    mark = tags.get("mark", "")
    if not mark and row.get("observationType", "").strip() in ("blank", "human", "vehicle"):
        mark = NO_ANIMAL
    name = row.get("individualID", "")
    facts = {
        INDIVIDUAL: "" if is_nobody(name) else name,
        CONFIRMED: YES if row.get("classificationMethod", "").strip() == "human" else "",
        NOTE: row.get("observationComments", "").strip(),
        MARK: mark if mark in MARKS else "",
        DATE: "" if np.isnat(date) or tags.get(DATE) == "unknown" else str(date),
        "orientation": tags.get("orientation", ""),
        SIDE: tags.get(SIDE, "").lower(),
        "camera": camera,
    }
    path = medium["filePath"].strip()
    return Said(
        unquote(path) if ours and not is_url(path) else path,
        _box(row, tags),
        row["observationID"].strip() if ours else "",
        {what: text for what, text in facts.items() if text},
        where,
    )


def _tags(text: str) -> dict[str, str]:
    pairs = (each.strip().partition(":") for each in text.split("|"))
    return {name: unquote(value) for name, separator, value in pairs if separator}


def _box(row: Mapping[str, str], tags: Mapping[str, str]) -> Box | None:
    if tags.get("box"):
        _, box = whole_and_box(f"photo{tags['box']}")
        if box is not None:
            return box
    sides = [row.get(name, "").strip() for name in _BOX]
    if not all(sides):
        return None
    try:
        return box_of([float(side) for side in sides], 0.0, percent=True)
    except ValueError as error:
        raise BadBoxError(f"its box {', '.join(sides)} is none") from error


def _beside(
    folder: Path, named: Mapping[str, Any]
) -> tuple[dict[str, str], dict[tuple[str, str], str]]:
    """What our packages say of individuals, and of pairs of photos."""
    notes, links = dict[str, str](), dict[tuple[str, str], str]()
    if "individuals" in named:
        rows = _read(folder, named["individuals"], "individuals").rows
        notes = {row[NOTES[0]]: row[NOTES[1]].strip() for _, row in rows if row[NOTES[1]].strip()}
    if "links" in named:
        for _, row in _read(folder, named["links"], "links").rows:
            if row[LINKS[2]] in (SAME, DIFFERENT):
                links[row[LINKS[0]], row[LINKS[1]]] = row[LINKS[2]]
    return notes, links
