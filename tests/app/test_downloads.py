"""Exports from the page: what a browser gets, whatever individuals are called."""

import csv
import io
import json
import zipfile

import pytest

from reid_jax.app.safety import HEADERS
from tests.app.conftest import NAMES, write_shown
from tests.app.running import serving

pytest.importorskip("openpyxl")
pytest.importorskip("frictionless")
pytestmark = pytest.mark.usefixtures("unharmed")


def test_a_table_has_every_name(shown):
    page = shown.get("/individuals").body.decode()
    assert 'href="/v1/export/csv" download' in page
    found = shown.get("/v1/export/csv")
    assert found.status == 200
    assert found.headers["content-type"].startswith("text/csv")
    assert found.headers["content-disposition"] == 'attachment; filename="gallery.csv"'
    assert all(name.lower() in {each.lower() for each in found.headers} for name in HEADERS)
    rows = list(csv.DictReader(io.StringIO(found.body.decode(), newline="")))
    assert {row["identity"] for row in rows} == set(NAMES)
    assert {row["path"] for row in rows} == {f"{number}.jpg" for number in range(15)}


def test_a_workbook_and_a_package(shown):
    from openpyxl import load_workbook

    book = load_workbook(io.BytesIO(shown.get("/v1/export/xlsx").body))
    assert {cell.value for cell in book["individuals"]["A"]} == {"identity", *NAMES}
    found = shown.get("/v1/export/camtrap-dp.zip")
    with zipfile.ZipFile(io.BytesIO(found.body)) as packed:
        assert packed.namelist() == [
            "datapackage.json",
            "deployments.csv",
            "media.csv",
            "observations.csv",
        ]
        text = packed.read("observations.csv").decode()
        descriptor = json.loads(packed.read("datapackage.json"))
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert {row["individualID"] for row in rows} == set(NAMES)
    assert descriptor["title"] == "gallery"


@pytest.mark.parametrize(
    "kind", ["links", "..", "%2e%2e", "csv%00", "csv/..", "%2fetc%2fpasswd", "CSV", "", "zip"]
)
def test_what_is_no_export_is_refused(shown, kind):
    found = shown.get(f"/v1/export/{kind}")
    assert found.status in (400, 404)
    assert b"Traceback" not in found.body


def test_a_gallery_of_an_odd_name(tmp_path):
    folder = tmp_path / 'Zoë"; x="\r\n'
    write_shown(folder, tmp_path / "photos")
    with serving(tmp_path / "server", "--gallery", folder) as running:
        found = running.get("/v1/export/csv")
    assert found.status == 200
    assert found.headers["content-disposition"] == (
        "attachment; filename*=utf-8''Zo%C3%AB_%3B%20x%3D___.csv"
    )
