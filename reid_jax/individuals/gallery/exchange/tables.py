"""A row a photo, as wildlife-datasets names its columns, and what a gallery knows beside them."""

import csv
import difflib
import io
from collections.abc import Mapping, Sequence

import numpy as np

from reid_jax.console import counted
from reid_jax.data.crops import BadBoxError, Box, read_box, whole_and_box
from reid_jax.data.names import MISSING, is_nobody
from reid_jax.data.parallel import parallel_map
from reid_jax.data.photos.csv_file import Cells, lines_text, read_cells
from reid_jax.data.photos.dates import read_dates
from reid_jax.data.photos.images import BadImageError, proportions
from reid_jax.data.photos.reading import SIDE
from reid_jax.errors import UserError
from reid_jax.files import as_text
from reid_jax.individuals.gallery.decisions import DIFFERENT, MARKS, SAME
from reid_jax.individuals.gallery.exchange.content import Content, Said
from reid_jax.individuals.gallery.journal.entries import CONFIRMED, INDIVIDUAL, MARK, NOTE
from reid_jax.individuals.gallery.reports.where import described
from reid_jax.individuals.gallery.value import PLACE, POSITION, SEX

METADATA = "metadata.csv"
YES, NO, NONE = "yes", "no", "none"
_DESCRIBED = (PLACE, SEX, *POSITION)
COLUMNS = (
    *("id", "path", "identity", "bbox", "part", "date", "orientation", SIDE, "camera"),
    *_DESCRIBED,
    *("confirmed", "note", "mark", SAME, DIFFERENT, "individual_note"),
)
"""`bbox` is that of wildlife-datasets, in pixels; `part` the same exactly, with its margin."""

_SPELLED = {
    "identity": ("identity", "individual", "name"),
    "orientation": ("orientation", "viewpoint"),
}
_FACTS = {
    "orientation": "orientation",
    SIDE: SIDE,
    "camera": "camera",
    "note": NOTE,
    "mark": MARK,
}
_NAMED = 5  # columns and lines that are named
_WIDEST = 30  # letters of the name of a column


def as_rows(content: Content, names: Sequence[str]) -> list[dict[str, str]]:
    """A row for each photo, by column.

    Args:
      names: how the photos are called.
    """
    links: dict[str, dict[str, list[str]]] = {}
    for (one, other), what in content.links.items():
        links.setdefault(one, {}).setdefault(what, []).append(other)
    boxes = parallel_map(_pixels, content.photos, "Reading sizes of photos")
    return [
        {
            "id": each.id,
            "path": name,
            "identity": each.of(INDIVIDUAL),
            "bbox": box,
            "part": "" if each.box is None else str(each.box).lstrip("#"),
            "date": _date(each),
            "orientation": each.of("orientation"),
            SIDE: each.of(SIDE),
            "camera": each.of("camera"),
            **{name: each.of(name) for name in _DESCRIBED},
            "confirmed": YES if each.of(CONFIRMED) else NO,
            "note": each.of(NOTE),
            "mark": each.of(MARK),
            SAME: " ".join(links.get(each.id, {}).get(SAME, ())),
            DIFFERENT: " ".join(links.get(each.id, {}).get(DIFFERENT, ())),
            "individual_note": content.notes.get(each.of(INDIVIDUAL), ""),
        }
        for each, name, box in zip(content.photos, names, boxes, strict=True)
    ]


def _date(said: Said) -> str:
    text = said.of("date").replace("T", " ")
    return text.removesuffix(" 00:00:00")


def _pixels(said: Said) -> str:
    """A box as wildlife-datasets writes it; "" where the photo cannot be asked for its size."""
    box = said.box
    if box is None:
        return ""
    across = down = 1.0
    if box.percent:
        try:
            width, height = proportions(said.path)
        except BadImageError:
            return ""
        across, down = width / 100, height / 100
    sides = box.x * across, box.y * down, box.width * across, box.height * down
    return f"[{', '.join(f'{side:.10g}' for side in sides)}]"


