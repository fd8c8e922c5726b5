"""Individuals that are filtered, one in time and space, reports: by the page and for programs."""

import csv
import io
import re
from urllib.parse import quote

import pytest

from reid_jax.individuals.gallery.decisions import Decisions
from tests.app.running import serving
from tests.seen_gallery import INDIVIDUALS, PHOTOS, name_of, seen, write_seen


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    found = tmp_path_factory.mktemp("reported")
    write_seen(found / "gallery")
    return found


@pytest.fixture(scope="module")
def reported(folder):
    with serving(folder / "server", "--gallery", folder / "gallery") as running:
        yield running


def names(running, query: str) -> dict[str, int]:
    reply = running.get(f"/v1/individuals?{query}")
    assert reply.status == 200, reply.body
    return {each["name"]: each["photos"] for each in reply.json()["individuals"]}


def test_the_page_and_the_command_filter_alike(reported):
    gallery = seen()
    fits = (gallery.columns["orientation"] == "left") & (gallery.columns["sex"] == "female")
    expected: dict[str, int] = {}
    for row, name in enumerate(gallery.identities):
        if fits[row]:
            expected[name] = expected.get(name, 0) + 1
    assert names(reported, "where=side%3Dleft&where=sex%3Dfemale") == expected
    page = reported.get("/individuals?where=orientation%3Dleft&where=sex%3Dfemale&where=")
    text = page.body.decode()
    assert f"{len(expected)} individuals found" in text
    assert 'value="orientation=left" selected' in text
    assert "style=" not in text
    for query, sentence in (
        ("where=colour%3Dred", "no column colour"),
        ("where=%3Cscript%3E", "is no condition"),
        ("since=soon", "is no date"),
    ):
        reply = reported.get(f"/v1/individuals?{query}")
        assert reply.status == 422
        assert sentence in reply.json()["error"]
        reply = reported.get(f"/individuals?{query}", Accept="text/html")
        assert b"<script>" not in reply.body.replace(b'<script type="module"', b"")


def test_one_individual_in_time_and_space(reported):
    page = reported.get(f"/individual?name={quote(name_of(0))}").body.decode()
    assert 'class="chart low"' in page
    assert 'class="map"' in page
    assert re.search(r"the bar is \d+ k?m long", page)
    assert "confirmed" in page
    found = reported.get(f"/v1/individual?name={quote(name_of(0))}").json()
    assert len(found["photos"]) == PHOTOS
    assert sum(photo["confirmed"] for photo in found["photos"]) == 2
    assert found["said"]["sex"] == ["female"]
    assert any(photo["position"] for photo in found["photos"])
    odd = reported.get(f"/individual?name={quote(name_of(4))}").body.decode()
    assert "Zoë; */ &lt;b&gt;" in odd
    assert reported.get("/v1/individual?name=nobody").status == 404


def test_what_is_said_on_the_page_is_a_decision(reported, folder):
    name = name_of(5)
    body = {"name": name, "column": "sex", "value": "male"}
    reply = reported.ask("POST", "/v1/gallery/describe", body)
    assert reply.status == 200, reply.body
    assert name in names(reported, "where=sex%3Dmale")
    words = reported.get("/v1/gallery/history").json()["decisions"][0]["words"]
    assert words == "Described: sex male, 6 photos"  # one of them is marked
    reported.ask("POST", "/v1/gallery/undo", {"number": reply.json()["number"]})
    assert name not in names(reported, "where=sex%3Dmale")
    for body, sentence in (
        ({"name": name, "column": "digest", "value": "x"}, "no column digest"),
        ({"name": "nobody", "column": "sex", "value": "x"}, "Name photos"),
        ({"photos": ["0" * 32], "column": "sex", "value": "x"}, "Name photos"),
        ({"name": name, "column": "sex", "value": ["x"]}, "value is a text"),
    ):
        reply = reported.ask("POST", "/v1/gallery/describe", body)
        assert reply.status == 422
        assert sentence in reply.json()["error"]


def test_how_sure_it_is_is_found_out_and_a_threshold_decided(reported, folder):
    def sure():
        found = reported.get("/v1/reports/sureness").json()
        assert found["waiting"] or found["sureness"], found
        return found["sureness"]

    found = reported.until(sure, 120)
    assert found["known"] > 100
    assert found["chosen"] is None
    assert len(found["curve"]) >= 3
    rows = {row["level"]: row for row in found["thresholds"]}
    assert found["level"] in rows
    assert rows[0.99]["own"] <= rows[0.5]["own"]
    page = reported.get("/reports").body.decode()
    assert 'id="level"' in page
    assert "style=" not in page
    reply = reported.ask("POST", "/v1/gallery/threshold", {"value": 0.9})
    assert reply.status == 200, reply.body
    found = sure()
    assert (found["chosen"], found["level"]) == (0.9, 0.9)
    words = reported.get("/v1/gallery/history").json()["decisions"][0]["words"]
    assert words == "Names are given from: 90%"
    for wrong in (2, 0.1, "high", True):
        reply = reported.ask("POST", "/v1/gallery/threshold", {"value": wrong})
        assert reply.status == 422
    assert Decisions(folder / "gallery").undo()
    assert sure()["chosen"] is None


def test_population_tables_are_those_of_the_command(reported, folder):
    query = "by=season&group=sex"
    found = reported.get(f"/v1/reports/population?{query}").json()
    assert len(found["individuals"]) == INDIVIDUALS - 1
    assert found["estimate"]["low"] <= found["estimate"]["number"]
    assert found["left_out"]["of a group that nobody has named"] == PHOTOS
    reply = reported.get(f"/v1/reports/encounters.csv?{query}")
    assert reply.headers["content-type"].startswith("text/csv")
    assert 'filename="encounters.csv"' in reply.headers["content-disposition"]
    rows = list(csv.reader(io.StringIO(reply.body.decode())))
    assert rows[0][:2] == ["individual", "sex"]
    assert "'=1+1" in {row[0] for row in rows}
    histories = ["".join(row[2:]) for row in rows[1:]]
    assert histories == [each["history"] for each in found["individuals"]]
    mark = reported.get(f"/v1/reports/encounters.inp?{query}").body.decode()
    assert mark.count(";") == len(rows) - 1
    left = reported.get(f"/v1/reports/left-out.csv?{query}").body.decode()
    assert left.count("\n") == 1 + sum(found["left_out"].values())
    assert reported.get("/v1/reports/occasions.csv?by=year").body.count(b"\n") >= 4
    by_year = reported.get("/v1/reports/catches?by=year").json()["each"]
    assert [each["name"] for each in by_year][:2] == ["2018", "2019"]
    assert b"year,photos" in reported.get("/v1/reports/catches.csv?by=year").body
    for query in ("by=week", "dates=2020-01-01", "group=colour", "by=day&since=2031"):
        reply = reported.get(f"/v1/reports/encounters.inp?{query}")
        assert reply.status == 422, query
    page = reported.get("/reports?by=season&group=sex&dates=2019-01-01,2019-07-01,2020-01-01")
    assert "2019-01-01 to 2019-06-30" in page.body.decode()
    assert reported.get("/reports?since=2031").status == 200


def test_a_gallery_of_few_photos_has_its_page(shown):
    shown.until(lambda: shown.get("/v1/reports/sureness").json()["waiting"] is False, 60)
    assert shown.get("/reports").status == 200
