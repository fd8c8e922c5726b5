"""A gallery as a Camera Trap Data Package (Bubnicki et al., 2023, doi 10.1002/rse2.374), 1.0.2.

What the standard has no place for stands in tags, `side:left | mark:cannot tell`, and in two more
tables, about individuals and about pairs of photos, so that nothing is lost on the way back.
"""

import datetime
import hashlib
import json
import mimetypes
import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from reid_jax.console import counted
from reid_jax.data.crops import Box
from reid_jax.data.names import is_nobody
from reid_jax.data.parallel import parallel_map
from reid_jax.data.photos.exif import Taken, taken
from reid_jax.data.photos.images import BadImageError, proportions
from reid_jax.data.photos.reading import SIDE
from reid_jax.errors import UserError
from reid_jax.files import as_text, write_text
from reid_jax.individuals.gallery.decisions import NO_ANIMAL
from reid_jax.individuals.gallery.exchange.content import Content, Said
from reid_jax.individuals.gallery.exchange.tables import as_csv
from reid_jax.individuals.gallery.journal.entries import CONFIRMED, INDIVIDUAL, MARK, NOTE
from reid_jax.remote.storage import is_url

VERSION = "1.0.2"
DESCRIPTOR = "datapackage.json"
SOURCE = "reid_jax"
TABLES = ("deployments", "media", "observations")
KEPT = Path(__file__).with_name("camtrap_dp")
"""The published schemas and their licence."""

DATE, UNKNOWN_DATE = "date", "1970-01-01T00:00:00Z"
NOTES = ("individualID", "individualComments")
LINKS = ("observationID", "otherObservationID", "relation")
_SCHEMAS = f"https://raw.githubusercontent.com/tdwg/camtrap-dp/{VERSION}"
_ANYWHERE = 20_037_509  # metres from one place to the farthest from it
_RELATIVE = re.compile(r"\.{2}|^[./~]|[\n\r%]")  # what the pattern of filePath refuses; and %


@dataclass(frozen=True)
class Place:
    """Where photos were taken.

    Attributes:
      latitude, longitude: degrees.
    """

    latitude: float
    longitude: float

    @staticmethod
    def read(text: str) -> "Place | None":
        """A place as a person writes it, `52.7,23.8`; None for nothing.

        Raises:
          UserError: it is none.
        """
        if not text.strip():
            return None
        try:
            latitude, longitude = (float(part) for part in text.split(","))
        except ValueError:
            latitude = longitude = np.nan
        if not (abs(latitude) <= 90 and abs(longitude) <= 180):
            raise UserError(
                f"--place is {text}; write latitude and longitude in degrees, as 52.704,23.85."
            )
        return Place(latitude, longitude)


@dataclass(frozen=True)
class About:
    """What a person says of all photos.

    Attributes:
      place: where those were taken that do not say it; None where nobody knows.
      species: the scientific name; "" for none.
      who: hands them on.
    """

    place: Place | None = None
    species: str = ""
    who: str = ""


