"""Which names are worth a look: against plain loops, and what was decided is left out."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from reid_jax.individuals.gallery.calibrating import calibrated, calibration_of
from reid_jax.individuals.gallery.decisions import Decisions
from reid_jax.individuals.gallery.mending.doubts import find_doubts
from reid_jax.individuals.gallery.store import write_gallery
from reid_jax.individuals.gallery.stored.reading import read_gallery
from reid_jax.individuals.gallery.words import doubts_text
from tests.drawn_gallery import drawn, photo_id

EACH = 6


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """Twelve animals of six photos; 0 has another name for half of them, one of 2 is called 3."""
    rng = np.random.default_rng(5)
    centres = rng.normal(size=(12, 16))
    whose = np.repeat(np.arange(12), EACH)
    z = centres[whose] + 0.25 * rng.normal(size=(len(whose), 16))
    names = [f"animal {n}" for n in whose]
    names[3:6] = ["also 0"] * 3
    names[2 * EACH] = "animal 3"
    gallery = drawn(names)
    settings = {key: value for key, value in gallery.settings.items() if key != "calibration"}
    folder = tmp_path_factory.mktemp("doubts") / "gallery"
    write_gallery(folder, replace(gallery, embeddings=z.astype(np.float32), settings=settings))
    return folder


@pytest.fixture
def folder(template, tmp_path):
    return shutil.copytree(template, tmp_path / "gallery")


def test_what_is_wrong_is_found_and_worth_most(folder):
    found = find_doubts(folder)
    names = found.gallery.identities
    said = [(d.kind, names[d.photo], names[d.other]) for d in found.doubts]
    assert {said[0][1], said[0][2]} == {"animal 0", "also 0"}
    assert said[0][0] == "merge"
    assert ("photo", "animal 3", "animal 2") in said
    photo = found.doubts[said.index(("photo", "animal 3", "animal 2"))]
    assert found.gallery.known_ids[photo.photo] == photo_id(2 * EACH)
    worth = [doubt.worth for doubt in found.doubts]
    assert worth == sorted(worth, reverse=True)
    assert all(0 <= doubt.chance <= 1 for doubt in found.doubts)
    text = doubts_text(found)
    assert "look like one (3 photos and 3, " in text
    assert "a photo of animal 3 looks like animal 2's" in text


def test_merges_are_those_of_plain_loops(folder):
    """Pairs whose photos would be called the other, each with its most similar photos."""
    gallery = calibrated(read_gallery(folder, thumbnails=False))
    calibration = calibration_of(gallery, "max")
    z = np.asarray(gallery.embeddings, np.float64)
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    names = gallery.identities.tolist()
    best: dict[frozenset[str], tuple[float, int, int]] = {}
    for i in range(len(z)):
        for j in range(len(z)):
            people = frozenset((names[i], names[j]))
            if len(people) == 2 and z[i] @ z[j] > best.get(people, (-9.0,))[0]:
                best[people] = z[i] @ z[j], i, j

    def mean(one: str, other: str) -> float:
        """The mean chance of the photos of one that they show the other, as if without names."""
        chances = []
        for i in range(len(z)):
            if names[i] != one:
                continue
            like = {}
            for k in range(len(z)):
                if names[k] != one:
                    like[names[k]] = max(like.get(names[k], -9.0), z[i] @ z[k])
            ranked = sorted(like.items(), key=lambda each: -each[1])[:5]
            p = calibration.choice(np.array([[score for _, score in ranked]]))[0]
            chances.append(sum(p[n] for n, (who, _) in enumerate(ranked) if who == other))
        return float(np.mean(chances))

    likely = {people: min(mean(*people), mean(*tuple(people)[::-1])) for people in best}
    wanted = {people for people in best if likely[people] >= 1 / 3}
    assert wanted
    merges = [doubt for doubt in find_doubts(folder).doubts if doubt.kind == "merge"]
    assert {frozenset((names[d.photo], names[d.other])) for d in merges} == wanted
    for doubt in merges:
        score, i, j = best[frozenset((names[doubt.photo], names[doubt.other]))]
        assert doubt.score == pytest.approx(score, abs=1e-5)
        assert {doubt.photo, doubt.other} == {i, j}
        people = frozenset((names[doubt.photo], names[doubt.other]))
        assert doubt.chance == pytest.approx(likely[people], abs=1e-4)
        few = min(names.count(names[row]) for row in (doubt.photo, doubt.other))
        assert doubt.worth == pytest.approx(doubt.chance * few)


def test_photos_are_those_of_which_three_of_five_neighbours_are_of_one_other(folder):
    gallery = read_gallery(folder, thumbnails=False)
    z = np.asarray(gallery.embeddings, np.float64)
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    names = gallery.identities.tolist()
    found = find_doubts(folder).doubts
    merges = {frozenset((names[d.photo], names[d.other])) for d in found if d.kind == "merge"}
    wanted = set()
    for i in range(len(z)):
        near = sorted((j for j in range(len(z)) if j != i), key=lambda j: -(z[i] @ z[j]))[:5]
        for other in {names[j] for j in near} - {names[i]}:
            votes = sum(names[j] == other for j in near)
            alone = names.count(names[i]) < 2
            if votes >= 3 and not alone and frozenset((names[i], other)) not in merges:
                wanted.add((i, other))
    assert {(d.photo, names[d.other]) for d in found if d.kind == "photo"} == wanted
    assert wanted


def test_what_was_decided_is_no_doubt(folder):
    decisions = Decisions(folder)
    first = find_doubts(folder).doubts
    names = find_doubts(folder).gallery.identities
    [photo] = [d for d in first if d.kind == "photo" and names[d.other] == "animal 2"]
    ids = read_gallery(folder).known_ids
    said = decisions.confirm(str(ids[photo.photo]), "animal 3")
    two = decisions.link(str(ids[first[0].photo]), str(ids[first[0].other]), "different")
    after = find_doubts(folder).doubts
    assert photo.photo not in {d.photo for d in after}
    assert {"animal 0", "also 0"} not in [{names[d.photo], names[d.other]} for d in after]
    decisions.undo(two)
    decisions.undo(said)
    assert find_doubts(folder).doubts == first
    decisions.merge(["also 0"], "animal 0")
    decisions.confirm(str(ids[photo.photo]), "animal 2")
    assert not find_doubts(folder).doubts


def test_one_individual_has_no_doubts(tmp_path):
    write_gallery(tmp_path / "gallery", drawn(["Luna", "Luna"]))
    found = find_doubts(tmp_path / "gallery")
    assert (found.doubts, found.why) == ((), "there is one individual only")
    assert "Names worth a look: 0" in doubts_text(found)
