"""What people and other programs write, taken in: what cannot be is one sentence, or is skipped."""

import dataclasses
import datetime

import numpy as np
import pytest

from reid_jax.errors import UserError
from reid_jax.individuals.gallery.decisions import ChangedError, Decisions
from reid_jax.individuals.gallery.exchange import taking
from reid_jax.individuals.gallery.exchange.giving import give_out
from reid_jax.individuals.gallery.exchange.taking import take_in
from reid_jax.individuals.gallery.store import write_gallery
from reid_jax.individuals.gallery.stored.reading import read_gallery
from tests.drawn_gallery import photo_id, with_files, write_drawn

NAMES = ("Luna", "Luna", "Tom", "group 1", "group 1", "group 2")


@pytest.fixture
def gallery(tmp_path):
    return write_drawn(tmp_path / "gallery", NAMES)


def table(tmp_path, *lines: str):
    file = tmp_path / "table.csv"
    file.write_text("\n".join(lines) + "\n")
    return file


def who_is(folder) -> list[str]:
    return read_gallery(folder, marked=True).identities.tolist()


def test_a_table_of_wildlife_datasets_names_photos(gallery, tmp_path):
    file = table(
        tmp_path,
        "image_id,identity,path,date,orientation,species",
        "1,Ida,0.jpg,2021-05-01,left,zebra",
        "2,Ida,photos/1.jpg,2021-05-02 08:30:00,right,zebra",
        "3,unknown,/photos/2.jpg,,,zebra",
        "4,Eve,other/1.jpg,,,zebra",
    )
    done = take_in(gallery, file, None)
    assert who_is(gallery) == ["Ida", "Ida", *NAMES[2:]]
    assert (done.photos, done.changed) == (3, 2)
    assert done.skipped == (("other/1.jpg, line 5", "it is not in the gallery"),)
    assert done.remarks == ("columns that are not read: image_id, species",)
    now = read_gallery(gallery, marked=True)
    assert now.columns["date"][1] == np.datetime64("2021-05-02T08:30:00")
    assert now.columns["orientation"].tolist()[:3] == ["left", "right", ""]


def test_what_is_said_twice_and_what_contradicts_itself(gallery, tmp_path):
    file = table(
        tmp_path,
        "path,identity,note",
        "0.jpg,Ida,seen",
        "0.jpg,Ida,seen",
        "1.jpg,Ida,",
        "1.jpg,Tom,a scar",
        "2.jpg,Kim",
        "3.jpg,bad\x07name,",
        ",Kim,",
    )
    done = take_in(gallery, file, None)
    assert who_is(gallery) == ["Ida", *NAMES[1:]]
    photos = list(Decisions(gallery).photos().values())
    assert [p.note for p in photos[:2]] == ["seen", "a scar"]
    said = dict(done.skipped)
    assert said["0.jpg, line 3"] == "said before, in line 2"
    assert said["1.jpg, line 4"] == "its individual is Ida in line 4 and Tom in line 5"
    assert said[f"{file}, line 6"] == "it has 2 fields, not 3"
    assert said["/photos/3.jpg"] == "'bad\\x07name' names nobody; give another name"
    assert said[f"{file}, line 8"] == "it names no photo"


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (("file,who", "0.jpg,Ida"), "does not say which photo is whose: its columns are file, who"),
        (("path", "0.jpg"), "does not say which photo is whose"),
        (("path,identity,identity", "0.jpg,a,b"), "has 2 columns identity; leave one"),
        (("path,identity", "9.jpg,Ida"), "No photo of the gallery .* (9.jpg, line 2: it is not in"),
        (("path,identity",), "it is empty"),
        (('path,identity\n0.jpg,"Ida',), "line 2: a quote is opened and never closed"),
        (
            ("path,identity", "0.jpg,group 1"),
            "both have a group 1, and 2 photos of that of the gallery are not in it; rename",
        ),
    ],
)
def test_what_cannot_be_taken_in_is_one_sentence_and_changes_nothing(
    gallery, tmp_path, lines, words
):
    with pytest.raises(UserError, match=words.replace("(", r"\(")) as caught:
        take_in(gallery, table(tmp_path, *lines), None)
    assert "\n" not in str(caught.value)
    assert Decisions(gallery).position == 1


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nowhere", "nowhere does not exist"),
        ("folder", "There is no photo in .*folder"),
        ("text.xlsx", r"text.xlsx is no workbook \(BadZipFile\); give XLSX"),
        ("datapackage.json", "datapackage.json is no JSON"),
        (
            "package.zip",
            "package.zip is none of .csv, .xlsx, datapackage.json and a",
        ),
        ("gallery", "gallery is a gallery; reid-jax gallery export writes"),
    ],
)
def test_a_source_that_is_none(gallery, tmp_path, name, words):
    (tmp_path / "folder").mkdir()
    (tmp_path / "text.xlsx").write_text("no book")
    (tmp_path / "datapackage.json").write_text("{")
    (tmp_path / "package.zip").write_bytes(b"PK")
    with pytest.raises(UserError, match=words):
        take_in(gallery, tmp_path / name, None)