def write_package(
    folder: Path, title: str, content: Content, names: Sequence[str], about: About
) -> tuple[str, ...]:
    """Writes the tables and their descriptor; returns sentences about what had to be assumed.

    Args:
      title: of the package.
      names: how the files of the photos are called, from the folder on.
    """
    files = list(dict.fromkeys(each.path for each in content.photos))
    looked = dict(zip(files, parallel_map(taken, files, "Reading places"), strict=True))
    deployments, remarks = _deployments(content.photos, looked, about)
    of_camera = {row["cameraID"]: row["deploymentID"] for row in deployments}
    media, observations = dict[str, dict[str, str]](), list[dict[str, str]]()
    sizes = parallel_map(_relative_box, content.photos, "Reading sizes of photos")
    for each, name, box in zip(content.photos, names, sizes, strict=True):
        deployment = of_camera[each.of("camera")]
        path = file_path(name)
        medium = hashlib.blake2b(path.encode(), digest_size=8).hexdigest()
        media.setdefault(medium, _medium(medium, deployment, path, each))
        observations.append(_observation(each, deployment, medium, box, about))
    tables: dict[str, tuple[Sequence[str], Sequence[Mapping[str, str]]]] = {
        "deployments": (fields_of("deployments"), deployments),
        "media": (fields_of("media"), list(media.values())),
        "observations": (fields_of("observations"), observations),
    }
    if content.notes:
        rows = [dict(zip(NOTES, row, strict=True)) for row in content.notes.items()]
        tables["individuals"] = NOTES, rows
    if content.links:
        said = [(*ids, what) for ids, what in content.links.items()]
        tables["links"] = LINKS, [dict(zip(LINKS, each, strict=True)) for each in said]
    for table, (columns, written) in tables.items():
        write_text(folder / f"{table}.csv", as_csv(written, columns))
    descriptor = _descriptor(title, content, deployments, about, tables)
    write_text(folder / DESCRIPTOR, json.dumps(descriptor, indent=2, ensure_ascii=False) + "\n")
    undated = sum(not each.of("date") for each in content.photos)
    if undated:
        remarks += (
            f"{counted(undated, 'photo has', 'photos have')} no date, and Camtrap DP needs one: "
            f"{UNKNOWN_DATE[:10]} stands there, with the tag {DATE}:unknown",
        )
    return remarks


def kept_schema(name: str) -> dict[str, Any]:
    """A published schema: "camtrap-dp-profile", or of a table."""
    file = KEPT / (f"{name}.json" if name not in TABLES else f"{name}-table-schema.json")
    found: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return found


def fields_of(table: str) -> list[str]:
    """The columns of a table of the standard."""
    return [field["name"] for field in kept_schema(table)["fields"]]


def file_path(name: str) -> str:
    """A relative path, or a URL, as the standard takes it: what it refuses is percent-encoded."""
    if is_url(name):
        return name
    return _RELATIVE.sub(lambda match: "".join(f"%{ord(c):02X}" for c in match[0]), name)


def _deployments(
    photos: Sequence[Said], looked: Mapping[str, Taken], about: About
) -> tuple[list[dict[str, str]], tuple[str, ...]]:
    """A row for each camera; and what nobody knew of their places."""
    rows, nowhere = [], 0
    for number, camera in enumerate(sorted({each.of("camera") for each in photos}), 1):
        theirs = [each for each in photos if each.of("camera") == camera]
        dates = sorted(filter(None, (each.of("date") for each in theirs)))
        place = _middle([looked[each.path] for each in theirs]) or about.place
        nowhere += place is None
        row = {
            "deploymentID": f"d{number}",
            "cameraID": camera,
            "deploymentStart": _time(dates[0] if dates else ""),
            "deploymentEnd": _time(dates[-1] if dates else ""),
            "timestampIssues": "true",  # nobody has said in which zone the clocks were
            "latitude": f"{place.latitude:.6f}" if place else "0",
            "longitude": f"{place.longitude:.6f}" if place else "0",
            "coordinateUncertainty": "" if place else str(_ANYWHERE),
        }
        rows.append(row)
    if not nowhere:
        return rows, ()
    cameras = counted(len(rows), "camera")
    return rows, (
        f"where photos of {nowhere:,} of {cameras} were taken is not known, and "
        "Camtrap DP needs it: 0,0 stands there, known to half the Earth (--place says it)",
    )


def _middle(said: Sequence[Taken]) -> Place | None:
    """The middle of the places that photos say."""
    places = np.array([[each.latitude, each.longitude] for each in said])
    places = places[~np.isnan(places).any(axis=1)]
    if not len(places):
        return None
    latitude, longitude = np.median(places, axis=0).tolist()
    return Place(latitude, longitude)


def _medium(medium: str, deployment: str, path: str, said: Said) -> dict[str, str]:
    kind, _ = mimetypes.guess_type(posixpath.basename(said.path))
    return {
        "mediaID": medium,
        "deploymentID": deployment,
        "timestamp": _time(said.of("date")),
        "filePath": path,
        "filePublic": "false",
        "fileName": as_text(posixpath.basename(said.path)),
        "fileMediatype": kind if kind and kind.startswith("image/") else "image/*",
    }


