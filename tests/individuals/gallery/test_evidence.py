"""A gallery with local features: what is kept, found, drawn, changed and refused."""

import csv
import dataclasses
import io
import json
import re
import shutil

import numpy as np
import pytest
from PIL import Image

from reid_jax import UserError
from reid_jax.individuals.evidence import features
from reid_jax.individuals.evidence.fusion import Fusion
from reid_jax.individuals.evidence.pairs import Pairs
from reid_jax.individuals.evidence.search import Reach, compare_photos
from reid_jax.individuals.gallery import members, words
from reid_jax.individuals.gallery.evidence import evidence_of, fusion_of, reach_of
from reid_jax.individuals.gallery.identify import identify
from reid_jax.individuals.gallery.output import as_csv, as_json, as_table
from reid_jax.individuals.gallery.sheet import as_html
from reid_jax.individuals.gallery.store import update_gallery
from reid_jax.individuals.gallery.stored.reading import read_gallery
from tests.tiny_run import make_tiny_run

pytestmark = pytest.mark.usefixtures("opencv")


def save_photos(folder, individuals, photos, first=0):
    """Individuals differ in their spots alone; a photo is a part of them, in its own light."""
    for individual in individuals:
        rng = np.random.default_rng(individual)
        small = Image.fromarray(rng.integers(0, 255, (18, 22, 3), np.uint8))
        whole = np.asarray(small.resize((176, 144), Image.Resampling.BICUBIC), np.float32)
        for number in range(first, first + photos):
            rng = np.random.default_rng([individual, number])
            x, y = rng.integers(0, 30, 2)
            part = whole[y : y + 110, x : x + 140] * rng.uniform(0.7, 1) + rng.normal(0, 3)
            file = folder / f"animal {individual}" / f"{number}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.clip(part, 0, 255).astype(np.uint8)).save(file)
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    trained_on = save_photos(tmp_path_factory.mktemp("trained"), range(100, 110), 4)
    folder = tmp_path_factory.mktemp("runs") / "run"
    return make_tiny_run(folder, source=f"folder:{trained_on}")


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return save_photos(tmp_path_factory.mktemp("photos"), range(12), 3)


@pytest.fixture(scope="module")
def built(run, photos, opencv, tmp_path_factory):
    folder = tmp_path_factory.mktemp("galleries") / "gallery"
    members.build(run, f"folder:{photos}", folder)
    return folder


@pytest.fixture
def gallery(built, tmp_path):
    return shutil.copytree(built, tmp_path / "gallery")


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """New photos of three that are in the gallery, and of one that is not."""
    folder = save_photos(tmp_path_factory.mktemp("asked"), (2, 5, 9, 77), 1, first=8)
    return [str(folder / f"animal {who}" / "8.png") for who in (2, 5, 9, 77)]


def test_a_new_gallery_answers_by_both_and_names_whom_the_network_hardly_knows(built, asked):
    stored = read_gallery(built)
    assert evidence_of(stored) == "fused"
    assert stored.settings["evidence"]["version"] == features.VERSION
    assert reach_of(stored) == Reach()
    assert len(stored.local) == len(stored) == 36
    found = identify(built, asked)
    assert found.evidence == "fused"
    assert [answer.candidates[0].identity for answer in found][:3] == [
        *("animal 2", "animal 5", "animal 9")
    ]
    assert found[3].verdict != "named"
    for answer in found.answers[:3]:
        right, others = answer.candidates[0], answer.candidates[1:]
        assert right.points > 3 * max(other.points for other in others)
        assert 0 <= others[0].score < right.score <= 1
        assert stored.identities[right.photo] == right.identity
    local = identify(built, asked, evidence="local", rule="vote")
    assert [answer.candidates[0].identity for answer in local][:2] == ["animal 2", "animal 5"]


def test_answers_say_in_how_many_points_photos_agree_and_draw_them(built, asked):
    found = identify(built, asked)
    points = found[0].candidates[0].points
    assert f"  {points} points" in as_table(found)
    said = json.loads(as_json(found))
    assert said["evidence"] == "fused"
    assert said["photos"][0]["candidates"][0]["points"] == points
    rows = list(csv.DictReader(io.StringIO(as_csv(found))))
    assert rows[0]["points"] == str(points)
    page = as_html(found)
    assert page.count('<svg viewBox="') >= 3
    assert f"animal 2: both photos agree in {points} points" in page
    lines = re.findall(r'<line x1="([\d.]+)" y1="([\d.]+)" x2="([\d.]+)" y2="([\d.]+)"', page)
    x1, y1, x2, y2 = np.array(lines, float).T
    assert (x1 < x2).all()  # from the one on the left to the one on the right
    assert max(y1.max(), y2.max()) <= 240
    assert "http" not in re.sub(r"http://www.w3.org/\S+", "", page)


