"""A gallery from end to end: what is built, found, rejected, printed and refused."""

import csv
import dataclasses
import io
import json
import os
import shutil
import subprocess
import sys
import unicodedata
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image

from reid_jax import UserError
from reid_jax.commands import gallery as commands
from reid_jax.data.photos import load_dataset
from reid_jax.data.photos.images import BadImageError, read_image
from reid_jax.individuals.gallery import decisions as gallery_decisions
from reid_jax.individuals.gallery import members
from reid_jax.individuals.gallery.approximate import ApproximateSearch
from reid_jax.individuals.gallery.identify import check_answered, identify, list_photos
from reid_jax.individuals.gallery.mending.duplicates import find_duplicates, local_difference
from reid_jax.individuals.gallery.output import CSV_COLUMNS, as_csv, as_json, as_table, summary
from reid_jax.individuals.gallery.sheet import as_html
from reid_jax.individuals.gallery.store import update_gallery
from reid_jax.individuals.gallery.stored.reading import read_gallery
from reid_jax.individuals.gallery.value import Gallery, join
from reid_jax.individuals.model import load_run
from reid_jax.ops.ranking.individuals import GallerySearch
from tests.doors import call
from tests.first_form import into_first_form
from tests.paths import REPOSITORY
from tests.tiny_run import make_tiny_run

ODD_NAMES = ("a b.jpg", "türtle ☃.jpg", "two\nlines.jpg", "'quote\".jpg", "<b>&amp;.jpg", "%s.jpg")


def save_photos(folder: Path, individuals: dict[str, int], photos: int) -> None:
    """Pictures of noise: unlike each other, and alike within an individual."""
    for name, seed in individuals.items():
        face = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
        face = face.repeat(10, axis=0).repeat(8, axis=1)
        for i in range(photos):
            rng = np.random.default_rng(1000 * seed + i)
            photo = np.clip(face + rng.normal(0, 12, face.shape), 0, 255).astype(np.uint8)
            file = folder / name / f"{i}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(photo).save(file)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_tiny_run(tmp_path_factory.mktemp("runs") / "run")


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    save_photos(folder, {f"turtle {i}": i for i in range(8)}, 4)
    return folder


@pytest.fixture(scope="module")
def built(run, photos, tmp_path_factory):
    folder = tmp_path_factory.mktemp("galleries") / "gallery"
    members.build(run, f"folder:{photos}", folder)
    return folder


@pytest.fixture
def gallery(built, tmp_path):
    shutil.copytree(built, tmp_path / "gallery")
    return tmp_path / "gallery"


def rewrite(folder: Path, **settings) -> None:
    update_gallery(folder, lambda g: dataclasses.replace(g, settings={**g.settings, **settings}))


def with_threshold(folder: Path, threshold: float) -> None:
    calibration = json.loads(json.dumps(read_gallery(folder).settings["calibration"]))
    for found in calibration.values():
        found["choice"] = {"slope": 1e4, "intercept": -1e4 * threshold, "low": -9, "high": 9}
        found["name_from"] = 0.5
    rewrite(folder, calibration=calibration)


def test_build_keeps_who_and_how(built, photos, run):
    gallery = read_gallery(built)
    assert len(gallery) == 32
    assert sorted(set(gallery.identities)) == [f"turtle {i}" for i in range(8)]
    assert gallery.embeddings.shape == (32, 8)
    assert set(gallery.settings["calibration"]) == {"max", "mean", "vote"}
    assert gallery.settings["calibrated_with"].startswith("the gallery's own photos")
    assert gallery.settings["strangers"] == 0.5
    assert set(gallery.columns["trained"]) == {"no"}
    assert gallery.reference["training"].shape == (30, 8)
    assert len(gallery.reference["held_out"]) == len(gallery.reference["paths"]) > 0
    assert os.path.samefile(gallery.paths[0], photos / "turtle 0" / "0.png")
    width, height = Image.open(io.BytesIO(gallery.thumbnails[0])).size
    assert width / height == pytest.approx(48 / 60, abs=0.01)


def test_photos_of_the_gallery_find_themselves(gallery, photos):
    found = identify(gallery, [str(photos)])
    assert len(found.answers) == 32
    for answer in found.answers:
        best = answer.candidates[0]
        assert best.identity == Path(answer.path).parent.name
        assert best.score == pytest.approx(1, abs=1e-3)
        assert len(answer.candidates) == 5
        probabilities = [c.probability for c in answer.candidates]
        assert sum(probabilities) <= 1 + 1e-9


