"""`gallery cluster`: drawn animals without names become a gallery of groups, with a page."""

import csv
import re
import shutil

import numpy as np
import pytest

from reid_jax import UserError
from reid_jax.individuals.gallery.decisions import Decisions
from reid_jax.individuals.gallery.grouping import cluster as module
from reid_jax.individuals.gallery.grouping.cluster import Asked, cluster
from reid_jax.individuals.gallery.grouping.words import as_text
from reid_jax.individuals.gallery.stored.layout import is_gallery
from reid_jax.individuals.gallery.stored.reading import read_gallery
from tests.individuals.gallery.test_evidence import save_photos
from tests.tiny_run import make_tiny_run

pytestmark = pytest.mark.usefixtures("opencv")
INDIVIDUALS, EACH = 8, 3


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_tiny_run(tmp_path_factory.mktemp("runs") / "run")


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """A folder of photos without any folder in it; their names say whose they are."""
    named = save_photos(tmp_path_factory.mktemp("named"), range(INDIVIDUALS), EACH)
    pile = tmp_path_factory.mktemp("pile")
    for file in named.glob("*/*.png"):
        shutil.copy(file, pile / f"{file.parent.name[-1]}_{file.name}")
    shutil.copy(pile / "0_0.png", pile / "0_copy.png")
    return pile


@pytest.fixture(scope="module")
def done(run, photos, opencv, tmp_path_factory):
    out = tmp_path_factory.mktemp("galleries") / "groups"
    return out, cluster(run, f"folder:{photos}", out, Asked())


def whose(gallery):
    return np.array([path.rsplit("/", 1)[1][0] for path in gallery.paths])


def test_a_pile_becomes_a_gallery_whose_individuals_are_the_animals(done):
    out, clustered = done
    gallery = read_gallery(out)
    assert gallery.identities.tolist() == clustered.gallery.identities.tolist()
    groups = {name: set(whose(gallery)[gallery.identities == name]) for name in gallery.identities}
    assert all(len(animals) == 1 for animals in groups.values())
    assert sorted(groups) == sorted(f"group {n}" for n in range(1, len(groups) + 1))
    assert len(groups) < 2 * INDIVIDUALS  # most photos found their own
    largest = gallery.identities == "group 1"
    assert largest.sum() == max((gallery.identities == name).sum() for name in groups)
    assert gallery.settings["grouped"]["evidence"] == "fused"
    assert clustered.found.sure.any()
    said = as_text(out, gallery, clustered.found)
    assert "it promises too much until people have looked" in said
    assert f"{INDIVIDUALS * EACH + 1} photos: " in said
    assert "The threshold 0." in said
    assert {"embeddings", "local features", "comparing local features"} <= set(clustered.spent)


def test_the_page_shows_groups_and_draws_doubts(done):
    out, clustered = done
    page = (out / "groups.html").read_text()
    assert clustered.page == out / "groups.html"
    assert "Sure groups" in page
    assert f"group 1: {EACH + 1} photos" in page
    assert "http" not in re.sub(r"http://www.w3.org/\S+", "", page)


def test_people_decide_on_groups_at_once(done, tmp_path):
    folder = shutil.copytree(done[0], tmp_path / "groups")
    decisions = Decisions(folder, "ann")
    before = len(decisions.individuals())
    decisions.merge(["2"], "1")
    decisions.rename("group 1", "Luna")
    assert len(decisions.individuals()) == before - 1
    decisions.undo()
    decisions.undo()
    assert sorted(decisions.individuals()) == sorted(set(read_gallery(done[0]).identities))
    with pytest.raises(UserError, match="People decided something about photos"):
        cluster(tmp_path, "folder:nowhere", folder, Asked())


@pytest.mark.exhaustive
def test_names_are_kept_and_spread_to_photos_without_one(run, photos, tmp_path):
    files = sorted(path.name for path in photos.glob("*.png"))
    with (tmp_path / "metadata.csv").open("w", newline="") as table:
        rows = csv.writer(table)
        rows.writerow(["path", "identity"])
        for file in files:
            name = {"0": "Luna", "1": "Tom"}.get(file[0], "") if file[2] in "01" else ""
            rows.writerow([photos / file, name])
    clustered = cluster(run, f"csv:{tmp_path}", tmp_path / "groups", Asked(evidence="local"))
    gallery = clustered.gallery
    for name, digit in (("Luna", "0"), ("Tom", "1")):
        theirs = gallery.identities == name
        assert theirs.sum() >= 2
        assert set(whose(gallery)[theirs]) == {digit}
    without = cluster(run, f"csv:{tmp_path}", tmp_path / "no", Asked(evidence="none", names=False))
    assert not {"Luna", "Tom"} & set(without.gallery.identities)


def test_a_table_needs_no_names(run, photos, tmp_path):
    (tmp_path / "metadata.csv").write_text(
        "path,date\n"
        + "".join(f"{photos / f'{n}_0.png'},2021-05-01 10:00:0{n}\n" for n in range(4))
    )
    asked = Asked(evidence="none", burst_seconds=1.0, html=tmp_path / "page.html", threshold=0.999)
    clustered = cluster(run, f"csv:{tmp_path}", tmp_path / "groups", asked)
    assert set(clustered.gallery.identities) == {"group 1"}  # one burst
    assert (tmp_path / "page.html").is_file()
    assert not (tmp_path / "groups" / "groups.html").exists()


def test_one_photo(run, photos, tmp_path):
    one = tmp_path / "photos"
    one.mkdir()
    shutil.copy(photos / "3_0.png", one)
    clustered = cluster(run, f"folder:{one}", tmp_path / "groups", Asked())
    assert clustered.gallery.identities.tolist() == ["group 1"]
    assert (tmp_path / "groups" / "groups.html").is_file()


def test_who_is_stopped_leaves_nothing(run, photos, tmp_path, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "recalibrated", stop)
    with pytest.raises(KeyboardInterrupt):
        cluster(run, f"folder:{photos}", tmp_path / "groups", Asked(evidence="none"))
    assert not is_gallery(tmp_path / "groups")
    assert not list(tmp_path.rglob("*.html"))


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (Asked(threshold=1.0), r"--threshold is 1; it must be above 0 and below 1"),
        (Asked(burst_seconds=-1.0), "--burst-seconds is -1; it must be a number of seconds"),
        (Asked(strangers=2.0), "The share of strangers is 2.0"),
    ],
)
def test_what_cannot_be_is_said_first(tmp_path, asked, said):
    with pytest.raises(UserError, match=said):
        cluster(tmp_path, "folder:nowhere", tmp_path / "groups", asked)
