"""A workbook for people: a row a photo, and a sheet of the individuals.

Each cell is a text by its type, which no program runs whatever it begins with.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from reid_jax.console import Bar, others_quiet
from reid_jax.data.photos.csv_file import Cells
from reid_jax.errors import UserError, missing
from reid_jax.files import as_text, atomic_write
from reid_jax.individuals.gallery.exchange import tables
from reid_jax.individuals.gallery.exchange.content import Content, Said
from reid_jax.individuals.gallery.journal.entries import CONFIRMED, INDIVIDUAL

WORKBOOK = "gallery.xlsx"
_PHOTOS, _INDIVIDUALS = "photos", "individuals"
_COLUMNS = tuple(name for name in tables.COLUMNS if name != "individual_note")
_OF_INDIVIDUALS = ("identity", "photos", "confirmed", "first", "last", "individual_note")
_WIDTHS = {"path": 40, "identity": 20, "note": 40, "individual_note": 60, "date": 20, "id": 18}
_LONGEST, _MOST = 32_767, 1_048_575  # letters of a cell, rows below a header
_ODD = re.compile(r"[\x00-\x08\x0b-\x1f\ufffe\uffff]|\\|_(?=x[0-9A-Fa-f]{4}_)")
_WRITTEN = re.compile(r"\\\\|\\u([0-9a-f]{4})")


def check_installed() -> None:
    """Raises a UserError where openpyxl is missing."""
    _openpyxl()


def write_workbook(path: Path, content: Content, names: Sequence[str]) -> None:
    """Writes what a gallery says.

    Args:
      names: how the photos are called.

    Raises:
      UserError: openpyxl is missing, or a cell or a sheet cannot hold it.
    """
    openpyxl = _openpyxl()
    of_photos = _texts(_COLUMNS, tables.as_rows(content, names))
    of_individuals = _texts(_OF_INDIVIDUALS, _individuals(content))
    book = openpyxl.Workbook(write_only=True)
    _fill(book, _PHOTOS, _COLUMNS, of_photos)
    _fill(book, _INDIVIDUALS, _OF_INDIVIDUALS, of_individuals)
    with atomic_write(path) as file:
        book.save(file)


def _texts(columns: Sequence[str], rows: Sequence[dict[str, str]]) -> list[list[str]]:
    """The cells of a sheet, before a sheet is begun.

    Raises:
      UserError: a cell, or a sheet, cannot hold it.
    """
    if len(rows) > _MOST:
        raise UserError(f"A sheet holds {_MOST:,} rows, not {len(rows):,}; export --to csv.")
    found = [[_escaped(as_text(row[name])) for name in columns] for row in rows]
    if long := next((text for row in found for text in row if len(text) > _LONGEST), ""):
        raise UserError(
            f"A cell holds {_LONGEST:,} letters, not {len(long):,}, as {long[:40]!r}... has; "
            "export --to csv."
        )
    return found


def _individuals(content: Content) -> list[dict[str, str]]:
    by_name: dict[str, list[Said]] = {}
    for each in content.photos:
        by_name.setdefault(each.of(INDIVIDUAL), []).append(each)
    found = []
    for name, theirs in sorted(by_name.items()):
        days = sorted(each.of("date")[:10] for each in theirs if each.of("date"))
        found.append(
            {
                "identity": name,
                "photos": str(len(theirs)),
                "confirmed": str(sum(bool(each.of(CONFIRMED)) for each in theirs)),
                "first": days[0] if days else "",
                "last": days[-1] if days else "",
                "individual_note": content.notes.get(name, ""),
            }
        )
    return found


def _fill(book: Any, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from openpyxl.styles import Font
    from openpyxl.utils import get_column_letter

    sheet = book.create_sheet(title)
    sheet.freeze_panes = "A2"
    for number, name in enumerate(columns, 1):
        sheet.column_dimensions[get_column_letter(number)].width = _WIDTHS.get(name, 14)
    sheet.auto_filter.ref = f"A1:{get_column_letter(len(columns))}{len(rows) + 1}"
    sheet.append(_cells(sheet, columns, Font(bold=True)))
    with Bar(f"Writing {title}", len(rows)) as bar:
        for number, row in enumerate(rows):
            bar.update(number)
            sheet.append(_cells(sheet, row, None))


def _cells(sheet: Any, texts: Iterable[str], font: Any) -> list[Any]:
    from openpyxl.cell import WriteOnlyCell

    found = []
    for text in texts:
        cell = WriteOnlyCell(sheet, text or None)
        if text:
            cell.data_type = "s"  # it may have been taken for a formula
            cell.quotePrefix = True
        if font is not None:
            cell.font = font
        found.append(cell)
    return found


def read_workbook(file: Path) -> Content:
    """What a workbook says.

    Raises:
      UserError: openpyxl is missing, or it is none.
    """
    openpyxl = _openpyxl()
    try:
        with others_quiet():
            book = openpyxl.load_workbook(file, read_only=True, data_only=True)
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror or error}.") from error
    except Exception as error:  # whatever a zip or XML may hold
        raise UserError(f"{file} is no workbook ({type(error).__name__}); give XLSX.") from error
    try:
        titles = [sheet.title for sheet in book.worksheets]
        if not titles:
            raise UserError(f"{file} has no sheet.")
        first = book[_PHOTOS if _PHOTOS in titles else titles[0]]
        found = tables.content_of(_read(first), str(file), str(file.parent))
        if _INDIVIDUALS not in titles or first.title == _INDIVIDUALS:
            return found
        return _with_notes(found, _read(book[_INDIVIDUALS]))
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"{file} is damaged ({type(error).__name__}); save it again.") from error
    finally:
        book.close()


def _read(sheet: Any) -> Cells:
    rows = []
    for line, values in enumerate(sheet.iter_rows(values_only=True), 1):
        fields = [_as_text(value) for value in values]
        if any(map(str.strip, fields)):
            rows.append((line, fields))
    header = [name.strip().lower() for name in rows[0][1]] if rows else []
    while header and not header[-1]:
        header.pop()
    width = len(header)
    filled = [(line, [*fields, *[""] * (width - len(fields))]) for line, fields in rows[1:]]
    return Cells(tuple(header), filled)


def _with_notes(content: Content, cells: Cells) -> Content:
    if not {"identity", "individual_note"} <= set(cells.header):
        return content
    name, note = cells.header.index("identity"), cells.header.index("individual_note")
    said = {row[name]: row[note].strip() for _, row in cells.rows if row[note].strip()}
    return replace(content, notes=said)


def _as_text(value: object) -> str:
    """A value of a cell; programs turn numbers and dates that people type into their own."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return _WRITTEN.sub(lambda match: chr(int(match[1], 16)) if match[1] else "\\", str(value))


def _escaped(text: str) -> str:
    """A text without what XML does not know or Excel reads otherwise; backslashes are doubled."""
    return _ODD.sub(lambda match: "\\\\" if match[0] == "\\" else f"\\u{ord(match[0]):04x}", text)


def _openpyxl() -> Any:
    try:
        import openpyxl
    except ImportError as error:
        raise missing("A workbook", "openpyxl", "exchange") from error
    return openpyxl