def _observation(
    said: Said, deployment: str, medium: str, box: Sequence[float], about: About
) -> dict[str, str]:
    time, name = _time(said.of("date")), said.of(INDIVIDUAL)
    animal = said.of(MARK) != NO_ANIMAL
    tags = {
        SIDE: said.of(SIDE),
        "orientation": said.of("orientation"),
        "mark": said.of(MARK),
        "box": "" if said.box is None else str(said.box),
        DATE: "" if said.of("date") else "unknown",
    }
    corners = [f"{side:.8g}" for side in box] or [""] * 4
    return {
        "observationID": said.id,
        "deploymentID": deployment,
        "mediaID": medium,
        "eventStart": time,
        "eventEnd": time,
        "observationLevel": "media",
        "observationType": "animal" if animal else "blank",
        "scientificName": about.species if animal else "",
        "count": "1" if animal else "",
        "individualID": "" if is_nobody(name) else name,
        **dict(zip(("bboxX", "bboxY", "bboxWidth", "bboxHeight"), corners, strict=True)),
        "classificationMethod": "human" if said.of(CONFIRMED) else "",
        "observationTags": " | ".join(f"{k}:{quote_tag(v)}" for k, v in tags.items() if v),
        "observationComments": said.of(NOTE),
    }


def quote_tag(value: str) -> str:
    """A value of a tag, in which the separator of tags is percent-encoded."""
    return "".join(quote(letter) if letter in "|%\n\r" else letter for letter in value)


def _relative_box(said: Said) -> tuple[float, ...]:
    """Left, top, width and height as parts of one; () where there is no box, or none is known."""
    box: Box | None = said.box
    if box is None:
        return ()
    width = height = 100.0
    if not box.percent:
        try:
            width, height = map(float, proportions(said.path))
        except BadImageError:
            return ()
    left, top = max(box.x / width, 0.0), max(box.y / height, 0.0)
    right, low = min((box.x + box.width) / width, 1.0), min((box.y + box.height) / height, 1.0)
    return (left, top, right - left, low - top) if right > left and low > top else ()


def _time(date: str) -> str:
    return f"{date}Z" if date else UNKNOWN_DATE


def _descriptor(
    title: str,
    content: Content,
    deployments: Sequence[Mapping[str, str]],
    about: About,
    tables: Mapping[str, tuple[Sequence[str], Any]],
) -> dict[str, Any]:
    plain = {"format": "csv", "mediatype": "text/csv", "encoding": "utf-8"}
    resources = [
        {
            "name": name,
            "path": f"{name}.csv",
            "profile": "tabular-data-resource",
            **plain,
            "dialect": {"delimiter": ",", "doubleQuote": True, "quoteChar": '"'},
            "schema": f"{_SCHEMAS}/{name}-table-schema.json"
            if name in TABLES
            else {"fields": [{"name": each, "type": "string"} for each in columns]},
        }
        for name, (columns, _) in tables.items()
    ]
    days = [each.of("date")[:10] for each in content.photos if each.of("date")]
    known = [row for row in deployments if not row["coordinateUncertainty"]] or deployments
    across = [float(row["longitude"]) for row in known]
    down = [float(row["latitude"]) for row in known]
    return {
        "resources": resources,
        "profile": f"{_SCHEMAS}/camtrap-dp-profile.json",
        "name": re.sub(r"[^a-z0-9._-]+", "-", title.lower()).strip("-") or "gallery",
        **({"id": content.gallery} if content.gallery else {}),
        "title": title,
        "created": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "contributors": [{"title": about.who, "role": "contributor"}],
        "sources": [{"title": SOURCE}],
        "project": {
            "title": title,
            "samplingDesign": "opportunistic",
            "captureMethod": ["activityDetection"],
            "individualAnimals": True,
            "observationLevel": ["media"],
        },
        "spatial": {
            "type": "MultiPoint",
            "coordinates": [list(point) for point in zip(across, down, strict=True)],
        },
        "temporal": {
            "start": min(days, default=UNKNOWN_DATE[:10]),
            "end": max(days, default=UNKNOWN_DATE[:10]),
        },
        "taxonomic": [{"scientificName": about.species}] if about.species else [],
    }
