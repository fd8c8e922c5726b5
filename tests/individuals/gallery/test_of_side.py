"""Sides of animals in a gallery: what is compared, calibrated, said, grouped and kept."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from reid_jax import UserError
from reid_jax.individuals.gallery import members, words
from reid_jax.individuals.gallery.calibrating import of_side
from reid_jax.individuals.gallery.decisions import Decisions
from reid_jax.individuals.gallery.grouping.cluster import Asked, cluster
from reid_jax.individuals.gallery.identify import identify
from reid_jax.individuals.gallery.output import as_json, as_table, summary
from reid_jax.individuals.gallery.sheet import as_html
from reid_jax.individuals.gallery.stored.reading import form_of, read_gallery
from tests.doors import call
from tests.individuals.gallery.test_gallery import save_photos
from tests.tiny_run import make_tiny_run

KNOWN = 12


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_tiny_run(tmp_path_factory.mktemp("runs") / "run")


def write_sided(folder: Path) -> Path:
    """Individuals whose sides look like two others; of the last one only the right is known."""
    rows = []
    for number in range(KNOWN):
        for side in ("Left", "right"):
            name = f"{side} {number}"
            save_photos(folder, {name: 2 * number + (side == "right")}, 3)
            if (number, side) != (KNOWN - 1, "Left"):
                rows += [[f"{name}/{n}.png", f"animal {number}", side] for n in range(2)]
    with open(folder / "metadata.csv", "w", newline="") as file:
        csv.writer(file).writerows([["path", "identity", "orientation"], *rows])
    return folder


@pytest.fixture(scope="module")
def built(run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("sided")
    photos = write_sided(folder / "photos")
    members.build(run, f"csv:{photos}", folder / "gallery", side_column="orientation")
    return folder


def test_the_side_is_kept_and_shown(built):
    gallery = read_gallery(built / "gallery")
    assert set(gallery.column("side")) == {"left", "right"}
    assert gallery.settings["side_column"] == "orientation"
    said = words.described(built / "gallery", gallery)
    assert f"{'side left':<16}{2 * (KNOWN - 1)} photos of {KNOWN - 1} individuals" in said


def test_photos_of_one_side_are_compared_and_calibrated_among_themselves(built):
    gallery = read_gallery(built / "gallery")
    left = of_side(gallery, "Left")
    assert set(left.column("side")) == {"left"}
    assert left.settings["calibration"] != gallery.settings["calibration"]
    assert left.settings["calibration"]["max"]["individuals"] == KNOWN - 1
    kept = json.loads(form_of(built / "gallery").settings.read_text())["settings"]
    assert kept["sides"]["left"]["calibration"] == left.settings["calibration"]
    assert of_side(read_gallery(built / "gallery"), "left").settings == {
        **read_gallery(built / "gallery").settings,
        **kept["sides"]["left"],
    }
    with pytest.raises(UserError, match="shows the side top; they are known to show left, right"):
        of_side(gallery, "top")


def test_an_unknown_one_may_be_known_from_another_side(built):
    asked = [str(built / "photos" / f"Left {n}" / "2.png") for n in (3, KNOWN - 1)]
    found = identify(built / "gallery", asked, side="left")
    assert found.elsewhere == 1
    assert found[0].candidates[0].identity == "animal 3"
    for answer in found:
        assert all("Left" in found.gallery.paths[each.photo] for each in answer.candidates)
    assert f"animal {KNOWN - 1}" not in {each.identity for each in found[1].candidates}
    assert "1 individual is known from other sides alone" in summary(found)
    assert "known from other sides alone" in as_html(found)
    assert json.loads(as_json(found))["known_from_other_sides_alone"] == 1
    if found[1].verdict == "unknown":
        assert "; or one of 1 known from other sides alone)" in as_table(found)
    plain = identify(built / "gallery", asked)
    assert plain.elsewhere == 0
    assert "other side" not in summary(plain) + as_table(plain)


def test_decisions_and_new_photos_make_the_calibration_of_a_side_anew(built, run, tmp_path):
    photos = write_sided(tmp_path / "photos")
    gallery = tmp_path / "gallery"
    members.build(run, f"csv:{photos}", gallery, side_column="orientation")
    of_side(read_gallery(gallery), "left")
    Decisions(gallery).merge(["animal 1"], "animal 0")
    left = of_side(read_gallery(gallery), "left")
    assert left.settings["calibration"]["max"]["individuals"] == KNOWN - 2
    (tmp_path / "more.csv").write_text(
        f"path,identity,orientation\n{photos / 'Left 11' / '0.png'},animal 11,LEFT\n"
    )
    assert members.add(gallery, f"csv:{tmp_path / 'more.csv'}", None).added == 1
    left = of_side(read_gallery(gallery), "left")
    assert left.settings["calibration"]["max"]["individuals"] == KNOWN - 1


def test_groups_are_of_one_side(built, run, tmp_path, capsys):
    with open(built / "photos" / "metadata.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    with open(tmp_path / "metadata.csv", "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["path", "side"])
        table.writerows([built / "photos" / row["path"], row["orientation"]] for row in rows)
    # So low a threshold joins all that is compared.
    asked = Asked(evidence="none", threshold=1e-6)
    gallery = cluster(run, f"csv:{tmp_path}", tmp_path / "groups", asked).gallery
    assert "photos of two sides are not compared" in capsys.readouterr().out
    groups = {
        name: set(gallery.column("side")[gallery.identities == name]) for name in gallery.identities
    }
    assert all(len(sides) == 1 for sides in groups.values())


def test_the_command_refuses_a_side_that_is_not_there(built, capsys):
    photo = built / "photos" / "Left 3" / "2.png"
    with pytest.raises(SystemExit):
        call("gallery", "identify", built / "gallery", photo, "--side", "lef")
    assert "No photo of the gallery shows the side lef" in capsys.readouterr().err
    call("gallery", "identify", built / "gallery", photo, "--side", "left")
    assert "Compared with photos that show the side left" in capsys.readouterr().out


def test_what_was_held_out_of_another_side_takes_no_part(built):
    gallery = read_gallery(built / "gallery")
    assert len(gallery.reference["held_out"])
    assert set(gallery.reference["sides"]) == {""}
    assert not len(of_side(gallery, "left").reference["held_out"])
    assert np.array_equal(
        of_side(gallery, "left").reference["training"], gallery.reference["training"]
    )