def test_an_individual_called_unknown_is_not_taken_for_the_verdict(gallery, photos, tmp_path):
    """No gallery gets one any more; one that has it keeps it."""
    with_threshold(gallery, -2.0)
    update_gallery(
        gallery,
        lambda g: dataclasses.replace(
            g, identities=np.where(g.identities == "turtle 0", "unknown", g.identities)
        ),
    )
    found = identify(gallery, [str(photos / "turtle 0" / "0.png")])
    assert found.answers[0].known
    assert found.answers[0].text == 'the individual called "unknown"'
    for text in (as_table(found), as_html(found), as_json(found), as_csv(found)):
        assert "the individual called" in text
    save_photos(tmp_path / "new", {"unknown": 3, "turtle 9": 59}, 2)
    done = members.add(gallery, f"folder:{tmp_path / 'new'}", None)
    assert done.added == 2
    assert {reason for _, reason in done.dataset.skipped} == {'nobody is called "unknown"'}


def test_names_in_two_unicode_forms_are_one_individual_of_a_gallery(gallery, tmp_path):
    both = [unicodedata.normalize(form, "Zoë") for form in ("NFD", "NFC")]
    for number, name in enumerate(both):  # as from two disks
        save_photos(tmp_path / str(number), {name: 50 + number}, 2)
        members.add(gallery, f"folder:{tmp_path / str(number)}", None)
    assert (read_gallery(gallery, thumbnails=False).identities == both[1]).sum() == 4
    assert members.remove(gallery, [both[0]], []) == 4


@pytest.mark.parametrize("rule", ["max", "mean", "vote"])
def test_what_is_below_the_threshold_is_unknown(gallery, tmp_path, rule):
    save_photos(tmp_path / "new", {"stranger": 99}, 2)
    for threshold, known in ((2.0, False), (-2.0, True)):
        with_threshold(gallery, threshold)
        found = identify(gallery, [str(tmp_path / "new")], rule=rule)
        assert [answer.known for answer in found.answers] == [known] * 2
        assert (found.answers[0].text == "unknown") is not known
        assert ("2 unknown" in summary(found)) is not known


def test_names_of_all_kinds_come_through_every_format(gallery, photos, tmp_path):
    names = [tmp_path / "asked" / name for name in ODD_NAMES]
    (tmp_path / "asked").mkdir()
    for path in names:
        shutil.copy(photos / "turtle 3" / "1.png", path)
    stray = os.path.join(os.fsencode(tmp_path / "asked"), b"\xff\xfe.png")
    shutil.copy(photos / "turtle 4" / "1.png", stray)
    (tmp_path / "asked" / "broken\n.jpg").write_bytes(b"no image")
    found = identify(gallery, [str(tmp_path / "asked"), str(tmp_path / "missing")])
    assert len(found.answers) == len(names) + 1
    assert len(found.skipped) == 2

    content = json.loads(as_json(found))
    assert set(content) == {
        *("gallery", "fingerprint", "score", "strangers", "name_from", "photos", "skipped")
    }
    paths = {str(path) for path in names}
    assert paths < {entry["photo"] for entry in content["photos"]}
    assert {entry["photo"] for entry in content["skipped"]} == {
        str(tmp_path / "asked" / "broken\n.jpg"),
        str(tmp_path / "missing"),
    }
    for entry in content["photos"]:
        assert set(entry) == {"photo", "answer", "verdict", "known", "candidates"}
        assert [c["rank"] for c in entry["candidates"]] == [1, 2, 3, 4, 5]
        assert set(entry["candidates"][0]) == {
            *("rank", "identity", "score", "probability", "gallery_photo")
        }

    rows = list(csv.DictReader(io.StringIO(as_csv(found), newline="")))
    assert tuple(rows[0]) == CSV_COLUMNS
    assert paths < {row["photo"] for row in rows}
    assert len(rows) == 5 * len(found.answers) + 2
    assert [row["skipped"] for row in rows[-2:]] == [reason for _, reason in found.skipped]
    assert all(0 <= float(row["probability"]) <= 1 for row in rows[:-2])

    table = as_table(found)
    assert len(table.splitlines()) == 6 * len(found.answers)
    assert "two\\nlines.jpg" in table
    assert "1 photo" not in summary(found).splitlines()[0]

    page = as_html(found)
    page.encode()
    assert "<b>&amp;.jpg" not in page
    assert page.count("<article") == len(found.answers)
    assert page.count("data:image/jpeg;base64,") == 6 * len(found.answers)
    assert "http" not in page
    assert page.count('href="#words"') == page.count('id="words"') == 1


