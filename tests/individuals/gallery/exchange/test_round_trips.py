"""What was exported and imported again is all there, in each form; and undo takes it back."""

import csv
import sys
import zipfile

import pytest

from reid_jax.errors import UserError
from reid_jax.individuals.gallery.decisions import Decisions
from reid_jax.individuals.gallery.exchange.camtrap import About, Place
from reid_jax.individuals.gallery.exchange.giving import give_out
from reid_jax.individuals.gallery.exchange.taking import take_in
from reid_jax.individuals.gallery.stored.check import check
from tests.individuals.gallery.exchange.told import NAMES, said, told

FORMS = ("csv", "xlsx", "camtrap-dp", "links")


@pytest.fixture(scope="module")
def galleries(tmp_path_factory):
    return told(tmp_path_factory.mktemp("told"))


@pytest.mark.parametrize("photos", ["none", pytest.param("copy", marks=pytest.mark.exhaustive)])
@pytest.mark.parametrize("form", FORMS)
def test_nothing_is_lost(galleries, tmp_path, form, photos):
    full, empty = galleries
    out = tmp_path / "out"
    given = give_out(full, form, out, None if form == "links" and photos == "none" else photos)
    assert given.missing == ()
    before = said(empty)
    done = take_in(empty, out, None, who="bob")
    assert said(empty) == said(full)
    assert done.skipped == ()
    assert (done.photos, done.changed) == (len(NAMES), len(NAMES))
    [entry] = Decisions(empty).read_since(done.number - 1)
    assert (entry.kind, entry.who) == ("import", "bob")
    assert take_in(empty, out, form).number is None
    Decisions(empty).undo()
    assert said(empty) == before
    assert check(empty).wrong == ()


@pytest.mark.parametrize("form", FORMS)
def test_no_path_in_what_is_written_is_absolute_or_leads_up(galleries, tmp_path, form):
    out = tmp_path / "out"
    give_out(galleries[0], form, out, "link", About(Place(1.5, 2.5), "Chelonia mydas", "ann"))
    for path in out.rglob("*"):
        assert out.resolve() in path.parent.resolve().parents or path.parent == out
        if path.suffix in (".csv", ".json"):
            assert str(tmp_path.parent) not in path.read_text()
        if path.suffix == ".csv":
            for row in csv.DictReader(path.open(newline="")):
                written = row.get("path", row.get("filePath", "photos"))
                assert not written.startswith("/")
                assert ".." not in written
        if path.suffix == ".xlsx":
            with zipfile.ZipFile(path) as book:
                texts = [book.read(name).decode() for name in book.namelist()]
            assert not any("<f>" in text or str(tmp_path.parent) in text for text in texts)


def test_what_is_there_is_not_written_over_and_what_fails_leaves_nothing(
    galleries, tmp_path, monkeypatch
):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match="mine holds something already; name a folder"):
        give_out(galleries[0], "csv", tmp_path / "mine")

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    for form, place in (("csv", "tables.as_csv"), ("camtrap-dp", "camtrap.write_text")):
        with monkeypatch.context() as patch:
            patch.setattr(f"reid_jax.individuals.gallery.exchange.{place}", full)
            with pytest.raises(UserError, match=r"new could not be written \(No space left"):
                give_out(galleries[0], form, tmp_path / "new", "link")
        assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_what_a_form_needs_is_named_before_anything_is_read(galleries, tmp_path, monkeypatch):
    for package, form in (("openpyxl", "xlsx"), ("frictionless", "camtrap-dp")):
        monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(UserError, match=rf"needs {package}: pip install 'reid-jax\[exchange\]"):
            give_out(galleries[0], form, tmp_path / "out")
    assert not (tmp_path / "out").exists()
