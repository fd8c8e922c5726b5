"""Folders of links: what people move in them are other names."""

import os
import shutil

import pytest

from reid_jax import platforms
from reid_jax.errors import UserError
from reid_jax.individuals.gallery.decisions import Decisions
from reid_jax.individuals.gallery.exchange.giving import give_out
from reid_jax.individuals.gallery.exchange.taking import take_in
from reid_jax.individuals.gallery.store import write_gallery
from reid_jax.individuals.gallery.stored.reading import read_gallery
from tests.drawn_gallery import photo, with_files

NAMES = ("Zoë", "Zoë", "a/b", "a/b", "Luna")


@pytest.fixture
def gallery(tmp_path):
    write_gallery(tmp_path / "gallery", with_files(tmp_path / "photos", NAMES))
    return tmp_path / "gallery"


def names(folder) -> list[str]:
    return read_gallery(folder, marked=True).identities.tolist()


def test_photos_are_linked_by_individual(gallery, tmp_path):
    given = give_out(gallery, "links", tmp_path / "out")
    out = tmp_path / "out"
    assert sorted(path.name for path in out.iterdir()) == ["Luna", "Zoë", "a_b", "links.csv"]
    assert os.path.samefile(out / "Zoë" / "0.png", tmp_path / "photos" / "0.png")
    assert given.kinds == {"hard": 5}


@pytest.mark.parametrize("refused", [("link",), ("link", "symlink")])
def test_where_there_are_no_such_links(gallery, tmp_path, monkeypatch, refused):
    def refuse(*_, **__):
        raise OSError(18, "Invalid cross-device link")

    for name in refused:
        monkeypatch.setattr(platforms.os, name, refuse)
    given = give_out(gallery, "links", tmp_path / "out")
    assert given.kinds == {"copy" if "symlink" in refused else "symbolic": 5}
    (tmp_path / "out").rename(tmp_path / "renamed")
    assert (tmp_path / "renamed" / "Zoë" / "1.png").read_bytes() == photo(1)
    assert (tmp_path / "renamed" / "Zoë" / "1.png").is_symlink() == (len(refused) == 1)


def test_a_photo_that_is_gone_is_named(gallery, tmp_path):
    (tmp_path / "photos" / "4.png").unlink()
    given = give_out(gallery, "links", tmp_path / "out")
    assert [path.rpartition("/")[2] for path, _ in given.missing] == ["4.png"]
    assert not (tmp_path / "out" / "Luna" / "4.png").exists()
    assert take_in(gallery, tmp_path / "out", None).number is None


def test_what_people_moved_has_another_name(gallery, tmp_path):
    decisions = Decisions(gallery)
    decisions.confirm("0.png", "Zoë")
    decisions.confirm("1.png", "Zoë")
    decisions.note("left ear", photo="1.png")
    out = tmp_path / "out"
    give_out(gallery, "links", out)
    (out / "Zoë" / "1.png").rename(out / "a_b" / "1.png")
    (out / "Kim").mkdir()
    (out / "Luna" / "4.png").rename(out / "Kim" / "4.png")
    shutil.copyfile(tmp_path / "photos" / "3.png", out / "Kim" / "copied.png")
    (out / "Kim" / "stranger.png").write_bytes(photo(77))
    done = take_in(gallery, out, None)
    assert names(gallery) == ["Zoë", "a/b", "a/b", "a/b", "Kim"]
    photos = list(decisions.photos().values())
    assert [p.confirmed for p in photos] == [True, False, False, False, False]
    assert photos[1].note == "left ear"
    why = [reason for _, reason in done.skipped]
    assert why == [
        "it is not in the gallery",
        "its individual is a/b in line 5 and Kim in Kim/copied.png",
    ]


def test_a_folder_that_somebody_else_made(gallery, tmp_path):
    for row, name in enumerate(("Ann", "Ann", "Bob", "unknown")):
        (tmp_path / "theirs" / name).mkdir(parents=True, exist_ok=True)
        shutil.copyfile(
            tmp_path / "photos" / f"{row}.png", tmp_path / "theirs" / name / f"x{row}.png"
        )
    done = take_in(gallery, tmp_path / "theirs", None)
    assert names(gallery) == ["Ann", "Ann", "Bob", "a/b", "Luna"]
    assert done.remarks == ()
    with pytest.raises(UserError, match="made of photos: link or copy"):
        give_out(gallery, "links", tmp_path / "no", "none")
