"""The metadata.csv of wildlife-datasets."""

import contextlib
import csv
import datetime
import io
import os
import sys

import numpy as np

from reid_jax.data.dataset import Dataset
from reid_jax.data.folder import checked_dataset
from reid_jax.errors import UserError

_REQUIRED = ("path", "identity")
_TEXTS = ("orientation", "camera", "split")
_MISSING = ("", "nan", "nat", "none", "null", "na", "n/a", "<na>")
_NOBODY = (*_MISSING, "unknown")  # what wildlife-datasets writes for an individual it cannot name
_DATE_FORMATS = ("%Y:%m:%d %H:%M:%S", "%Y/%m/%d %H:%M:%S", "%Y/%m/%d", "%Y-%m", "%Y")


def csv_dataset(path: str) -> Dataset:
    """Reads `path`, a CSV file or the folder of a metadata.csv.

    Columns: path (relative to the folder of the CSV) and identity; where present date,
    orientation, camera and split. Rows without a photo or an individual are in `Dataset.skipped`.

    Raises:
      UserError: the file, a column or every photo is missing, or a date cannot be read.
    """
    file = os.path.expanduser(path)
    if os.path.isdir(file):
        file = os.path.join(file, "metadata.csv")
    if not os.path.isfile(file):
        raise UserError(
            f"{file} does not exist: csv: needs a CSV file, or a folder with a metadata.csv."
        )
    header, rows = _read(file)
    missing = [name for name in _REQUIRED if name not in header]
    if missing:
        raise UserError(
            f"{file} has no column {' and no column '.join(missing)}: its columns are "
            f"{', '.join(header) or 'none'}, and path and identity are needed."
        )
    folder = os.path.dirname(file)
    files, names, kept, dates = [], [], [], []
    skipped: list[tuple[str, str]] = []
    seen: set[str] = set()
    for line, row in rows:
        photo, name = row["path"], row["identity"]
        found = _find(folder, photo)
        if photo.lower() in _MISSING:
            skipped.append((f"{file}, line {line}", "no path"))
        elif name.lower() in _NOBODY:
            skipped.append((photo, f"no identity in line {line}"))
        elif found is None:
            skipped.append((photo, f"the file in line {line} is missing"))
        elif found in seen:
            skipped.append((photo, f"listed a second time in line {line}"))
        else:
            seen.add(found)
            files.append(found)
            names.append(name)
            kept.append(row)
            dates.append(_date(row.get("date", ""), file, line))
    columns = {
        name: np.array([_value(row[name]) for row in kept], np.str_)
        for name in _TEXTS
        if name in header
    }
    if "date" in header:
        columns["date"] = np.array(dates, "datetime64[s]")
    return checked_dataset(files, names, columns, skipped, file)


def _value(text: str) -> str:
    """The text, empty where the field only says that there is no value."""
    return "" if text.lower() in _MISSING else text


def _find(folder: str, photo: str) -> str | None:
    for name in (photo, photo.replace("\\", "/")):  # a CSV written on Windows
        file = os.path.join(folder, name)
        with contextlib.suppress(ValueError):  # a zero byte in the name
            if os.path.isfile(file):
                return file
    return None


def _read(file: str) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    """Column names in lower case, and (line number, fields) of each row that is not empty."""
    try:
        with open(file, "rb") as stream:
            data = stream.read()
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror}.") from error
    csv.field_size_limit(sys.maxsize)  # segmentation masks in a field exceed the 128 KiB default
    text = _decode(data)
    first = text.split("\n", 1)[0]
    # Spreadsheets write semicolons where the comma is the decimal sign.
    delimiter = max(",;\t", key=first.count)
    rows = []
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        header = [name.strip().lower() for name in next(reader, [])]
        for row in reader:
            if any(row):
                values = (value.strip() for value in row)
                rows.append(
                    (reader.line_num, {**dict.fromkeys(header, ""), **_zip(header, values)})
                )
    except csv.Error as error:
        raise UserError(f"{file} is not a readable CSV: {error}.") from error
    return header, rows


def _zip(header: list[str], values) -> dict[str, str]:
    return dict(zip(header, values, strict=False))  # short rows lack their last fields


def _decode(data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _date(text: str, file: str, line: int) -> np.datetime64:
    if text.lower() in (*_MISSING, "unknown"):
        return np.datetime64("NaT", "s")
    with contextlib.suppress(ValueError):
        return np.datetime64(datetime.datetime.fromisoformat(text).replace(tzinfo=None), "s")
    for form in _DATE_FORMATS:
        with contextlib.suppress(ValueError):
            return np.datetime64(datetime.datetime.strptime(text, form), "s")
    raise UserError(
        f'{file}, line {line}: "{text}" is not a date this can read; write 2021-07-31 or '
        "2021-07-31 14:05:00."
    )
