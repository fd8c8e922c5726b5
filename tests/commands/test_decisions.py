"""Commands by which people decide who is who: what they say, and what they refuse."""

import dataclasses
import os
import shutil

import numpy as np
import pyarrow.parquet
import pytest

from reid_jax.errors import UserError
from reid_jax.individuals.gallery.decisions import Decisions
from reid_jax.individuals.gallery.members import build
from reid_jax.individuals.gallery.store import update_gallery, write_gallery
from reid_jax.individuals.gallery.stored.reading import form_of, read_gallery
from reid_jax.individuals.gallery.value import join
from reid_jax.individuals.gallery.words import returned_text
from tests.doors import call
from tests.drawn_gallery import drawn, photo, with_files

NAMES = ("Luna", "Luna", "Luna", "Tom", "Tom", "Ida")


@pytest.fixture
def gallery(tmp_path, monkeypatch):
    monkeypatch.setenv("REID_JAX_WHO", "ann")
    write_gallery(tmp_path / "gallery", with_files(tmp_path / "photos", NAMES))
    return tmp_path / "gallery"


def test_a_session_of_somebody_who_decides(gallery, capsys):
    for words in (
        ("list",),
        ("confirm", "0.png", "Tom", "--reason", "the scar"),
        ("rename", "Luna", "Zoe"),
        ("merge", "Zoe", "Ida"),
        ("split", "Zoe", "Kim", "5.png"),
        ("move", "Eve", "1.png", "--new"),
        ("mark", "cannot-tell", "2.png"),
        ("note", "Kim", "left ear torn"),
        ("note", "0.png", "blurred"),
        ("show", "Tom"),
        ("show", "Kim"),
        ("show", "2.png"),
        ("undo",),
        ("undo", 3),
        ("history",),
        ("check",),
    ):
        with pytest.raises(SystemExit) if words == ("undo", 3) else pytest.MonkeyPatch.context():
            call("gallery", words[0], gallery, *words[1:])
    out, error = capsys.readouterr()
    for words in (
        "Luna  3 photos",
        "ann  confirm  (the scar)",
        f"Luna -> Tom: {gallery.parent / 'photos' / '0.png'}",
        "Luna -> Zoe: 2 photos",
        f"Zoe -> Kim: {gallery.parent / 'photos' / '5.png'}",
        "(confirmed; note: blurred)",
        "note: left ear torn",
        "(cannot tell)",
        "takes back decision 9",
        "6 photos, 10 decisions; 6 photos lie where they lay",
        "is whole, and could be made again",
    ):
        assert words in out
    assert "Decision 3 cannot be undone, as decision 4 (merge by ann" in error


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("rename", "Luma", "Zoe"), "no individual Luma in the gallery; did you mean Luna?"),
        (("rename", "Luna", "Tom"), "Tom is an individual already; merge makes two"),
        (("merge", "Luna"), "nobody to merge into Luna"),
        (("confirm", "0.pn", "Luna"), "no photo 0.pn in the gallery; did you mean"),
        (("show", "Tomm"), "no individual or photo Tomm in the gallery; did you mean Tom?"),
        (("undo", "1"), "Decision 1 made the gallery"),
    ],
)
def test_what_is_refused_is_one_sentence(gallery, capsys, words, said):
    with pytest.raises(SystemExit) as end:
        call("gallery", words[0], gallery, *words[1:])
    assert end.value.code == 1
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_check_names_files_that_are_lost_or_others_now(gallery, capsys):
    photos = gallery.parent / "photos"
    (photos / "0.png").unlink()
    (photos / "1.png").write_bytes(photo(99))
    with pytest.raises(SystemExit):
        call("gallery", "check", gallery)
    out, error = capsys.readouterr()
    assert f"{photos / '0.png'} is not there" in out
    assert f"{photos / '1.png'} has another content now" in out
    assert "4 photos lie where they lay" in out
    assert "could not be made again without these photos" in error
    segment = form_of(gallery).segment(1) / "embeddings.npy"
    embeddings = np.load(segment)
    embeddings[3] = np.nan
    np.save(segment, embeddings)
    with pytest.raises(SystemExit):
        call("gallery", "check", gallery)
    out, error = capsys.readouterr()
    assert "1 embedding hold what is no number" in out
    assert "is damaged; what is wrong stands above" in error