def test_embeddings_of_two_networks_never_mix(gallery, photos, run):
    model = load_run(run)
    moved = jax.tree.map(lambda leaf: leaf + 1e-6, model.params)
    other = dataclasses.replace(model, params=moved)
    assert load_run(run).fingerprint == model.fingerprint != other.fingerprint
    with pytest.raises(UserError, match="built with another network"):
        members.check_fingerprint(gallery, read_gallery(gallery), other)
    rewrite(gallery, fingerprint=other.fingerprint)
    for use in (
        lambda: members.add(gallery, f"folder:{photos}", None),
        lambda: identify(gallery, [str(photos)], workdir=run),
    ):
        with pytest.raises(UserError, match="built with another network"):
            use()
    assert len(read_gallery(gallery)) == 32


def test_a_run_that_moved_is_found_or_asked_for(gallery, run, photos, tmp_path):
    asked = [str(photos / "turtle 1")]
    rewrite(gallery, run="/nowhere", run_relative=os.path.relpath(run, gallery))
    assert len(identify(gallery, asked).answers) == 4
    rewrite(gallery, run="/nowhere", run_relative="nowhere")
    with pytest.raises(UserError, match="--workdir"):
        identify(gallery, asked)
    assert len(identify(gallery, asked, workdir=run).answers) == 4


def test_add_and_remove(gallery, photos, tmp_path):
    save_photos(tmp_path / "more", {"new": 50, "turtle 1": 51}, 3)
    for expected in ((6, 0), (0, 6)):
        done = members.add(gallery, f"folder:{tmp_path / 'more'}", None)
        assert (done.added, done.there) == expected
    now = read_gallery(gallery)
    assert (len(now), now.settings["num_individuals"]) == (38, 9)
    answer = identify(gallery, [str(tmp_path / "more" / "new" / "0.png")]).answers[0]
    assert answer.candidates[0].identity == "new"

    assert members.remove(gallery, ["turtle 1", "turtle 2"], []) == 11
    assert members.remove(gallery, [], [str(photos / "turtle 0" / "0.png")]) == 1
    assert len(read_gallery(gallery)) == 26
    for arguments, words in (
        ((["turtl 5"], []), "did you mean turtle 5"),
        (([], ["nothing.jpg"]), "no photo nothing.jpg"),
        (([], []), "what to remove"),
        ((sorted(set(read_gallery(gallery).identities)), []), "delete"),
    ):
        with pytest.raises(UserError, match=words):
            members.remove(gallery, *arguments)
    assert len(read_gallery(gallery)) == 26


def test_answers_follow_what_was_decided(gallery, photos, capsys):
    decisions = gallery_decisions.Decisions(gallery)
    decisions.rename("turtle 1", "Luna")
    decisions.merge(["turtle 2"], "turtle 3")
    decisions.mark([str(photos / "turtle 4" / "0.png")], gallery_decisions.CANNOT_TELL)
    assert "calibration" not in read_gallery(gallery).settings
    asked = [str(photos / name / "0.png") for name in ("turtle 1", "turtle 2", "turtle 4")]
    found = identify(gallery, asked)
    assert [a.candidates[0].identity for a in found.answers] == ["Luna", "turtle 3", "turtle 4"]
    assert found.answers[2].candidates[0].score < 0.9999  # itself takes no part
    assert "calibration" in read_gallery(gallery).settings
    assert find_duplicates(gallery).gallery.settings == found.gallery.settings
    commands.info(gallery)
    assert "decisions" in capsys.readouterr().out
    decisions.note("a scar", photo=asked[0])
    assert "calibration" in read_gallery(gallery).settings  # of which no similarity is worth more
    decisions.undo(2)
    assert "calibration" not in read_gallery(gallery).settings


