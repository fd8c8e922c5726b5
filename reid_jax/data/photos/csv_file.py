"""Tables in CSV files as spreadsheets and programs write them; what is broken is not guessed."""

import csv
import io
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reid_jax.data.elsewhere import open_binary
from reid_jax.errors import UserError
from reid_jax.remote.storage import is_url, refused

_DELIMITERS = ",;\t"
_SEPARATOR = re.compile(r'"?sep=(.)"?[\r\n]+', re.IGNORECASE)
_LARGEST = min(sys.maxsize, 2**31 - 1)  # what a C long holds on Windows


@dataclass(frozen=True)
class Table:
    """N rows of a CSV file.

    Attributes:
      lines: the line of the file in which each row begins, from 1.
      columns: those that were asked for and are there, (N,) each, without spaces around.
      notes: sentences about how the file was read.
    """

    lines: tuple[int, ...]
    columns: Mapping[str, Sequence[str]]
    notes: tuple[str, ...]

    def __getitem__(self, name: str) -> Sequence[str]:
        return self.columns[name]


def read_table(
    file: str, required: Sequence[str], optional: Sequence[str], *, strict: bool = True
) -> Table:
    """Reads columns of a CSV file by their names, which are compared in lower case.

    Separated by commas, semicolons or tabs; a first line `sep=;` says which. UTF-8, UTF-16, or
    else Windows' Latin-1, which is a note. Empty lines are left out; empty fields beyond the last
    column, as spreadsheets write them, too.

    Args:
      file: its path.
      required, optional: names of columns.
      strict: False reads a broken table all the same, with a note, as this program once did: rows
        that are too short end in empty fields, what is too much is left out.

    Raises:
      UserError: the file cannot be read, lacks a required column or has one twice, a quote is not
        closed, rows have more or fewer fields than the first line, a field of these columns goes
        over several lines, or one of another column holds whole rows, known by the ending of the
        file in the first required column; with the lines.
    """
    text, notes = _decode(_bytes_of(file), file)
    header, rows, delimiter = _split(text, file, strict)
    missing = [name for name in required if name not in header]
    if missing:
        raise UserError(
            f"{file} has no column {' and no column '.join(missing)}: its columns are "
            f"{', '.join(filter(None, header)) or 'none'}, and {' and '.join(required)} are needed."
        )
    wanted = {
        name: len(header) - 1 - header[::-1].index(name)
        for name in (*required, *optional)
        if name in header
    }
    try:
        _check(header, rows, wanted, file)
        _check_swallowed(rows, wanted[required[0]], delimiter, file)
    except UserError as error:
        if strict:
            raise
        notes += (str(error),)
        rows = [(line, row + [""] * (len(header) - len(row))) for line, row in rows]
    columns = {name: [row[place].strip() for _, row in rows] for name, place in wanted.items()}
    return Table(tuple(line for line, _ in rows), columns, notes)


@dataclass(frozen=True)
class Cells:
    """All of a table.

    Attributes:
      header: the names of its columns, in lower case, without spaces around.
      rows: the line in which each row begins, from 1, and its fields as they stand there.
      notes: sentences about how the file was read.
    """

    header: tuple[str, ...]
    rows: Sequence[tuple[int, Sequence[str]]]
    notes: tuple[str, ...] = ()


def read_cells(file: str) -> Cells:
    """Reads all of a CSV file, as :func:`read_table` does, whatever its rows are.

    Raises:
      UserError: the file cannot be read, or a quote is not closed.
    """
    text, notes = _decode(_bytes_of(file), file)
    header, rows, _ = _split(text, file, strict=True)
    return Cells(tuple(header), rows, notes)


def _bytes_of(file: str) -> bytes:
    try:
        with open_binary(file) as stream:
            return stream.read()
    except OSError as error:
        if is_url(file):
            raise refused(file, error) from error
        raise UserError(f"{file} cannot be read: {error.strerror}.") from error


def lines_text(lines: Sequence[int]) -> str:
    """`line 3`, or `lines 3, 7-9`, of increasing numbers."""
    parts: list[list[int]] = []
    for line in lines:
        if parts and line == parts[-1][-1] + 1:
            parts[-1] = [parts[-1][0], line]
        else:
            parts.append([line])
    text = ", ".join("-".join(map(str, part)) for part in parts)
    return f"{'line' if len(lines) == 1 else 'lines'} {text}"