def test_a_gallery_that_cannot_be_written_to_is_read_and_keeps_its_names(gallery, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_, **__: False)
    decisions = Decisions(gallery)
    assert list(decisions.individuals()) == ["Ida", "Luna", "Tom"]
    with pytest.raises(UserError, match=r"cannot be written to .*; nothing was decided"):
        decisions.rename("Luna", "Zoe")
    assert set(read_gallery(gallery).identities) == set(NAMES)


def test_a_journal_that_cannot_be_had_is_refused_before_anything_is_read(tmp_path):
    for url, words in (
        ("postgresql://ann:secret@host/x", "PGPASSWORD"),
        ("postgresql://ann@/x?host=/nowhere", "cannot be used"),
    ):
        with pytest.raises(UserError, match=words) as caught:
            build(tmp_path / "none", "folder:none", tmp_path / "gallery", journal=url)
        assert "secret" not in str(caught.value)


def test_photos_that_were_moved_are_found_again_by_content(gallery, tmp_path, capsys):
    old, new = tmp_path / "photos", tmp_path / "disk" / "pictures"
    assert len(Decisions(gallery).photos()) == 6
    shutil.copytree(old, new)
    (new / "1.png").rename(new / "other.png")
    (new / "2.png").unlink()
    (old / "3.png").unlink()
    (old / "2.png").unlink()
    (new / "4.png").write_bytes(photo(99))  # which is still where it was
    call("gallery", "relocate", gallery, old, new)
    out = capsys.readouterr().out
    assert "3 photos lie in" in out
    assert "1 photo found there elsewhere" in out
    assert f"not found: {old / '2.png'}" in out
    names = {0: "0.png", 1: "other.png", 2: "2.png", 3: "3.png", 5: "5.png"}
    paths = [str(new / names[row]) if row in names else str(old / "4.png") for row in range(6)]
    assert read_gallery(gallery).paths.tolist() == paths
    assert [each.path for each in Decisions(gallery).photos().values()] == paths
    Decisions(gallery).undo()
    assert set(read_gallery(gallery).paths) == {str(old / f"{row}.png") for row in range(6)}
    for words, said in (
        ((tmp_path / "nowhere", new), f"No photo of the gallery {gallery} lies in"),
        ((old, tmp_path / "nowhere"), "There is no folder"),
        ((old, gallery), "nothing was changed"),
    ):
        with pytest.raises(SystemExit):
            call("gallery", "relocate", gallery, *words)
        assert said in capsys.readouterr().err


def test_a_moved_folder_is_one_change_and_what_is_added_later_has_its_own_root(gallery, tmp_path):
    (tmp_path / "photos").rename(tmp_path / "moved")
    call("gallery", "relocate", gallery, tmp_path / "photos", tmp_path / "moved")
    [entry] = Decisions(gallery).read_since(1)
    assert [c.attribute for c in entry.changes] == ["root"]
    call("gallery", "check", gallery)
    more = drawn(["Kim"], 6)
    more.paths[0] = str(tmp_path / "later" / "6.png")
    update_gallery(gallery, lambda g: join(g, more))
    assert read_gallery(gallery).paths[-1] == more.paths[0]
    update_gallery(gallery, lambda g: dataclasses.replace(g, reference={"x": np.zeros(2)}))
    assert read_gallery(gallery).paths.tolist()[0] == str(tmp_path / "moved" / "0.png")
    raw = pyarrow.parquet.read_table(form_of(gallery).segment(2) / "photos.parquet")["path"]
    assert raw.to_pylist()[0] == "root://photos/0.png"


def test_who_comes_back_under_a_name_that_somebody_took_away_is_named(gallery):
    decisions = Decisions(gallery)
    decisions.merge(["Tom"], "Luna")
    more = drawn(["Tom", "Luna", "Kim"], 6)
    update_gallery(gallery, lambda g: join(g, more))
    said = returned_text(decisions.read_since())
    assert said.startswith("Tom is an individual again, who was none since decision 2 (merge by")
    assert said.count("\n") == 1
