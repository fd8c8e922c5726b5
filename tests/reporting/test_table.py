"""One table says the same as text, as Markdown and as HTML."""

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reid_jax.reporting.measure import Measure, by_key, columns, number, percent
from reid_jax.reporting.table import Cell, Table, results_table

MEASURES = by_key(
    Measure("good", "Good", "How good.", short="G", tables=("page",)),
    Measure("bad", "Bad", "How bad.", better="lower"),
)


class Cells(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.rows = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_data(self, data):
        self.rows[-1][-1] += data


WORDS = st.text(
    st.characters(codec="utf-8", exclude_categories=("C", "Z"), exclude_characters="\\"), max_size=6
)


@given(
    st.integers(1, 4).flatmap(
        lambda n: st.lists(st.lists(WORDS, min_size=n, max_size=n), min_size=2, max_size=4)
    )
)
def test_every_form_has_every_cell(lines):
    table = Table(lines[0], lines[1:])
    assert Cells(table.as_html()).rows == lines
    read = [
        [cell.strip().replace("\\|", "|") for cell in line[1:-1].replace("\\|", "\0").split("|")]
        for line in table.as_markdown().splitlines()
    ]
    assert [[cell.replace("\0", "|") for cell in row] for row in read[:1] + read[2:]] == lines
    text = table.as_text().split("\n")
    assert len(text) == len(lines)
    for line, row in zip(text, lines, strict=True):
        assert line.split() == [cell for cell in row if cell]


def test_sides_bars_and_marks():
    table = Table(
        ["name", "n", "note"], [["a", 10, "x"], ["bb", Cell("7", "6 to 8", 0.25), ""]], "lrl"
    )
    assert table.as_text() == "name   n  note\na     10  x\nbb     7"
    assert table.as_markdown().splitlines()[1] == "|---|---:|---|"
    html = Table(table.head, table.rows, "lrl", marked=("bb",)).as_html()
    assert "6 to 8" in html
    assert "width:25.0%" in html
    assert html.count('class="ours"') == 1
    with pytest.raises(AssertionError, match="an alignment a column"):
        Table(["a", "b"], [], "l")


def test_results_are_rows_and_measures_columns():
    results = {
        "net": {"good": 0.5, "good_low": 0.4, "good_high": 0.6, "bad": float("nan")},
        "base": {"good": 1},
    }
    shown = columns(MEASURES, results.values())
    table = results_table(results, shown, first="by", missing="")
    assert table.as_markdown().splitlines() == [
        "| by | Good | Bad |",
        "|---|---:|---:|",
        "| net | 0.500 | – |",
        "| base | 1.000 |  |",
    ]
    assert "0.400 to 0.600" in table.as_html()
    assert results_table(results, shown, short=True).head == ["", "G", "Bad"]
    assert [each.key for each in columns(MEASURES, results.values(), "page")] == ["good"]
    assert columns(MEASURES, [{"bad": 1}], "page") == []


def test_a_measure_tells_its_direction_and_how_it_stands_alone():
    good, bad = MEASURES.values()
    assert good.explanation == "How good."
    assert bad.explanation == "How bad. Lower is better."
    assert good.alone(0.123) == percent(0.123) == "12.3%"
    assert Measure("x", "X", "", share=False).alone(0.123) == number(0.123) == "0.123"
    assert number(None) == percent(float("inf")) == "–"
    with pytest.raises(AssertionError, match="listed twice"):
        by_key(good, good)