def test_photos_that_are_there_are_not_embedded_again(gallery, photos, tmp_path, monkeypatch):
    embedded = []
    real = members.TrainedModel.embed

    def embed(self, dataset, rows, **more):
        embedded.append(len(rows))
        return real(self, dataset, rows, **more)

    monkeypatch.setattr(members.TrainedModel, "embed", embed)
    more = shutil.copytree(photos, tmp_path / "more")
    save_photos(more, {"new": 50}, 3)
    before = read_gallery(gallery).folder
    assert members.add(gallery, f"folder:{photos}", None).there == 32
    assert read_gallery(gallery).folder == before
    assert not embedded
    done = members.add(gallery, f"folder:{more}", None)
    assert (done.added, done.there, done.moved) == (3, 32, 0)
    assert embedded == [3]


def test_a_corrected_identity_and_a_renamed_folder_are_found(run, tmp_path, capsys):
    save_photos(tmp_path / "photos", {"one": 1, "two": 2, "three": 3}, 3)
    folder, source = tmp_path / "gallery", f"folder:{tmp_path / 'photos'}"
    members.build(run, source, folder)
    (tmp_path / "photos" / "two").rename(tmp_path / "photos" / "Tom")
    commands.add(folder, source)
    said = capsys.readouterr().out
    assert "0 photos added (9 were there already)" in said
    assert "3 photos found at a new path, by content" in said
    assert "3 photos kept the individual of the gallery" in said
    assert "two -> Tom: 3 photos" in said
    assert "--correct" in said
    now = read_gallery(folder)
    assert set(now.identities) == {"one", "two", "three"}
    assert all(os.path.exists(path) for path in now.paths)

    call("gallery", "add", "--gallery", folder, "--data", source, "--correct")
    said = capsys.readouterr().out
    assert "3 photos corrected: individual" in said
    assert "two -> Tom" in said
    now = read_gallery(folder)
    assert sorted(now.identities) == ["Tom"] * 3 + ["one"] * 3 + ["three"] * 3
    assert now.settings["num_individuals"] == 3

    changed = tmp_path / "photos" / "one" / "0.png"
    shutil.copy(changed, tmp_path / "copy.png")
    Image.fromarray(255 - np.asarray(Image.open(changed))).save(changed)
    commands.add(folder, source)
    said = capsys.readouterr().out
    assert "1 photo added (8 were there already)" in said
    assert "1 photo replaced" in said
    now = read_gallery(folder)
    assert len(now) == 9
    [row] = np.flatnonzero(now.paths == str(changed))
    assert not (now.embeddings[row] == read_gallery(folder).embeddings[:8]).all(axis=1).any()


def test_a_gallery_without_digests_gets_them_when_something_is_added(gallery, photos, tmp_path):
    def older(now):
        columns = {name: values for name, values in now.columns.items() if name != "digest"}
        return dataclasses.replace(now, columns=columns)

    into_first_form(gallery, older)
    save_photos(tmp_path / "more", {"new": 50}, 2)
    members.add(gallery, f"folder:{tmp_path / 'more'}", None)
    assert all(read_gallery(gallery).columns["digest"])
    moved = shutil.copytree(photos, tmp_path / "moved")
    assert members.add(gallery, f"folder:{moved}", None).there == 32


def test_without_the_data_of_the_run_the_gallery_calibrates_itself(built, run, photos, tmp_path):
    moved = shutil.copytree(run, tmp_path / "run")
    config = json.loads((moved / "config.json").read_text())
    config["data"]["source"] = "folder:/nowhere"
    (moved / "config.json").write_text(json.dumps(config))
    gallery, _ = members.build(moved, f"folder:{photos}", tmp_path / "gallery")
    assert "own photos" in gallery.settings["calibrated_with"]
    assert set(gallery.settings["calibration"]) == {"max", "mean", "vote"}

    save_photos(tmp_path / "single", {"one": 1, "two": 2}, 1)
    gallery, _ = members.build(moved, f"folder:{tmp_path / 'single'}", tmp_path / "small")
    assert gallery.settings["calibrated_with"].startswith("nothing")
    found = identify(tmp_path / "small", [str(tmp_path / "single")])
    assert [answer.known for answer in found.answers] == [None, None]
    assert found.calibration is None
    assert "not calibrated" in as_table(found)
    assert json.loads(as_json(found))["photos"][0]["candidates"][0]["probability"] is None
    assert "could not be calibrated" in as_html(found)
    assert as_csv(found)


