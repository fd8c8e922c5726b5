"""A row a photo, for people and their spreadsheet programs."""

import csv
import io
from pathlib import Path

import numpy as np
import pytest

from reid_jax.data.photos.csv_file import read_table
from reid_jax.files import below, common_folder, write_text
from reid_jax.individuals.gallery.identify import Answer, Candidate, Identification
from reid_jax.individuals.gallery.spreadsheet import COLUMNS, as_spreadsheet, defused
from reid_jax.individuals.gallery.value import Gallery


def found(answers, skipped=(), root="/asked", paths=("/known/Zoë/1.jpg", "/known/=1+1/2.jpg")):
    gallery = Gallery(
        paths=np.array(paths, object),
        identities=np.array(["Zoë", "=1+1"], object),
        columns={},
        embeddings=np.zeros((2, 1), np.float32),
        thumbnails=None,
        settings={},
    )
    return Identification(
        gallery, Path("gallery"), "max", None, tuple(answers), tuple(skipped), root=root
    )


def rows(text):
    assert text.startswith("\ufeff")
    return list(csv.DictReader(io.StringIO(text[1:], newline="")))


ZOE, OTHER = Candidate("Zoë", 0.9, 0.934, 0), Candidate("=1+1", 0.1, 0.05, 1)


def test_a_row_a_photo_with_the_answer_the_next_and_why_there_is_none(tmp_path):
    answers = [
        Answer('/asked/a/"x", y.jpg', "named", (ZOE, OTHER)),
        Answer("/asked/b.jpg", "named", (OTHER,)),
        Answer("/asked/c.jpg", "unknown", (ZOE, OTHER)),
        Answer("/asked/d.jpg", "unlike", ()),
        Answer("/asked/e.jpg", None, (Candidate("Zoë", 0.9, None, 0), OTHER)),
    ]
    text = as_spreadsheet(found(answers, [("/asked/f.jpg", "it is cut off")]))
    got = [tuple(row.values()) for row in rows(text)]
    assert tuple(rows(text)[0]) == COLUMNS
    assert got == [
        ('a/"x", y.jpg', "Zoë", "93%", "'=1+1", "5%", "Zoë/1.jpg", ""),
        ("b.jpg", "'=1+1", "5%", "", "", "'=1+1/2.jpg", ""),
        ("c.jpg", "unknown", "93%", "'=1+1", "5%", "Zoë/1.jpg", ""),
        ("d.jpg", "no photo like those", "", "", "", "", "unlike what the network was trained on"),
        (
            *("e.jpg", "Zoë", "", "'=1+1", "5%", "Zoë/1.jpg"),
            "not calibrated: it could be an unknown one",
        ),
        ("f.jpg", "", "", "", "", "", "skipped: it is cut off"),
    ]
    file = tmp_path / "table.csv"
    write_text(file, text)
    assert file.read_bytes().startswith(b"\xef\xbb\xbfphoto,individual,")
    assert file.read_bytes().count(b"\r\n") == 7  # as Excel and RFC 4180 end lines
    assert "Zoë" in file.read_bytes().decode()
    table = read_table(str(file), ("photo", "individual"), ())  # our own reader takes it, too
    assert table["individual"][0] == "Zoë"
    assert not table.notes


@pytest.mark.parametrize("cell", ["=cmd()", "+1", "-1", "@x", "\tx", "\rx", "=cmd|' /C calc'!A0"])
def test_what_a_program_would_run_begins_with_an_apostrophe(cell):
    assert defused(cell) == f"'{cell}"


@pytest.mark.parametrize("cell", ["", "Zoë", "a=b", " x", "93%", "a-1.jpg"])
def test_other_texts_stay(cell):
    assert defused(cell) == cell


def test_paths_are_seen_from_the_folder_around_all():
    assert common_folder(["/a/b", "/a/c/d"]) == "/a"
    assert below("/a", "/a/c/d/1.jpg") == "c/d/1.jpg"
    assert common_folder(["/a/b"]) == "/a/b"
    assert common_folder(["C:/a", "/b"]) == common_folder([]) == ""
    assert below("", "C:/a/1.jpg") == "C:/a/1.jpg"
    assert below("/a/b", "/a/bc/1.jpg") == "/a/bc/1.jpg"
