"""A network without normalisation compares by a distance, and every answer calls it one."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest

from reid_jax.individuals.closeness import closeness_of
from reid_jax.individuals.gallery import sheet
from reid_jax.individuals.gallery.identify import Answer, Candidate, Identification
from reid_jax.individuals.gallery.mending.duplicates import Twins
from reid_jax.individuals.gallery.output import CSV_COLUMNS, as_csv, as_json, as_table
from reid_jax.individuals.gallery.store import Gallery
from reid_jax.individuals.gallery.words import pairs_text
from tests.individuals.test_report import Page, photos, write

NEAREST = -0.001  # which rounds to -0.00


def found(metric, rule="max", evidence="none"):
    gallery = Gallery(
        paths=np.array(["/known/1.jpg", "/known/2.jpg"], object),
        identities=np.array(["ann", "bob"], object),
        columns={},
        embeddings=np.zeros((2, 1), np.float32),
        thumbnails=None,
        settings={"metric": metric, "fingerprint": "x", "calibrated_with": "", "calibration": {}},
    )
    answer = Answer(
        "/asked/a.jpg", "named", (Candidate("ann", NEAREST, 0.9, 0), Candidate("bob", -2.5, 0.1, 1))
    )
    return Identification(gallery, Path("gallery"), rule, None, (answer,), (), evidence=evidence)


def words_of(text):
    return " ".join(" ".join(Page(text).words).split())


def page_of(monkeypatch, answers):
    monkeypatch.setattr(sheet, "_gallery_pictures", lambda found: {})
    monkeypatch.setattr(sheet, "parallel_map", lambda function, paths: [None] * len(paths))
    return words_of(sheet.as_html(answers))


def test_words_and_numbers():
    near, alike = closeness_of("euclidean"), closeness_of("cosine")
    assert (near.word, near.closest, near.text(NEAREST, 2)) == (
        "distance",
        "smallest distance",
        "0.00",
    )
    assert (alike.word, alike.text(0.756, 2)) == ("similarity", "0.76")
    assert near.text(-0.0, 2) == "0.00"
    assert near.reaching(-1.5) == "distance 1.500 or less"
    assert alike.reaching(0.5) == "similarity 0.500 or more"


def test_answers_of_a_gallery_show_distances(monkeypatch):
    answers = found("euclidean")
    table = as_table(answers)
    assert "0.001 apart" in table
    assert "2.500 apart" in table
    assert "-0" not in table
    words = page_of(monkeypatch, answers)
    assert "the individual, the distance and the date" in words
    assert "the lower, the more alike" in words
    assert "similarity" not in words
    assert "-0.001" not in words
    rows = list(csv.DictReader(io.StringIO(as_csv(answers))))
    assert list(rows[0]) == [*CSV_COLUMNS, "distance"]
    assert [(row["score"], row["distance"]) for row in rows] == [
        ("-0.001000", "0.001000"),
        ("-2.500000", "2.500000"),
    ]
    first = json.loads(as_json(answers))["photos"][0]["candidates"][0]
    assert (first["score"], first["distance"]) == (NEAREST, -NEAREST)


@pytest.mark.parametrize(
    "asked", [{"metric": "cosine"}, {"metric": "euclidean", "rule": "vote"}], ids=str
)
def test_similarities_stay_what_they_are(monkeypatch, asked):
    answers = found(**asked)
    assert "apart" not in as_table(answers)
    assert "the individual, the similarity and the date" in page_of(monkeypatch, answers)
    assert as_csv(answers).splitlines()[0] == ",".join(CSV_COLUMNS)
    assert "distance" not in json.loads(as_json(answers))["photos"][0]["candidates"][0]


def test_individuals_that_look_like_one_have_a_distance():
    gallery = found("euclidean").gallery
    assert "ann and bob  0.001\n" in pairs_text(gallery, [Twins(0, 1, NEAREST)], as_pictures=False)


def test_the_report_shows_distances(tmp_path):
    dataset = photos(3, 20)
    embeddings = np.random.default_rng(0).normal(size=(60, 2))  # wrong as often as right
    write(tmp_path, dataset, embeddings, metric="euclidean", baselines={})
    words = words_of((tmp_path / "index.html").read_text())
    assert "its name and the distance" in words
    assert "Wrong answers with the smallest distance" in words
    assert "their distance reaches a threshold. A high threshold misses little" in words
    assert "-0.0" not in words
    assert "similarity" not in words
