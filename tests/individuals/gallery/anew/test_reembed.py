"""`gallery reembed`: other embeddings, the same decisions; old and new compared; the way back."""

import dataclasses
import shutil

import numpy as np
import pytest

from reid_jax import UserError
from reid_jax.individuals.gallery import members
from reid_jax.individuals.gallery.anew import reembed as module
from reid_jax.individuals.gallery.anew.comparison import compare
from reid_jax.individuals.gallery.anew.reembed import reembed
from reid_jax.individuals.gallery.anew.words import as_text
from reid_jax.individuals.gallery.decisions import NO_ANIMAL, Decisions
from reid_jax.individuals.gallery.identify import identify
from reid_jax.individuals.gallery.stored.check import check
from reid_jax.individuals.gallery.stored.layout import current
from reid_jax.individuals.gallery.stored.reading import read_gallery
from reid_jax.individuals.gallery.value import Gallery
from reid_jax.individuals.gallery.words import entries_text
from reid_jax.individuals.model import load_run
from tests.doors import call
from tests.individuals.gallery.test_gallery import save_photos
from tests.tiny_run import make_tiny_run


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    return make_tiny_run(folder / "one"), make_tiny_run(folder / "other", steps=2, seed=1)


@pytest.fixture
def photos(tmp_path):
    save_photos(tmp_path / "photos", {f"turtle {i}": i for i in range(8)}, 3)
    return tmp_path / "photos"


@pytest.fixture(scope="module")
def built(runs, tmp_path_factory):
    """Of photos that are no longer there when it is copied."""
    folder = tmp_path_factory.mktemp("built")
    save_photos(folder / "photos", {f"turtle {i}": i for i in range(8)}, 3)
    members.build(runs[0], f"folder:{folder / 'photos'}", folder / "gallery")
    return folder


@pytest.fixture
def gallery(built, tmp_path):
    shutil.copytree(built / "gallery", tmp_path / "gallery")
    return tmp_path / "gallery"


def test_embeddings_are_others_and_decisions_the_same(gallery, runs, built):
    decisions = Decisions(gallery, "ann")
    decisions.rename("turtle 0", "Luna")
    decisions.confirm("turtle 1/0.png", "Luna")
    decisions.mark(["turtle 2/0.png"], NO_ANIMAL)
    decisions.note("torn", individual="Luna")
    members.remove(gallery, ["turtle 7"], [])
    before = read_gallery(gallery, marked=True)
    told = decisions.photos()
    done = reembed(gallery, runs[1], who="ben")
    after = read_gallery(gallery, marked=True)
    assert done.taken
    assert not done.gone
    assert decisions.photos() == told
    assert decisions.note_of("Luna") == "torn"
    assert after.identities.tolist() == before.identities.tolist()
    assert after.marks.tolist() == before.marks.tolist()
    model = load_run(runs[1])
    np.testing.assert_allclose(
        after.embeddings, model.embed([str(path) for path in after.paths]), atol=1e-5
    )
    assert after.settings["fingerprint"] == model.fingerprint
    assert after.settings["run"] == runs[1].resolve().as_posix()
    assert set(after.settings["calibration"]) == {"max", "mean", "vote"}
    assert after.settings["calibration"] == done.gallery.settings["calibration"]
    assert after.reference["training"].shape == before.reference["training"].shape
    assert not np.array_equal(after.reference["training"], before.reference["training"])
    assert check(gallery).wrong == ()
    found = identify(gallery, [str(built / "photos" / "turtle 3" / "1.png")])
    assert found[0].candidates[0].identity == "turtle 3"
    decisions.undo(6)  # that turtle 7 was removed
    assert "turtle 7" in decisions.individuals()
    assert read_gallery(gallery).embeddings.shape == (23, 8)


def test_undo_goes_back_until_photos_are_added(gallery, runs, tmp_path):
    before = read_gallery(gallery)
    reembed(gallery, runs[1], who="ben")
    assert len(list(gallery.glob("generation-*"))) == 2
    Decisions(gallery, "ann").rename("turtle 0", "Luna")
    number = Decisions(gallery).read_since()[-2].number
    said = entries_text(Decisions(gallery).read_since(number - 1), {})
    assert f"ben  reembed\n       embeddings of the network {load_run(runs[1]).fingerprint}" in said
    Decisions(gallery, "cal").undo(number)
    after = read_gallery(gallery)
    np.testing.assert_array_equal(after.embeddings, before.embeddings)
    assert after.settings["fingerprint"] == before.settings["fingerprint"]
    assert set(after.identities) - set(before.identities) == {"Luna"}
    assert len(list(gallery.glob("generation-*"))) == 1
    assert check(gallery).wrong == ()
    with pytest.raises(UserError, match="undone already"):
        Decisions(gallery).undo(number)

    reembed(gallery, runs[1])
    save_photos(tmp_path / "more", {"turtle 9": 9}, 2)
    members.add(gallery, f"folder:{tmp_path / 'more'}", None)
    assert len(list(gallery.glob("generation-*"))) == 1
    last = Decisions(gallery).read_since()[-2].number
    with pytest.raises(UserError, match="as photos were added since"):
        Decisions(gallery).undo(last)
    assert read_gallery(gallery).settings["fingerprint"] == load_run(runs[1]).fingerprint
    assert check(gallery).wrong == ()


