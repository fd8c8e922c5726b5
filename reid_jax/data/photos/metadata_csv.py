"""The metadata.csv of wildlife-datasets."""

import os
from collections.abc import Collection

import numpy as np

from reid_jax.console import Bar, counted
from reid_jax.data.crops import BadBoxError, read_box
from reid_jax.data.names import MISSING, UNKNOWN, finder_in, is_nobody
from reid_jax.data.photos.csv_file import Table, lines_text, read_table
from reid_jax.data.photos.dataset import Dataset
from reid_jax.data.photos.dates import read_dates
from reid_jax.data.photos.folder import Found, checked_dataset
from reid_jax.data.photos.reading import SIDE, Reading
from reid_jax.data.photos.splits import in_no_side
from reid_jax.errors import UserError
from reid_jax.remote.storage import is_url

_REQUIRED = ("path", "identity")
_BOX = "bbox"
_TEXTS = ("orientation", SIDE, "camera", "split", "place", "sex")
_NUMBERS = {"latitude": 90.0, "longitude": 180.0}  # degrees, and the most there are
_PLAIN = Reading()
_NAMED = 8  # dates that cannot be read, with what stands there


def csv_dataset(
    path: str,
    *,
    unnamed: bool = False,
    keep: Collection[str] = (),
    reading: Reading = _PLAIN,
) -> Dataset:
    """Reads `path`, a CSV file or the folder of a metadata.csv.

    Columns: path (relative to the folder of the CSV) and identity; where present date,
    orientation, side, camera, split, place and sex, empty where a row says nothing, latitude and
    longitude in degrees, and bbox, of which the part is read. Rows without a photo or an
    individual, with a box that is none, and photos listed a second time under whatever path with
    the same box, are in `Dataset.skipped`. Dates that cannot be read are missing, and in
    `Dataset.unread`.

    Args:
      path: the file or its folder.
      unnamed, keep: see `folder.folder_dataset`; where it is not asked who it is, there may be no
        column identity.
      reading: its margin and its column of sides are used.

    Raises:
      UserError: the file, a column or every photo is missing, or the file is no table.
    """
    file = path if is_url(path) else os.path.expanduser(path)
    if os.path.isdir(file) or (is_url(file) and not os.path.splitext(file)[1]):
        file = os.path.join(file, "metadata.csv")
    if not is_url(file) and not os.path.isfile(file):
        raise UserError(
            f"{file} does not exist: csv: needs a CSV file, or a folder with a metadata.csv."
        )
    # A run goes on with the table that it was trained with.
    side = (reading.side_column.lower(),) if reading.side_column else ()
    needed = _REQUIRED[:1] if unnamed else _REQUIRED
    required = (*needed, *side) if reading.side_needed else needed
    texts = tuple(dict.fromkeys((*_TEXTS, *side)))
    optional = (*_REQUIRED, *texts, *_NUMBERS, "date", _BOX)
    table = read_table(file, required, optional, strict=not keep)
    names = table.columns.get("identity", [""] * len(table.lines))
    finder, found = finder_in(os.path.dirname(file)), Found(keep=keep)
    found.notes += table.notes
    used: list[int] = []
    bar = Bar("Looking for photos", len(table.lines))
    for row, line in enumerate(table.lines):
        bar.update(row)
        photo, name = table["path"][row], names[row]
        nobody = is_nobody(name)
        if photo.lower() in MISSING:
            found.skipped.append((f"{file}, line {line}", "no path"))
        elif nobody and not unnamed:
            found.skipped.append((photo, f"no identity in line {line}"))
        elif (there := finder.find(photo)) is None:
            found.skipped.append((photo, f"the file in line {line} is missing"))
        elif (part := _part(there, table, row, reading.margin, found)) is not None and found.add(
            part, UNKNOWN if nobody else name, f", listed again in line {line}"
        ):
            used.append(row)
    bar.close()
    if whole := _without_a_box(table, used):
        found.notes.append(whole)
    columns = {
        name: np.array([_value(table[name][row]) for row in used], np.str_)
        for name in texts
        if name in table.columns
    }
    if "split" in columns and (note := in_no_side(columns["split"])):
        found.notes.append(note)
    unread: dict[str, str] = {}
    columns |= _positions(table, used, found)
    if "date" in table.columns:
        columns["date"], reasons = read_dates([table["date"][row] for row in used])
        if reasons:
            unread["date"] = _unread(file, table, {used[row]: why for row, why in reasons.items()})
    return checked_dataset(found, columns, file, unread)


def _part(photo: str, table: Table, row: int, margin: float, found: Found) -> str | None:
    """The name of the part of a photo that a row is about; None where its box is none."""
    text = table[_BOX][row] if _BOX in table.columns else ""
    if not text or photo in found.keep:  # a run that began when boxes were not read
        return photo
    try:
        return f"{photo}{read_box(text, margin)}"
    except BadBoxError as error:
        found.skipped.append((photo, f"{error}, in line {table.lines[row]}"))
    return None


def _without_a_box(table: Table, used: list[int]) -> str:
    """A sentence about photos that are read whole where others have a box."""
    if _BOX not in table.columns:
        return ""
    whole = [row for row in used if not table[_BOX][row]]
    if not 0 < len(whole) < len(used):
        return ""
    photos = counted(len(whole), "photo has", "photos have")
    return f"{photos} no box in the column {_BOX}; such a photo is read whole"


def _positions(table: Table, used: list[int], found: Found) -> dict[str, np.ndarray]:
    """Latitude and longitude of the rows, NaN where one of the two is missing or is none."""
    if not all(name in table.columns for name in _NUMBERS):
        return {}
    texts = [(table["latitude"][row], table["longitude"][row]) for row in used]
    both = np.array(
        [
            [_degrees(text, most) for text, most in zip(pair, _NUMBERS.values(), strict=True)]
            for pair in texts
        ],
        np.float64,
    ).reshape(-1, 2)
    missing = np.isnan(both[:, 0]) | np.isnan(both[:, 1])
    wrong = [
        table.lines[row]
        for row, pair, bad in zip(used, texts, missing, strict=True)
        if bad and not all(is_nobody(text) for text in pair)
    ]
    if wrong:
        found.notes.append(
            f"the positions in {lines_text(wrong)} are not read; write degrees, as 47.3769 and "
            "-8.5417"
        )
    both[missing] = np.nan
    return dict(zip(_NUMBERS, both.T, strict=True))


def _degrees(text: str, most: float) -> float:
    try:
        found = float(text.replace(",", "."))  # where the comma is the decimal sign
    except ValueError:
        return float("nan")
    return found if abs(found) <= most else float("nan")


def _value(text: str) -> str:
    """The text, empty where the field only says that there is no value."""
    return "" if is_nobody(text) else text


def _unread(file: str, table: Table, reasons: dict[int, str]) -> str:
    named = [
        f'line {table.lines[row]} ("{table["date"][row]}": {why})'
        for row, why in list(reasons.items())[:_NAMED]
    ]
    rest = [table.lines[row] for row in list(reasons)[_NAMED:]]
    more = f" and in {lines_text(rest)}" if rest else ""
    return (
        f"{file}: {len(reasons):,} of {len(table.lines):,} dates cannot be read, in "
        f"{', '.join(named)}{more}; write 2021-07-31 or 2021-07-31 14:05:00."
    )
