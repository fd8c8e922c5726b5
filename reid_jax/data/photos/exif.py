"""Dates and places that cameras have written into photos."""

import collections
import contextlib
import dataclasses
import datetime
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, UnidentifiedImageError

from reid_jax.data.crops import whole_and_box
from reid_jax.data.elsewhere import is_elsewhere, open_head
from reid_jax.data.parallel import parallel_map
from reid_jax.data.photos.dataset import Dataset
from reid_jax.data.photos.dates import NO_DATE, read_dates

_EXIF, _GPS = 0x8769, 0x8825  # where the two tables of tags are
_TAKEN, _STORED, _CHANGED = 0x9003, 0x9004, 0x0132
_ZONES = {_TAKEN: 0x9011, _STORED: 0x9012, _CHANGED: 0x9010}
_NORTH, _LATITUDE, _EAST, _LONGITUDE = 1, 2, 3, 4
_NOTHING = 20  # bytes of EXIF without a tag
_HEAD = 2**18  # bytes of a photo that is elsewhere
_AHEAD = datetime.timedelta(days=1)  # a zone may be ahead of this one


class Taken(NamedTuple):
    """What a photo says of itself.

    Attributes:
      date: datetime64[s], as the camera's clock showed it; NaT where it says nothing that can be.
      latitude, longitude: degrees, NaN where it says nothing.
      wrong: what was wrong with it, in short; empty where nothing was.
      zoned: whether it says the zone of its clock.
    """

    date: np.datetime64
    latitude: float
    longitude: float
    wrong: str
    zoned: bool


_DAMAGED = Taken(NO_DATE, float("nan"), float("nan"), "damaged EXIF", False)


def with_exif(dataset: Dataset) -> Dataset:
    """The photos with columns "date", and "latitude" and "longitude" where any says them.

    A date or place that the source says counts. Dates are as the clock of the camera showed them,
    whatever its zone. What cannot be is passed over, counted, and said in a note. In memory there
    is nothing to read.
    """
    if dataset.pixels is not None or not len(dataset):
        return dataset
    wholes = [whole_and_box(path)[0] for path in dataset.paths.tolist()]
    distinct = list(dict.fromkeys(wholes))
    looked = parallel_map(taken, distinct, "Reading dates")
    by_file = dict(zip(distinct, looked, strict=True))
    found = [by_file[whole] for whole in wholes]
    columns = dict(dataset.columns)
    dates = np.array([each.date for each in found], "datetime64[s]")
    said = columns.get("date", np.full(len(dataset), NO_DATE))
    columns["date"] = np.where(np.isnat(said), dates, said)
    unread = {name: text for name, text in dataset.unread.items() if name != "date"}
    if "date" in dataset.unread and np.isnat(columns["date"]).any():
        unread = dict(dataset.unread)
    for name, place in (("latitude", 1), ("longitude", 2)):
        values = np.array([each[place] for each in found], np.float64)
        if name not in columns and not np.isnan(values).all():
            columns[name] = values
    if np.isnat(columns["date"]).all():
        del columns["date"]
    telling = any(each.wrong or not np.isnat(each.date) for each in looked)
    notes = dataset.notes
    if telling or np.isnat(said).any():
        notes = (*notes, _about(looked))
    return dataclasses.replace(dataset, columns=columns, notes=notes, unread=unread)


def taken(path: str) -> Taken:
    """When and where a photo was taken, by what its file says."""
    try:
        with Image.open(open_head(path, _HEAD) if is_elsewhere(path) else path) as image:
            tags = image.getexif()
            inner: Mapping[int, Any] = {**tags, **tags.get_ifd(_EXIF)}
            place = tags.get_ifd(_GPS)
            if not tags and len(image.info.get("exif", b"")) > _NOTHING:
                return _DAMAGED
    except (OSError, UnidentifiedImageError, SyntaxError):
        return Taken(NO_DATE, np.nan, np.nan, "a file that cannot be read", False)
    except Exception:  # whatever a camera or a program may have written there
        return _DAMAGED
    date, wrong, zoned = _date(inner)
    latitude = _degrees(place, _LATITUDE, _NORTH, "S", 90.0)
    longitude = _degrees(place, _LONGITUDE, _EAST, "W", 180.0)
    if np.isnan(latitude) or np.isnan(longitude) or latitude == longitude == 0.0:
        latitude = longitude = np.nan  # a receiver that has found nothing says 0, 0
    return Taken(date, latitude, longitude, wrong, zoned)


def _date(tags: Mapping[int, Any]) -> tuple[np.datetime64, str, bool]:
    wrong = ""
    for tag, zone in _ZONES.items():
        text = _text(tags.get(tag))
        if not text.strip(" :0"):
            wrong = wrong or ("the date 0000:00:00" if "0" in text else "")
            continue
        dates, unread = read_dates([text])
        if unread or np.isnat(dates[0]):
            wrong = wrong or "a date that cannot be read"
        elif dates[0] > np.datetime64(datetime.datetime.now() + _AHEAD, "s"):
            wrong = wrong or "a date in the future"
        else:
            return dates[0], "", bool(_text(tags.get(zone)).strip(" :"))
    return NO_DATE, wrong, False


def _text(value: object) -> str:
    if isinstance(value, bytes):
        value = value.decode("ascii", "replace")
    return value.strip("\0 ") if isinstance(value, str) else ""


def _degrees(
    place: Mapping[int, Any], tag: int, reference: int, negative: str, most: float
) -> float:
    with contextlib.suppress(Exception):  # rationals of 0 / 0, two numbers instead of three, ...
        degrees, minutes, seconds = (float(part) for part in place[tag])
        found = degrees + minutes / 60 + seconds / 3600
        if abs(found) <= most:
            return -found if _text(place.get(reference)).upper() == negative else found
    return float("nan")


def _about(found: list[Taken]) -> str:
    """A sentence: how many photos say a date and a place, and what was wrong with others."""
    dated = sum(not np.isnat(each.date) for each in found)
    placed = sum(not np.isnan(each.latitude) for each in found)
    parts = [f"{dated:,} of {len(found):,} photos say when they were taken (EXIF)"]
    if placed:
        parts.append(f"{placed:,} where")
    counts = collections.Counter(each.wrong for each in found if each.wrong)
    parts += [f"{number:,} had {what}" for what, number in sorted(counts.items())]
    without = dated - sum(each.zoned for each in found)
    if without:
        parts.append(f"{without:,} name no zone, their clocks are taken as they stand")
    return ", ".join(parts)