def test_a_gallery_of_an_earlier_version_opens_and_is_calibrated_anew(gallery, photos, tmp_path):
    def older(now):
        settings = {name: value for name, value in now.settings.items() if name != "strangers"}
        curve = {"slope": 1.0, "intercept": 0.0, "low": 0.0, "high": 1.0}
        calibration = {"threshold": 0.5, "first": curve, "rest": curve, "geometric_mean": 0.5}
        settings["calibration"] = {"max": {**calibration, "num_known": 1, "num_unknown": 1}}
        columns = {name: values for name, values in now.columns.items() if name != "trained"}
        return dataclasses.replace(now, settings=settings, columns=columns, reference={})

    new = read_gallery(gallery).settings["calibration"]
    into_first_form(gallery, older)
    stored = read_gallery(gallery)
    assert not stored.reference
    found = identify(gallery, [str(photos / "turtle 3")])
    assert len(found.answers) == 4
    assert found.calibration.strangers == 0.5
    assert find_duplicates(gallery).threshold is not None
    assert read_gallery(gallery).settings == stored.settings

    save_photos(tmp_path / "more", {"new": 50}, 3)
    members.add(gallery, f"folder:{tmp_path / 'more'}", None)
    written = read_gallery(gallery)
    assert written.reference["training"].shape == (30, 8)
    assert set(written.columns["trained"]) == {"no"}
    members.remove(gallery, ["new"], [])
    assert read_gallery(gallery).settings["calibration"] == new


def test_duplicates_among_one_individual_say_why_nobody_is_compared(gallery, capsys):
    members.remove(gallery, [f"turtle {i}" for i in range(1, 8)], [])
    commands.info(gallery)
    commands.duplicates(gallery)
    said = capsys.readouterr().out
    assert "individuals" in said
    assert "not judged, there is one individual only" in said
    assert "not calibrated" not in said


def test_nobody_looks_like_one_where_similarities_say_nothing(gallery, capsys):
    with_threshold(gallery, np.inf)
    commands.duplicates(gallery)
    said = capsys.readouterr().out
    assert "not judged, the similarities of this network do not tell" in said
    assert "inf" not in said


def test_the_share_of_strangers_is_kept_and_can_be_said_anew(run, photos, tmp_path, capsys):
    source, out = f"folder:{photos}", tmp_path / "gallery"
    with pytest.raises(UserError, match="share of strangers is 0"):
        members.build(run, source, out, 0)
    assert not out.exists()
    commands.build(run, source, out, strangers=0.2)
    assert read_gallery(out).settings["strangers"] == 0.2
    asked = (str(photos / "turtle 1"),)
    commands.identify(out, asked)
    commands.identify(out, asked, strangers=0.9)
    said = capsys.readouterr().out
    assert "strangers" in said
    assert "20% of the photos are of individuals that are not in the gallery" in said
    assert "90% of the photos are of individuals that are not in the gallery" in said
    members.remove(out, ["turtle 7"], [])
    assert read_gallery(out).settings["strangers"] == 0.2


def test_photos_that_show_nothing_are_named_and_left_out(gallery, photos, tmp_path):
    sea = tmp_path / "more" / "turtle 1"
    sea.mkdir(parents=True)
    for name, colour in (("grey", (128,) * 3), ("blue", (20, 40, 200)), ("black", (0, 0, 0))):
        Image.new("RGB", (300, 200), colour).save(sea / f"{name}.jpg")
    found = identify(gallery, [str(sea)])
    assert not found.answers
    assert len(found.skipped) == 3
    assert {reason for _, reason in found.skipped} == {
        "there is nothing to see on it, it is of one colour"
    }
    with pytest.raises(UserError, match="nothing to see on it"):
        members.add(gallery, f"folder:{tmp_path / 'more'}", None)
    save_photos(tmp_path / "more", {"turtle 1": 51}, 2)
    done = members.add(gallery, f"folder:{tmp_path / 'more'}", None)
    assert done.added == 2
    assert sorted(Path(path).stem for path, _ in done.dataset.skipped) == ["black", "blue", "grey"]


