"""What the page knows of a gallery is what is in it; of a change, the change alone is read."""

import dataclasses
import random

import numpy as np
import pytest

from reid_jax.app.holdings import Holdings, holdings_of
from reid_jax.app.reading import shelf as module
from reid_jax.app.reading.shelf import Shelf
from reid_jax.app.reading.thumbnails import Thumbnails
from reid_jax.errors import UserError
from reid_jax.individuals.gallery import members
from reid_jax.individuals.gallery.decisions import CANNOT_TELL, Decisions
from reid_jax.individuals.gallery.store import update_gallery
from reid_jax.individuals.gallery.stored.reading import read_gallery
from reid_jax.individuals.gallery.stored.relocate import relocate
from reid_jax.individuals.gallery.value import Gallery, join
from tests.drawn_gallery import drawn, photo_id, with_files, write_drawn
from tests.first_form import into_first_form

NAMES = ("Luna", "Luna", "Luna", "Tom", "Tom", "Ida", "Kim")


@pytest.fixture
def folder(tmp_path):
    return write_drawn(tmp_path / "gallery", NAMES)


@pytest.fixture
def shelf(folder, tmp_path):
    found = Shelf(folder, tmp_path / "thumbnails")
    found.holdings()
    return found


@pytest.fixture
def reads(monkeypatch):
    """How often all of the gallery was read by a shelf."""
    done: list[int] = []
    real = module.read_gallery

    def counted(*given, **named):
        done.append(1)
        return real(*given, **named)

    monkeypatch.setattr(module, "read_gallery", counted)
    return done


def same(found: Holdings, folder) -> bool:
    """Whether that is what a reader finds who knows nothing yet."""
    wanted = holdings_of(read_gallery(folder, thumbnails=False, marked=True))
    for name in ("photos", "paths", "digests", "known"):
        assert getattr(found, name) == getattr(wanted, name), name
    assert found.position == wanted.position
    assert {name: set(map(str, one.photos)) for name, one in found.individuals.items()} == {
        name: set(map(str, one.photos)) for name, one in wanted.individuals.items()
    }
    return True


def test_what_is_said_is_read_again_and_a_threshold_is_not(shelf, folder, reads):
    decisions = Decisions(folder)
    decisions.name_from(0.9)
    assert same(shelf.holdings(), folder)
    assert not reads
    decisions.describe([photo_id(0)], "sex", "female")
    assert same(shelf.holdings(), folder)
    assert len(reads) == 1
    assert shelf.holdings().said["sex"] == {"", "female"}
    decisions.rename("Luna", "Zoe")
    assert shelf.holdings().said["sex"] == {"", "female"}
    assert shelf.holdings().facts.values("sex") == ("", "female")
    assert len(reads) == 1


def arrive(folder, name: str, number: int) -> None:
    """Another photo of somebody."""
    more = dataclasses.replace(drawn([name], number), ids=None)
    update_gallery(folder, lambda gallery: join(gallery, more))


def test_decisions_are_followed_without_reading_the_gallery_again(shelf, folder, reads):
    decisions = Decisions(folder)
    decisions.rename("Luna", "Zoe")
    decisions.merge(["Tom"], "Zoe")
    decisions.split("Zoe", [photo_id(0)], "Bo")
    decisions.mark([photo_id(6)], CANNOT_TELL)
    decisions.note("shy", individual="Bo")
    decisions.confirm(photo_id(1), "Bo")
    decisions.link(photo_id(1), photo_id(2), "different")
    assert same(shelf.holdings(), folder)
    assert set(shelf.holdings().individuals) == {"Zoe", "Bo", "Ida"}
    decisions.mark([photo_id(6)], "")
    arrive(folder, "Ida", 20)
    arrive(folder, "New", 21)
    assert same(shelf.holdings(), folder)
    assert shelf.thumbnail(shelf.holdings().known[photo_id(21)]) == b"21"
    members.remove(folder, ["Bo"], [])
    assert same(shelf.holdings(), folder)
    assert decisions.undo() > 0
    assert same(shelf.holdings(), folder)
    assert shelf.holdings() is shelf.holdings()
    assert not reads


def test_whatever_is_decided_it_is_followed(shelf, folder, reads):
    rng, decisions = random.Random(3), Decisions(folder)
    number = 30
    for _ in range(40):
        names = list(decisions.individuals())
        photos = list(decisions.photos())
        act = rng.choice(("rename", "move", "mark", "undo", "arrive", "merge"))
        try:
            if act == "rename":
                decisions.rename(rng.choice(names), f"name {number}")
            elif act == "move":
                decisions.move([rng.choice(photos)], rng.choice(names))
            elif act == "mark":
                decisions.mark([rng.choice(photos)], rng.choice((CANNOT_TELL, "")))
            elif act == "undo":
                decisions.undo()
            elif act == "arrive":
                arrive(folder, rng.choice(names), number)
            else:
                decisions.merge([rng.choice(names)], rng.choice(names))
        except UserError:
            pass
        number += 1
        if rng.random() < 0.5:
            assert same(shelf.holdings(), folder)
    assert same(shelf.holdings(), folder)
    assert not reads


def test_what_the_journal_does_not_tell_is_read(tmp_path, reads):
    folder = tmp_path / "gallery"
    from reid_jax.individuals.gallery.store import write_gallery

    write_gallery(folder, with_files(tmp_path / "photos", NAMES))
    shelf = Shelf(folder, tmp_path / "thumbnails")
    shelf.holdings()
    (tmp_path / "photos").rename(tmp_path / "elsewhere")
    relocate(folder, str(tmp_path / "photos"), str(tmp_path / "elsewhere"))
    assert same(shelf.holdings(), folder)
    dates = np.full(len(NAMES), np.datetime64("2020-01-01", "s"))

    def dated(gallery: Gallery) -> Gallery:
        return dataclasses.replace(gallery, columns={**gallery.columns, "date": dates})

    update_gallery(folder, dated)
    assert same(shelf.holdings(), folder)
    assert len(reads) == 3


def test_a_gallery_of_the_first_form_is_shown(tmp_path):
    folder = write_drawn(tmp_path / "gallery", NAMES)
    into_first_form(folder)
    shelf = Shelf(folder, tmp_path / "thumbnails")
    holdings = shelf.holdings()
    assert sorted(holdings.individuals) == sorted(set(NAMES))
    assert {shelf.thumbnail(photo) for photo in holdings.photos.values()} == {
        str(n).encode() for n in range(len(NAMES))
    }


def test_pictures_are_copied_once_and_those_of_others_go(shelf, folder, tmp_path):
    place = tmp_path / "thumbnails"
    arrive(folder, "Ida", 20)
    shelf.holdings()
    files = sorted(place.iterdir())
    assert len(files) == 4
    times = [file.stat().st_mtime_ns for file in files]
    (place / "other-gallery-1.npz").write_bytes(b"")
    again = Shelf(folder, place)
    known = again.holdings().known
    assert again.thumbnail(known[photo_id(20)]) == b"20"
    assert again.thumbnail(known[photo_id(3)]) == b"3"
    assert [file.stat().st_mtime_ns for file in sorted(place.iterdir())] == times
    assert Thumbnails(place).of(photo_id(3)) is None
