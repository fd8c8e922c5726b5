"""`gallery report` and `gallery describe`, as a person calls them."""

import csv
import json
import re
import shutil

import pytest

from reid_jax.data.photos.sources import load_dataset
from reid_jax.individuals.gallery.decisions import Decisions
from reid_jax.individuals.gallery.stored.check import check
from reid_jax.individuals.gallery.stored.reading import read_gallery
from tests.doors import call
from tests.drawn_gallery import photo
from tests.seen_gallery import INDIVIDUALS, PHOTOS, name_of

FILES = {
    *("index.html", "report.json", "encounters.csv", "encounters.inp", "occasions.csv"),
    *("left-out.csv", "catches-by-month.csv", "catches-by-year.csv"),
    *("probabilities.csv", "thresholds.csv"),
}


def test_a_report_is_a_page_tables_and_files_of_programs(seen_folder, tmp_path, capsys):
    folder, out = tmp_path / "gallery", tmp_path / "report"
    shutil.copytree(seen_folder, folder)
    call("gallery", "report", folder, "--out", out, "--by", "season", "--group", "sex")
    told = capsys.readouterr().out
    assert "About " in told
    assert "7 photos of a group that nobody has named" in told
    assert "With names from" in told
    assert {path.name for path in out.iterdir()} == FILES
    numbers = json.loads((out / "report.json").read_text())
    assert numbers["photos"] == INDIVIDUALS * PHOTOS
    population = numbers["population"]
    assert population["estimate"]["low"] <= population["estimate"]["number"]
    assert len(population["individuals"]) == INDIVIDUALS - 1
    thresholds = list(csv.DictReader((out / "thresholds.csv").read_text().splitlines()))
    assert len(thresholds) >= 50
    page = (out / "index.html").read_text()
    assert "<svg" in page
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", page)
    for file in out.glob("*.csv"):
        for row in csv.reader(file.read_text().splitlines()):
            assert not any(cell[:1] in ("=", "+", "@") for cell in row)
    call("gallery", "report", folder, "--out", out, "--where", "sex=male", "--since", "2031")
    told = capsys.readouterr().out
    assert "encounters.inp was not written" in told
    assert {path.name for path in out.iterdir()} == FILES - {"encounters.inp"}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--group", "colour"), "no column colour"),
        (("--dates", "2020-01-01"), "two dates or more"),
        (("--where", "sex"), "is no condition"),
        (("--by", "week"), "week"),
    ],
)
def test_what_cannot_be_reported_is_a_sentence(seen_folder, tmp_path, capsys, words, sentence):
    with pytest.raises(SystemExit):
        call("gallery", "report", seen_folder, "--out", tmp_path / "out", *words)
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_what_is_said_of_photos_is_a_decision(seen_folder, tmp_path, capsys):
    folder = tmp_path / "gallery"
    shutil.copytree(seen_folder, folder)
    name = name_of(2)

    def sexes() -> set[str]:
        gallery = read_gallery(folder, thumbnails=False)
        return set(gallery.column("sex")[gallery.identities == name].tolist())

    assert sexes() == {""}
    call("gallery", "describe", folder, "sex", "male", name)
    assert "sex of 7 photos: male" in capsys.readouterr().out
    assert sexes() == {"male"}
    call("gallery", "describe", folder, "date", "2021-05-06 07:08", "14.jpg")
    Decisions(folder).rename(name, "Max")
    name = "Max"
    assert sexes() == {"male"}
    gallery = read_gallery(folder, thumbnails=False)
    assert str(gallery.column("date")[14]) == "2021-05-06T07:08:00"
    assert not check(folder).wrong
    for _ in range(3):
        call("gallery", "undo", folder)
    name = name_of(2)
    assert sexes() == {""}
    with pytest.raises(SystemExit):
        call("gallery", "describe", folder, "colour", "red", name)
    assert "no column colour" in capsys.readouterr().err


def test_a_table_of_photos_says_places_sexes_and_positions(tmp_path):
    rows = ["path,identity,place,sex,latitude,longitude"]
    for number, position in enumerate(["47.5,8.25", '"-47,5",-8', "91,8", ",", "1,"]):
        (tmp_path / f"{number}.png").write_bytes(photo(number))
        rows.append(f"{number}.png,A,Bay,female,{position}")
    (tmp_path / "metadata.csv").write_text("\n".join(rows))
    found = load_dataset(f"csv:{tmp_path}")
    assert found.columns["place"].tolist() == ["Bay"] * 5
    assert found.columns["sex"].tolist() == ["female"] * 5
    pairs = list(zip(found.columns["latitude"], found.columns["longitude"], strict=True))
    assert pairs[:2] == [(47.5, 8.25), (-47.5, -8.0)]
    assert all(str(each) == "nan" for pair in pairs[2:] for each in pair)
    assert any("positions in lines 4, 6 are not read" in note for note in found.notes)


def test_what_was_said_is_exported_and_imported(seen_folder, tmp_path, capsys):
    folder = tmp_path / "gallery"
    shutil.copytree(seen_folder, folder)
    call("gallery", "export", folder, "--to", "csv", "--out", tmp_path / "out")
    table = next((tmp_path / "out").rglob("*.csv"))
    with open(table, newline="") as file:
        rows = list(csv.DictReader(file))
    gallery = read_gallery(folder, thumbnails=False, marked=True)
    for name in ("place", "sex", "latitude", "longitude"):
        assert [row[name] for row in rows] == gallery.column(name).tolist()
    rows[0].update(sex="male", place="Harbour", latitude="10,5", longitude="20")
    rows[1]["latitude"] = "far north"
    with open(table, "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    call("gallery", "import", folder, table)
    assert "is no latitude" in capsys.readouterr().out
    now = read_gallery(folder, thumbnails=False, marked=True)
    said = [now.column(name)[0] for name in ("sex", "place", "latitude", "longitude")]
    assert said == ["male", "Harbour", "10.500000", "20.000000"]
    assert now.column("sex")[1:].tolist() == gallery.column("sex")[1:].tolist()