@pytest.mark.exhaustive
def test_without_evidence_answers_are_the_networks(run, photos, built, asked, tmp_path):
    members.build(run, f"folder:{photos}", tmp_path / "plain", evidence="none")
    plain, by_network = identify(tmp_path / "plain", asked), identify(built, asked, evidence="none")
    assert plain.evidence == by_network.evidence == "none"
    assert plain.answers == by_network.answers
    assert plain[0].candidates[0].points is None
    assert "<svg viewBox=" not in as_html(plain)
    with pytest.raises(UserError, match="gallery add GALLERY DATA --evidence"):
        identify(tmp_path / "plain", asked, evidence="fused")
    assert "none; reid-jax gallery add" in words.described(
        tmp_path, read_gallery(tmp_path / "plain")
    )
    members.add(tmp_path / "plain", f"folder:{photos}", None, evidence="fused")
    late, early = read_gallery(tmp_path / "plain"), read_gallery(built)
    assert (late.local.rows == early.local.rows).all()
    assert late.settings["evidence"] == early.settings["evidence"]
    members.add(tmp_path / "plain", f"folder:{photos}", None, evidence="none")
    assert read_gallery(tmp_path / "plain").local is None


@pytest.mark.exhaustive
def test_features_come_and_go_with_photos(gallery, tmp_path):
    before = read_gallery(gallery)
    new = save_photos(tmp_path / "new", (30, 2), 2, first=5)
    assert members.add(gallery, f"folder:{new}", None).added == 4
    after = read_gallery(gallery)
    assert len(after.local) == len(after) == 40
    assert (after.local.rows[:36] == before.local.rows).all()
    assert (after.local.background.descriptors == before.local.background.descriptors).all()
    found = identify(gallery, [str(new / "animal 30" / "5.png")])
    assert found[0].candidates[0].identity == "animal 30"
    members.remove(gallery, ["animal 30"], [str(after.paths[0])])
    left = read_gallery(gallery)
    assert (left.local.rows[:35] == before.local.rows[1:]).all()
    assert len(left.local) == len(left) == 37


def test_what_was_calibrated_is_described(built):
    text = words.described(built, read_gallery(built))
    assert "fused; compared with all photos of a gallery of 2,000 at most" in text
    fusion = fusion_of(read_gallery(built))
    assert isinstance(fusion, Fusion)
    assert fusion.local.slope > 0


def test_only_the_nearest_are_compared_in_a_larger_gallery(built, asked):
    stored = read_gallery(built)
    rows = np.arange(5)
    options = {"metric": stored.settings["metric"]}
    z, local = np.asarray(stored.embeddings), stored.local
    apart = [(rows, np.arange(36))]
    near = Pairs.of(z[rows], local.take(rows), z, local, reach=Reach(30, 7), apart=apart, **options)
    whole = Pairs.of(z[rows], local.take(rows), z, local, reach=Reach(36), **options)
    assert near.photos.shape == (5, 7)
    assert not (near.photos == rows[:, None]).any()
    order = np.argsort(-np.where(np.eye(5, 36, dtype=bool), -9, whole.network), axis=1)
    assert (np.sort(near.photos, axis=1) == np.sort(order[:, :7], axis=1)).all()
    same = np.take_along_axis(compare_photos(local.take(rows), local), near.photos, 1)
    np.testing.assert_allclose(near.agreement, same, rtol=1e-4, atol=1e-6)
    individuals = np.unique(stored.identities, return_inverse=True)[1]
    searched = whole.searched("local", None, individuals)
    scores, who = searched.individuals_like(rows, 3, "max", apart)
    for row in rows:
        best = np.where(np.arange(36) == row, -np.inf, whole.agreement[row])
        each = np.array([best[individuals == one].max() for one in range(12)])
        assert who[row].tolist() == np.argsort(-each, kind="stable")[:3].tolist()
        np.testing.assert_allclose(scores[row], np.sort(each)[::-1][:3], rtol=1e-6)


def test_what_cannot_be_had_is_said(gallery, asked, monkeypatch, capsys):
    with pytest.raises(UserError, match="--index exact"):
        identify(gallery, asked, index="faiss", evidence="fused")
    monkeypatch.setattr(features, "is_installed", lambda: False)
    assert identify(gallery, asked).evidence == "none"
    assert "OpenCV is not installed" in capsys.readouterr().out
    with pytest.raises(UserError, match="needs OpenCV"):
        members.add(gallery, "synthetic:2x2", None)


def test_features_of_another_version_are_refused(gallery, asked):
    def older(stored):
        evidence = {**stored.settings["evidence"], "version": 0}
        return dataclasses.replace(stored, settings={**stored.settings, "evidence": evidence})

    update_gallery(gallery, older)
    with pytest.raises(UserError, match="are of version 0"):
        identify(gallery, asked)
    assert identify(gallery, asked, evidence="none").answers


def test_too_few_photos_to_calibrate_by_leave_the_network_alone(run, asked, tmp_path, capsys):
    few = save_photos(tmp_path / "few", (2, 5), 2)
    members.build(run, f"folder:{few}", tmp_path / "gallery")
    assert read_gallery(tmp_path / "gallery").local is not None
    found = identify(tmp_path / "gallery", asked[:1])
    if found.evidence == "none":
        assert "local features are not used" in capsys.readouterr().out