def test_a_photo_unlike_the_training_gets_no_name(gallery, photos, capsys):
    asked = [str(photos / "turtle 1")]
    assert all(answer.candidates for answer in identify(gallery, asked).answers)
    rewrite(gallery, familiar_from=2.0)
    found = identify(gallery, asked)
    assert {answer.text for answer in found.answers} == {"no photo like those"}
    assert {answer.known for answer in found.answers} == {None}
    assert as_table(found).count("no photo like those") == 4
    assert "4 unlike what the network was trained on" in summary(found)
    rows = list(csv.DictReader(io.StringIO(as_csv(found), newline="")))
    assert [row["answer"] for row in rows] == ["no photo like those"] * 4
    assert [entry["candidates"] for entry in json.loads(as_json(found))["photos"]] == [[]] * 4
    assert "No photo like those" in as_html(found)
    rewrite(gallery, hubs=[["murky.jpg", 0.4]])
    commands.info(gallery)
    said = capsys.readouterr().out
    assert "below a similarity of 2.000" in said
    assert "murky.jpg is the most similar photo for 40% of the photos of others" in said


def test_duplicates_are_found_whatever_they_are_called(gallery, photos, tmp_path):
    (tmp_path / "again" / "other name").mkdir(parents=True)
    original = photos / "turtle 5" / "2.png"
    Image.open(original).resize((80, 100)).save(
        tmp_path / "again" / "other name" / "x.jpg", quality=85
    )
    members.add(gallery, f"folder:{tmp_path / 'again'}", None)

    def copied(now):
        copy = now.take(np.flatnonzero(now.paths == str(original)))
        third = np.array(["third name"], object)
        return join(now, dataclasses.replace(copy, paths=third, identities=third))

    update_gallery(gallery, copied)
    with_threshold(gallery, -2.0)
    found = find_duplicates(gallery)
    pictures = names_of(found, found.pictures)
    assert {"other name", "turtle 5"} in pictures
    assert {"third name", "turtle 5"} in pictures
    assert [names_of(found, [p])[0] for p in found.pictures if p.identical] == [
        {"third name", "turtle 5"}
    ]
    individuals = names_of(found, found.individuals)
    assert {"other name", "turtle 5"} in individuals
    assert {"third name", "turtle 5"} not in individuals
    assert [p.score for p in found.individuals] == sorted(
        (p.score for p in found.individuals), reverse=True
    )


def test_only_one_content_names_two_individuals_as_one(gallery, photos, tmp_path):
    """Another file with the same pixels may be of another animal: it is for a person to say."""
    other = tmp_path / "again" / "other name" / "x.bmp"
    other.parent.mkdir(parents=True)
    Image.open(photos / "turtle 5" / "2.png").save(other)
    members.add(gallery, f"folder:{tmp_path / 'again'}", None)
    with_threshold(gallery, -2.0)
    found = find_duplicates(gallery)
    assert {"other name", "turtle 5"} in names_of(found, found.pictures)
    assert not any(pair.identical for pair in found.pictures)
    assert {"other name", "turtle 5"} in names_of(found, found.individuals)


def names_of(found, pairs) -> list[set[str]]:
    identities = found.gallery.identities
    return [{identities[pair.first], identities[pair.second]} for pair in pairs]


@pytest.mark.parametrize(("share", "darker"), [(0.018, 35), (0.005, 60)])
def test_an_animal_elsewhere_before_a_fixed_camera_is_another_picture(
    gallery, tmp_path, share, darker
):
    """Two individuals that are one were hidden, as their photos were taken for one picture."""
    rng = np.random.default_rng(3)
    scene = rng.integers(0, 256, (9, 12, 3), dtype=np.uint8)
    scene = np.asarray(Image.fromarray(scene).resize((640, 480), Image.Resampling.BICUBIC))
    side = round((share * 640 * 480) ** 0.5)
    for name, x, y in (("by the tree", 60, 40), ("at the water", 400, 330)):
        photo = scene + rng.normal(0, 3, scene.shape)
        photo[y : y + side, x : x + side] -= darker
        file = tmp_path / "camera" / name / "1.jpg"
        file.parent.mkdir(parents=True)
        Image.fromarray(np.clip(photo, 0, 255).astype(np.uint8)).save(file, quality=90)
        Image.open(file).save(file.with_name("2.jpg"), quality=50)
    members.add(gallery, f"folder:{tmp_path / 'camera'}", None)
    with_threshold(gallery, -2.0)
    found = find_duplicates(gallery)
    places = {"by the tree", "at the water"}
    assert places not in names_of(found, found.pictures)
    assert places in names_of(found, found.individuals)
    for name in places:
        assert {name} in names_of(found, found.pictures)