def test_what_is_better_is_kept(gallery, runs, monkeypatch):
    before = current(gallery)
    asked = reembed(gallery, runs[1], take="before")
    assert not asked.taken
    worse = dataclasses.replace(
        asked.compared, new=dataclasses.replace(asked.compared.before, mean_ap=-1.0)
    )
    monkeypatch.setattr(module, "compare", lambda *_: worse)
    kept = reembed(gallery, runs[1], take="better")
    assert not kept.taken
    assert "keeps the embeddings that it had" in as_text(kept)
    assert current(gallery) == before
    better = dataclasses.replace(worse, new=worse.before)
    monkeypatch.setattr(module, "compare", lambda *_: better)
    assert reembed(gallery, runs[1], take="better").taken
    assert current(gallery) != before


def test_photos_that_are_gone_are_named_and_embedded_from_small_pictures(
    photos, runs, tmp_path, capsys
):
    gallery = tmp_path / "gallery"
    members.build(runs[0], f"folder:{photos}", gallery)
    whole = load_run(runs[1]).embed([str(photos / "turtle 0" / "0.png")])[0]
    (photos / "turtle 0" / "0.png").unlink()
    shutil.copy(photos / "turtle 1" / "0.png", photos / "turtle 2" / "1.png")
    call("gallery", "reembed", gallery, "--model", runs[1])
    out = capsys.readouterr().out
    assert "2 photos could only be embedded from small pictures" in out
    assert f"{photos / 'turtle 0' / '0.png'} is not there" in out
    assert f"{photos / 'turtle 2' / '1.png'} has another content now" in out
    assert "24 photos with a name of 8 individuals, searched for by each network alone" in out
    assert "Rank-1: " in out
    after = read_gallery(gallery)
    [row] = np.flatnonzero([path.endswith("turtle 0/0.png") for path in after.paths])
    assert float(after.embeddings[row] @ whole) > 0.9


def test_its_own_network_makes_it_again(gallery, runs, capsys):
    before = read_gallery(gallery)
    call("gallery", "reembed", gallery)
    assert "It is the network that the gallery had" in capsys.readouterr().out
    after = read_gallery(gallery)
    np.testing.assert_allclose(after.embeddings, before.embeddings, atol=1e-5)
    assert after.settings["calibration"].keys() == before.settings["calibration"].keys()
    with pytest.raises(SystemExit):
        call("gallery", "reembed", gallery, "--views", "2")
    assert "with --model" in capsys.readouterr().err


def gallery_of(z, names, **columns) -> Gallery:
    count = len(names)
    return Gallery(
        paths=np.array([f"/{n}.jpg" for n in range(count)], object),
        identities=np.array(names, object),
        columns={"digest": np.array([f"{n}" for n in range(count)]), **columns},
        embeddings=np.asarray(z, np.float32),
        thumbnails=None,
        settings={"metric": "cosine"},
    )


def test_both_are_compared_on_what_people_said_and_nobody_trained_on():
    rng = np.random.default_rng(0)
    names = [f"animal {n // 4}" for n in range(40)]
    days = np.datetime64("2020-01-01", "s") + np.arange(40) // 2 * np.timedelta64(1, "D")
    good = np.eye(10)[np.arange(40) // 4] + rng.normal(0, 0.01, (40, 10))
    bad = rng.normal(size=(40, 10))
    trained = np.where(np.arange(40) % 4 == 0, "photo", "no")
    before = gallery_of(bad, names, date=days, trained=np.full(40, "no"))
    new = gallery_of(good, names, date=days, trained=trained)
    nobody, sure = np.arange(40) >= 36, np.arange(40) < 32
    found = compare(before, new, nobody, sure)
    assert (found.photos, found.individuals, found.among) == (24, 8, 36)
    assert (found.confirmed, found.left_out, found.trained) == (True, 8, False)
    assert found.new.rank1 == 1.0
    right = []  # by loops
    for q in range(32):
        if q % 4:
            others = [g for g in range(36) if days[g] != days[q] or names[g] != names[q]]
            best = max(others, key=lambda g: bad[g] @ bad[q] / np.linalg.norm(bad[g]))
            right.append(names[best] == names[q])
    assert found.before.rank1 == pytest.approx(np.mean(right))
    assert found.is_better
    assert found.new.rank1_interval[0] < 1.0
    assert all(each.is_one for each in found.differences)

    few = compare(before, new, nobody, np.arange(40) < 8)
    assert (few.photos, few.confirmed) == (27, False)  # of two individuals nothing can be said
    known = gallery_of(good, names, date=days, trained=np.full(40, "photo"))
    flattered = compare(before, known, nobody, sure)
    assert (flattered.photos, flattered.trained, flattered.left_out) == (32, True, 0)
    assert compare(before, new, np.full(40, True), sure) is None
    alone = gallery_of(good, [f"a {n}" for n in range(40)])
    assert compare(alone, alone, np.full(40, False), sure) is None
