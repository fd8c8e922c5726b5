"""One table, as aligned text, as Markdown and as HTML."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, NamedTuple

from reid_jax.reporting.measure import Measure, number


class Cell(NamedTuple):
    """A cell that a page shows more of.

    Attributes:
      text: what every form shows.
      below: small print under it, on pages alone.
      bar: the length of a bar under it, from 0 to 1, on pages alone.
    """

    text: str
    below: str = ""
    bar: float | None = None


@dataclass(frozen=True)
class Table:
    """Heads and rows of text.

    Attributes:
      head: of the columns.
      rows: as many cells each; anything but a `Cell` is written by ``str``.
      align: "l" or "r" for each column; the first is to the left and the others to the right
        unless given.
      marked: first cells of the rows that a page emphasises.
      named: whether first cells are words that a page explains, as the heads are.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[Any]]
    align: str = ""
    marked: tuple[str, ...] = ()
    named: bool = False

    def __post_init__(self) -> None:
        assert len(self._sides) == len(self.head), "an alignment a column"

    @property
    def _sides(self) -> str:
        return self.align or "l" + "r" * (len(self.head) - 1)

    def _lines(self) -> list[list[str]]:
        return [list(self.head), *([_cell(each).text for each in row] for row in self.rows)]

    def as_text(self) -> str:
        """Columns two spaces apart."""
        lines = self._lines()
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join(
            "  ".join(
                cell.rjust(width) if side == "r" else cell.ljust(width)
                for cell, width, side in zip(line, widths, self._sides, strict=True)
            ).rstrip()
            for line in lines
        )

    def as_markdown(self) -> str:
        """Lines of Markdown, without a line break at the end."""
        rule = "".join("|---:" if side == "r" else "|---" for side in self._sides) + "|"
        cells = [[cell.replace("|", "\\|") for cell in line] for line in self._lines()]
        head, *rows = (f"| {' | '.join(line)} |" for line in cells)
        return "\n".join([head, rule, *rows])

    def as_html(self) -> str:
        """A ``<table>`` in a box that scrolls where the window is narrow."""
        sides = ["l" if side == "l" else "" for side in self._sides]
        head = "".join(
            f'<th class="word {side}">{escape(cell)}</th>'
            for side, cell in zip(sides, self.head, strict=True)
        )
        if self.named:
            sides[0] = "word l"

        def line(row: Sequence[Any]) -> str:
            ours = "ours" if _cell(row[0]).text in self.marked else ""
            cells = zip(sides, map(_html, row), strict=True)
            inside = "".join(f'<td class="{side}">{cell}</td>' for side, cell in cells)
            return f'<tr class="{ours}">{inside}</tr>'

        body = "".join(map(line, self.rows))
        return (
            f'<div class="scroll"><table><thead><tr>{head}</tr></thead>'
            f"<tbody>{body}</tbody></table></div>"
        )


def _cell(value: Any) -> Cell:
    return value if isinstance(value, Cell) else Cell(str(value))


def _html(value: Any) -> str:
    cell = _cell(value)
    below = f"<small>{escape(cell.below)}</small>" if cell.below else ""
    bar = "" if cell.bar is None else f'<i class="bar" style="width:{100 * cell.bar:.1f}%"></i>'
    return escape(cell.text) + below + bar


def results_table(
    results: Mapping[str, Mapping[str, Any]],
    measures: Iterable[Measure],
    *,
    first: str = "",
    short: bool = False,
    missing: str = "–",
    marked: tuple[str, ...] = (),
) -> Table:
    """A row for each name and a column for each measure.

    Args:
      results: values of the measures, and where there are intervals ``KEY_low`` and ``KEY_high``.
      measures: of the columns.
      first: the head of the names.
      short: whether heads are the measures' short names.
      missing: what stands for a measure that a row does not have.
      marked: rows that a page emphasises.
    """
    measures = list(measures)

    def cell(values: Mapping[str, Any], key: str) -> Cell:
        if key not in values:
            return Cell(missing)
        low, high = (number(values.get(f"{key}_{end}")) for end in ("low", "high"))
        return Cell(number(values[key]), "" if "–" in (low, high) else f"{low} to {high}")

    return Table(
        [first, *(measure.head if short else measure.name for measure in measures)],
        [
            [name, *(cell(values, measure.key) for measure in measures)]
            for name, values in results.items()
        ],
        marked=marked,
        named=True,
    )