def test_local_differences_are_those_of_a_plain_loop():
    rng = np.random.default_rng(0)
    first, second = (
        np.asarray(Image.fromarray(rng.integers(0, 256, (n, n), dtype=np.uint8)).resize((40, 40)))
        for n in (5, 13)
    )
    normal = [(one - one.mean()) / one.std() for one in (first, second)]
    expected = max(
        abs(sum((normal[0] - normal[1])[y + i, x + j] for i in range(4) for j in range(4)) / 16)
        for y in range(37)
        for x in range(37)
    )
    flat = [one.reshape(-1) / 40 for one in normal]
    assert local_difference(*flat) == pytest.approx(expected)
    assert local_difference(flat[0], flat[0]) == 0


def test_folders_links_and_odd_files_are_listed(photos, tmp_path):
    (tmp_path / "deep" / "er").mkdir(parents=True)
    shutil.copy(photos / "turtle 0" / "0.png", tmp_path / "deep" / "er" / "0.png")
    (tmp_path / "deep" / "loop").symlink_to(tmp_path / "deep")
    (tmp_path / "empty").mkdir()
    os.mkfifo(tmp_path / "pipe.jpg")
    asked = ["deep", "deep/er/0.png", "empty", "pipe.jpg", "nothing"]
    listed = list_photos([str(tmp_path / name) for name in asked])
    assert listed.files == [str(tmp_path / "deep" / "er" / "0.png")]
    assert [reason for _, reason in listed.skipped] == [
        *("there is no photo in this folder", "it is not a file", "the file is missing")
    ]


def test_nothing_usable_is_one_sentence(gallery, tmp_path):
    (tmp_path / "x.jpg").write_bytes(b"")
    found = identify(gallery, [str(tmp_path / "x.jpg")])
    with pytest.raises(UserError, match=r"^'\S+x.jpg': \S.*empty; give image files"):
        check_answered(found)
    two = dataclasses.replace(found, skipped=found.skipped * 2)
    with pytest.raises(UserError, match=r"None of the 2 photos could be used .*empty"):
        check_answered(two)
    assert json.loads(as_json(found))["photos"] == []
    assert "Skipped" in as_html(found)


def fuzzed(rng: np.random.Generator, originals: list[bytes]) -> bytes:
    """A photo with flipped bytes, cut short, with a piece of another, or not a photo at all."""
    data = bytearray(originals[rng.integers(len(originals))])
    kind = rng.integers(5)
    if kind == 0:
        for place in rng.integers(0, len(data), rng.integers(1, 30)):
            data[place] = rng.integers(256)
    elif kind == 1:
        del data[rng.integers(len(data)) :]
    elif kind == 2:
        other = originals[rng.integers(len(originals))]
        start, end = sorted(rng.integers(0, min(len(data), len(other)), 2))
        data[start:end] = other[start:end]
    elif kind == 3:
        for place in rng.integers(0, min(64, len(data)), rng.integers(1, 8)):
            data[place] = rng.integers(256)
    else:
        data = bytearray(rng.bytes(int(rng.integers(0, 400))))
    return bytes(data)


def originals() -> list[bytes]:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)
    found = []
    for kind, mode in (
        *(("jpeg", "RGB"), ("jpeg", "CMYK"), ("png", "RGBA"), ("png", "P"), ("gif", "P")),
        *(("tiff", "RGB"), ("bmp", "RGB"), ("webp", "RGB"), ("ppm", "RGB"), ("png", "I;16")),
    ):
        stream = io.BytesIO()
        grey = np.asarray(pixels[..., 0], np.uint16) * 257
        image = Image.fromarray(grey) if mode == "I;16" else Image.fromarray(pixels).convert(mode)
        image.save(stream, format=kind)
        found.append(stream.getvalue())
    return found


