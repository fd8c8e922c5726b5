"""Tables of whatever people write: what was written is what is read, and no cell is run."""

import io
import tempfile
import unicodedata
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reid_jax.data.crops import Box
from reid_jax.data.names import MISSING
from reid_jax.errors import UserError
from reid_jax.individuals.gallery.decisions import MARKS
from reid_jax.individuals.gallery.exchange import sheets, tables
from reid_jax.individuals.gallery.exchange.content import Content, Said

ODD = st.text(
    st.one_of(
        st.characters(codec="utf-8"), st.sampled_from("=+-@\t\r\n\"',;\\_x0041\ufeff\x0b\u2028")
    ),
    max_size=30,
)
NAMES = ODD.map(lambda text: f"n{text}")  # what names nobody is no name
NOTES = ODD.map(str.strip).filter(bool)
SIDES = st.floats(0.5, 900).map(lambda side: round(side, 6))
BOXES = st.builds(Box, SIDES, SIDES, SIDES, SIDES, st.just(False), st.sampled_from([0.0, 0.1]))
FACTS = st.fixed_dictionaries(
    {"individual": NAMES, "confirmed": st.sampled_from(["yes", "no"])},
    optional={
        "note": NOTES,
        "mark": st.sampled_from(MARKS),
        "date": st.sampled_from(["2021-05-01T00:00:00", "2021-05-01T23:59:59"]),
        "camera": st.just("süd; 2"),
        "side": st.just("left"),
    },
)


@st.composite
def contents(draw):
    """Photos with ids, about which anything is said."""
    facts = draw(st.lists(FACTS, min_size=1, max_size=4))
    photos = [
        Said(f"/p/{row}.jpg", draw(st.none() | BOXES), f"id{row}", each)
        for row, each in enumerate(facts)
    ]
    names = sorted({each.of("individual") for each in photos})
    notes = draw(st.dictionaries(st.sampled_from(names), NOTES))
    links = {("id0", "id1"): "same"} if len(photos) > 1 and draw(st.booleans()) else {}
    return Content(photos, notes, links, "/p")


def same(found: Content, content: Content) -> None:
    assert found.skipped == ()
    assert [(each.id, each.path, str(each.box)) for each in found.photos] == [
        (each.id, name, str(each.box))
        for each, name in zip(content.photos, content.names, strict=True)
    ]
    yes = [{k: v if v != "no" else "" for k, v in p.facts.items()} for p in content.photos]
    said = [{k: v if v != "no" else "" for k, v in p.facts.items()} for p in found.photos]
    assert said == yes
    assert dict(found.notes) == dict(content.notes)
    assert dict(found.links) == dict(content.links)


def told(content: Content) -> Content:
    """As a gallery says it, in which what is not sure is not said."""
    photos = []
    for each in content.photos:
        facts = {k: v for k, v in each.facts.items() if v != "no"}
        photos.append(Said(each.path, each.box, each.id, facts))
    return Content(photos, content.notes, content.links, content.root)


@settings(max_examples=60, deadline=None)
@given(contents())
def test_csv_is_read_as_it_was_written(content):
    text = tables.as_csv(tables.as_rows(told(content), content.names), tables.COLUMNS)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "metadata.csv")
        file.write_bytes(text.encode())
        same(tables.read_csv(str(file), folder), content)


@settings(max_examples=25, deadline=None)
@given(contents())
def test_a_workbook_is_read_as_it_was_written_and_nothing_in_it_is_run(content):
    pytest.importorskip("openpyxl")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "gallery.xlsx")
        sheets.write_workbook(file, told(content), content.names)
        same(sheets.read_workbook(file), content)
        with zipfile.ZipFile(io.BytesIO(file.read_bytes())) as book:
            cells = [book.read(name) for name in book.namelist() if "/worksheets/" in name]
        assert len(cells) == 2
        assert not any(b"<f>" in each or b"<f " in each for each in cells)


def test_a_cell_that_is_too_long_is_refused(tmp_path):
    pytest.importorskip("openpyxl")
    content = Content([Said("/p/1.jpg", None, "id", {"individual": "Luna", "note": "a" * 40_000})])
    with pytest.raises(UserError, match="A cell holds 32,767 letters, not 40,000"):
        sheets.write_workbook(tmp_path / "x.xlsx", content, content.names)
    assert list(tmp_path.iterdir()) == []


def test_words_that_say_nothing_are_not_taken_for_names():
    for word in (*MISSING, "unknown", "Unknown ", unicodedata.normalize("NFD", "UNKNOWN")):
        cells = tables.Cells(("path", "identity"), [(2, ["1.jpg", word])])
        [said] = tables.content_of(cells, "a table", "").photos
        assert said.facts == {}