def as_csv(rows: Sequence[Mapping[str, str]], columns: Sequence[str]) -> str:
    """Rows as CSV, all in quotes, so that spaces around a name stay."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([as_text(row.get(name, "")) for name in columns] for row in rows)
    return stream.getvalue()


def read_csv(file: str, root: str) -> Content:
    """What a CSV file says; its paths are from a folder.

    Raises:
      UserError: it cannot be read, or says nothing of photos.
    """
    return content_of(read_cells(file), file, root)


def content_of(cells: Cells, source: str, root: str) -> Content:
    """What a table says.

    An empty field says nothing. Columns that are not known are named and passed over, rows that do
    not fit are skipped.

    Args:
      source: for sentences.
      root: the folder from which its paths are.

    Raises:
      UserError: it has a column twice, none that says which photo, or none that says anything.
    """
    places = _places(cells.header, source)
    said: list[tuple[int, dict[str, str]]] = []
    skipped: list[tuple[str, str]] = []
    for line, fields in cells.rows:
        if len(fields) < len(cells.header) or any(map(str.strip, fields[len(cells.header) :])):
            why = f"it has {counted(len(fields), 'field')}, not {len(cells.header)}"
            skipped.append((f"{source}, line {line}", why))
        else:
            said.append((line, {name: fields[place] for name, place in places.items()}))
    dates, unread = read_dates([row.get("date", "") for _, row in said])
    remarks = [*cells.notes, *_unknown(cells.header, places)]
    if unread:
        lines = lines_text([said[row][0] for row in list(unread)[:_NAMED]])
        more = ", ..." if len(unread) > _NAMED else ""
        remarks.append(f"{counted(len(unread), 'date')} cannot be read, in {lines}{more}")
    photos, notes = [], dict[str, str]()
    links: dict[tuple[str, str], str] = {}
    for (line, row), date in zip(said, dates, strict=True):
        where = f"line {line}"
        try:
            found = _said(row, "" if np.isnat(date) else str(date), where)
        except (BadBoxError, UserError) as error:
            skipped.append((f"{source}, {where}", str(error).rstrip(".")))
            continue
        photos.append(found)
        name, note = found.of(INDIVIDUAL), row.get("individual_note", "").strip()
        if note and name and notes.setdefault(name, note) != note:
            skipped.append((f"{source}, {where}", f"another note about {name} stands before"))
        for what in (SAME, DIFFERENT):
            for other in row.get(what, "").split() if found.id else ():
                links[min(found.id, other), max(found.id, other)] = what
    return Content(photos, notes, links, root, remarks=tuple(remarks), skipped=tuple(skipped))


def _said(row: Mapping[str, str], date: str, where: str) -> Said:
    """What a row says.

    Raises:
      BadBoxError: its box is none.
      UserError: it says what cannot be.
    """
    path, id = row.get("path", "").strip(), row.get("id", "").strip()
    if path.lower() in MISSING and not id:
        raise UserError("it names no photo")
    facts = {}
    name = row.get("identity", "")
    if not is_nobody(name):
        facts[INDIVIDUAL] = name
    sure = row.get("confirmed", "").strip().lower()
    if sure:
        facts[CONFIRMED] = _truth(sure)
    if date:
        facts["date"] = date
    for column, attribute in _FACTS.items():
        text = row.get(column, "").strip()
        if text and (column == "note" or not is_nobody(text) or text == NONE):
            facts[attribute] = text.lower() if column == SIDE else text
    for column in _DESCRIBED:
        text = row.get(column, "").strip()
        if not is_nobody(text):
            facts[column] = described(column, text)[1]
    if facts.get(MARK, NONE) not in (NONE, *MARKS):
        raise UserError(f'its mark is "{facts[MARK]}", not "{MARKS[0]}", "{MARKS[1]}" or "{NONE}"')
    return Said(path, _box(row), id, facts, where)


def _truth(word: str) -> str:
    if word in (YES, "true", "1", "1.0", "x"):
        return YES
    if word in (NO, "false", "0", "0.0"):
        return NO
    raise UserError(f'it says "{word}" where confirmed is {YES} or {NO}')


def _box(row: Mapping[str, str]) -> Box | None:
    part = row.get("part", "").strip()
    if part:
        _, box = whole_and_box(f"photo#{part}")
        if box is None:
            raise BadBoxError(f"its part {part} is none")
        return box
    text = row.get("bbox", "").strip()
    return None if text.lower() in MISSING else read_box(text, 0.0)


def _places(header: Sequence[str], source: str) -> dict[str, int]:
    """Where each known column is."""
    places: dict[str, int] = {}
    for name in COLUMNS:
        spelled = [word for word in _SPELLED.get(name, (name,)) if word in header]
        if not spelled:
            continue
        if header.count(spelled[0]) > 1:
            number = header.count(spelled[0])
            raise UserError(f"{source} has {number} columns {spelled[0]}; leave one.")
        places[name] = header.index(spelled[0])
    if not places.keys() & {"id", "path"} or not places.keys() - {"id", "path", "bbox", "part"}:
        raise UserError(
            f"{source} does not say which photo is whose: its columns are "
            f"{_listed(header) or 'none'}, and path and identity are needed, or "
            "others that reid-jax gallery export writes."
        )
    return places


def _listed(header: Sequence[str]) -> str:
    """The first columns, also of a file that is no table."""
    names = ["".join(filter(str.isprintable, name))[:_WIDEST] for name in header if name]
    return ", ".join([*names[:_NAMED], *(["..."] if len(names) > _NAMED else [])])


def _unknown(header: Sequence[str], places: Mapping[str, int]) -> list[str]:
    """A sentence about columns that are not read; one that is nearly known is told."""
    others = [name for place, name in enumerate(header) if name and place not in places.values()]
    if not others:
        return []
    known = [word for name in COLUMNS for word in _SPELLED.get(name, (name,))]
    near = {name: difflib.get_close_matches(name, known, 1, 0.8) for name in others}
    named = [
        f"{name} (did you mean {near[name][0]}?)" if near[name] else name
        for name in sorted(others, key=lambda name: not near[name])[:_NAMED]
    ]
    more = f" and {len(others) - _NAMED:,} more" if len(others) > _NAMED else ""
    return [f"columns that are not read: {', '.join(named)}{more}"]