def test_names_that_clash_with_those_of_the_gallery_are_told(gallery, tmp_path):
    file = table(tmp_path, "path,identity,identiti", "2.jpg,Luna,x", "5.jpg,luna,x")
    done = take_in(gallery, file, None)
    assert who_is(gallery) == ["Luna", "Luna", "Luna", "group 1", "group 1", "luna"]
    columns, mixed, alike = done.remarks
    assert columns == "columns that are not read: identiti (did you mean identity?)"
    assert mixed.startswith("Luna (2) had photos of which the source says nothing")
    assert alike.startswith('"Luna" and "luna" differ only in case or spaces')


def test_groups_of_another_gallery_take_the_place_of_all_that_are_named(gallery, tmp_path):
    numbers = ("group 2", "group 2", "group 1")
    rows = [f"{row + 3}.jpg,{name}" for row, name in enumerate(numbers)]
    take_in(gallery, table(tmp_path, "path,identity", *rows), None)
    assert who_is(gallery) == ["Luna", "Luna", "Tom", *numbers]


def test_what_is_sure_stays_so_only_where_the_name_stays(gallery, tmp_path):
    decisions = Decisions(gallery)
    for number, name in enumerate(("Luna", "Luna", "Tom")):
        decisions.confirm(photo_id(number), name)
    lines = ("path,identity,confirmed,mark", "0.jpg,Ida,,", "1.jpg,,no,cannot tell", "2.jpg,Tom,,")
    take_in(gallery, table(tmp_path, *lines), None)
    photos = list(decisions.photos().values())
    assert [p.confirmed for p in photos] == [False, False, True, False, False, False]
    assert photos[1].mark == "cannot tell"
    take_in(gallery, table(tmp_path, "path,mark,confirmed", "1.jpg,none,x", "2.jpg,ugly,"), None)
    assert list(decisions.photos().values())[1] == dataclasses.replace(
        photos[1], mark="", confirmed=True
    )


def test_a_workbook_that_a_person_changed(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    write_gallery(tmp_path / "gallery", with_files(tmp_path / "photos", NAMES))
    give_out(tmp_path / "gallery", "xlsx", tmp_path / "out")
    file = tmp_path / "out" / "gallery.xlsx"
    book = openpyxl.load_workbook(file)
    sheet = book["photos"]
    places = {cell.value: cell.column for cell in sheet[1]}
    sheet.cell(2, places["identity"]).value = 17
    sheet.cell(3, places["identity"]).value = "Zoë"
    sheet.cell(3, places["date"]).value = datetime.datetime(2021, 5, 1, 8, 30)
    sheet.cell(4, places["confirmed"]).value = True
    sheet.delete_rows(7)
    sheet.cell(1, 40).value = "my own column"
    book["individuals"].cell(2, 6).value = "old"
    book.save(file)
    done = take_in(tmp_path / "gallery", file, None)
    assert who_is(tmp_path / "gallery") == ["17", "Zoë", *NAMES[2:]]
    assert done.photos == 5
    assert done.remarks == ("columns that are not read: my own column",)
    decisions = Decisions(tmp_path / "gallery")
    assert [p.confirmed for p in decisions.photos().values()] == [False, False, True] + [False] * 3
    assert done.skipped == (("Luna", "a note about an individual without photos here"),)


def test_what_somebody_decided_meanwhile_is_not_decided_over(gallery, tmp_path, monkeypatch):
    file = table(tmp_path, "path,identity", "0.jpg,Ida", "1.jpg,Ida")
    change = taking._change_others

    def meanwhile(*arguments):
        Decisions(gallery, who="bob").confirm("0.jpg", "Tom")
        change(*arguments)

    monkeypatch.setattr(taking, "_change_others", meanwhile)
    with pytest.raises(ChangedError, match=r"has changed: .* since decision 2 \(confirm by bob"):
        take_in(gallery, file, None)
    assert who_is(gallery) == ["Tom", *NAMES[1:]]


def test_a_box_that_the_gallery_does_not_have_is_told(gallery, tmp_path):
    file = table(tmp_path, "path,identity,bbox", '0.jpg,Ida,"[1, 2, 3, 4]"', "1.jpg,Ida,")
    done = take_in(gallery, file, None)
    [(what, why)] = done.skipped
    assert what == "0.jpg#xywh=1,2,3,4, line 2"
    assert why == "the gallery has this photo without this box, which gallery add brings"


def test_photos_that_lie_elsewhere_are_known_by_their_content(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    write_gallery(tmp_path / "one", with_files(first, NAMES))
    give_out(tmp_path / "one", "csv", tmp_path / "out")
    other = with_files(second, ["nobody"] * len(NAMES))
    for row in range(len(NAMES)):
        place = second / f"moved {row}.png"
        (second / f"{row}.png").rename(place)
        other.paths[row] = str(place)
    write_gallery(tmp_path / "two", other)
    assert take_in(tmp_path / "two", tmp_path / "out", None).skipped == ()
    assert who_is(tmp_path / "two") == list(NAMES)