def _split(
    text: str, file: str, strict: bool
) -> tuple[list[str], list[tuple[int, list[str]]], str]:
    """Column names in lower case, (first line, fields) of each row that is not empty, separator."""
    first = 1
    delimiter = ""
    if match := _SEPARATOR.match(text):
        delimiter, text, first = match[1], text[match.end() :], 2
    # Spreadsheets write semicolons where the comma is the decimal sign.
    delimiter = delimiter or max(
        _DELIMITERS, key=re.split(r"[\r\n]", text.lstrip(), maxsplit=1)[0].count
    )
    csv.field_size_limit(_LARGEST)  # segmentation masks in a field exceed the 128 KiB default
    rows: list[tuple[int, list[str]]] = []
    line = first
    try:
        reader = csv.reader(
            io.StringIO(text, newline=""),
            delimiter=delimiter,
            strict=strict,
            skipinitialspace=strict,  # a quote after a space opens a field, too
        )
        for row in reader:
            if any(field.strip() for field in row):
                rows.append((line, row))
            line = first + reader.line_num
    except csv.Error as error:
        if "end of data" in str(error):
            what = "a quote is opened and never closed"
        elif "expected after" in str(error):
            what = "a field goes on after its closing quote"
        else:
            what = str(error)
        raise UserError(
            f"{file}, line {line}: {what}; a field in quotes begins and ends with one, and a quote "
            "inside is written twice."
        ) from error
    header = [name.strip().lower() for name in rows[0][1]] if rows else []
    return header, rows[1:], delimiter


def _check(
    header: list[str], rows: list[tuple[int, list[str]]], wanted: Mapping[str, int], file: str
) -> None:
    """Refuses what would be read wrongly: columns twice, rows that do not fit, open quotes."""
    for name in wanted:
        if header.count(name) > 1:
            raise UserError(f"{file} has {header.count(name)} columns {name}; leave one.")
    wrong = [
        (line, len(row))
        for line, row in rows
        if len(row) < len(header) or any(field.strip() for field in row[len(header) :])
    ]
    if wrong:
        line, number = wrong[0]
        raise UserError(
            f"{file} has rows that do not fit its {len(header)} columns, in "
            f"{lines_text([line for line, _ in wrong])} ({number} in line {line}); a field that "
            "contains the separator is put in quotes."
        )
    for line, row in rows:
        for name, place in wanted.items():
            if "\n" in row[place] or "\r" in row[place]:
                raise UserError(
                    f"{file}, line {line}: the {name} goes over several lines; is a quote not "
                    "closed?"
                )


def _check_swallowed(
    rows: list[tuple[int, list[str]]], place: int, delimiter: str, file: str
) -> None:
    """Refuses a field over several lines, such as a note, that holds the path of another row."""
    endings = {_ending(row[place]) for _, row in rows} - {"", "."}
    for line, row in rows:
        for column, field in enumerate(row):
            first, *others = re.split(r"\r\n|\r|\n", field)
            if not others:
                continue
            # Where the quote stands in one row and where it stands in the other, a row is cut.
            lines = [[""] * column + first.split(delimiter)]
            lines += [text.split(delimiter) for text in others]
            sizes = [len(row)] * len(others) + [column + 1]
            for fields, size in zip(lines, sizes, strict=True):
                if place < len(fields) == size and _ending(fields[place]) in endings:
                    raise UserError(
                        f"{file}, line {line}: a field in quotes goes on to line "
                        f"{line + len(others)} and holds the path {fields[place].strip()}; is a "
                        "quote not closed?"
                    )


def _ending(path: str) -> str:
    return os.path.splitext(path.strip(' "'))[1].lower()


def _decode(data: bytes, file: str) -> tuple[str, tuple[str, ...]]:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return _utf_16(data, "utf-16", file), ()
    head = data[:4096]
    for encoding, zeros, letters in (
        ("utf-16-le", head[1::2], head[::2]),
        ("utf-16-be", head[::2], head[1::2]),
    ):
        if 4 * zeros.count(0) > 3 * len(zeros) > 0 == letters.count(0):
            return _utf_16(data, encoding, file), (
                f"{file} was taken for UTF-16; save it as UTF-8",
            )
    try:
        return data.decode("utf-8-sig"), ()
    except UnicodeDecodeError as error:
        line = 1 + data.count(b"\n", 0, error.start)
        note = f"{file} is no UTF-8 (line {line}) and was taken for Latin-1; save it as UTF-8"
        try:
            return data.decode("cp1252"), (note,)  # Windows' Latin-1
        except UnicodeDecodeError:
            return data.decode("latin-1"), (note,)


def _utf_16(data: bytes, encoding: str, file: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise UserError(f"{file} begins as UTF-16 and breaks off; save it as UTF-8.") from error