FUZZED = int(os.environ.get("REID_FUZZ", "300"))
"""How many damaged photos; REID_FUZZ=10000 for a thorough run."""


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_damaged_photos_are_named_and_nothing_breaks(gallery, tmp_path):
    rng = np.random.default_rng(0)
    pictures = originals()
    folder = tmp_path / "fuzzed"
    folder.mkdir()
    alphabet = [*"abc äß☃\n\t'\"%&<>$`\\;|*?#~-=,.", "\udcff", "\u202e", "💧"]
    for i in range(FUZZED):
        name = f"{i} " + "".join(rng.choice(alphabet, rng.integers(1, 12))) + ".jpg"
        (folder / name).write_bytes(fuzzed(rng, pictures))
    found = identify(gallery, [str(folder)])
    answered = {answer.path for answer in found.answers}
    skipped = dict(found.skipped)
    assert len(answered) + len(skipped) == FUZZED
    assert answered.isdisjoint(skipped)
    assert answered
    assert all(reason and "\n" not in reason for reason in skipped.values())
    for path in [*answered, *skipped][:: max(1, FUZZED // 100)]:
        if path in answered:
            assert read_image(path, 24).shape == (24, 24, 3)
        else:
            with pytest.raises(BadImageError):
                read_image(path, 24)
    assert len(json.loads(as_json(found))["photos"]) == len(answered)
    assert len(as_table(found).splitlines()) == 6 * len(answered)
    for text in (as_csv(found), as_html(found), summary(found)):
        text.encode()


def cli(*arguments: object) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "reid_jax", "gallery", *map(str, arguments)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_the_commands_speak_in_sentences(gallery, photos, tmp_path):
    asked = tmp_path / "a b.png"
    shutil.copy(photos / "turtle 6" / "0.png", asked)
    files = {name: tmp_path / "out" / f"o.{name}" for name in ("json", "csv", "html", "table")}
    options = [part for name, path in files.items() for part in (f"--{name}", path)]
    result = cli("identify", "--gallery", gallery, asked, tmp_path / "missing.jpg", *options)
    assert result.returncode == 0, result.stderr
    assert "turtle 6" in result.stdout
    assert "missing.jpg: the file is missing" in result.stdout
    assert all(path.stat().st_size for path in files.values())
    asked_for = files["table"].read_text("utf-8-sig").splitlines()
    assert asked_for[1].startswith("a b.png,")
    assert asked_for[2].startswith("missing.jpg,")

    result = cli("info", "--gallery", tmp_path)
    assert result.returncode == 1
    assert "is not a gallery" in result.stderr
    assert result.stderr.count("\n") == 1


def stored(embeddings: np.ndarray, metric: str, folder: Path | None) -> Gallery:
    names = np.array([f"{row}" for row in range(len(embeddings))], object)
    embeddings = embeddings.astype(np.float32)
    return Gallery(names, names, {}, embeddings, None, {"metric": metric}, folder, ids=names)


def test_faiss_finds_what_the_exact_search_finds(tmp_path):
    pytest.importorskip("faiss")
    rng = np.random.default_rng(0)
    individuals = np.repeat(np.arange(200), 8)
    embeddings = rng.normal(size=(200, 16))[individuals] + 0.3 * rng.normal(size=(1600, 16))
    queries = embeddings[::8] + 0.1 * rng.normal(size=(200, 16))
    for metric in ("cosine", "euclidean"):
        exact = GallerySearch(embeddings, individuals, metric)
        for rule in ("max", "mean", "vote"):
            fast = ApproximateSearch(stored(embeddings, metric, tmp_path), individuals)
            expected, found = (s.individuals_like(queries, 1, rule) for s in (exact, fast))
            assert (expected[1] == found[1]).mean() > 0.99
            np.testing.assert_allclose(
                *(scores[expected[1] == found[1]] for scores in (expected[0], found[0])), rtol=1e-4
            )
        [kept] = tmp_path.glob("index-*.faiss")
        for damage in (kept.read_bytes()[:1000], b"", None):  # cut, empty, of another gallery
            if damage is None:
                ApproximateSearch(stored(embeddings[:800], metric, tmp_path), individuals[:800])
            else:
                kept.write_bytes(damage)
            again = ApproximateSearch(stored(embeddings, metric, tmp_path), individuals)
            np.testing.assert_array_equal(again.individuals_like(queries, 1, rule)[1], found[1])
        kept.unlink()


def test_without_faiss_its_index_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(UserError, match=r"pip install .reid-jax\[faiss\]"):
        ApproximateSearch(stored(np.eye(3), "cosine", None), np.arange(3))


def test_a_synthetic_source_has_pictures_too(run, tmp_path):
    gallery, _ = members.build(run, "synthetic:3x2", tmp_path / "gallery")
    assert gallery.paths.tolist() == load_dataset("synthetic:3x2").paths.tolist()
    assert Image.open(io.BytesIO(gallery.thumbnails[0])).size == (192, 192)
