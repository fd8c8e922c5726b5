"""Boxes on photos of a gallery: one decision each, which can be taken back; and the command."""

import shutil
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from reid_jax.data.digests import file_digest
from reid_jax.errors import UserError
from reid_jax.individuals.gallery.decisions import NO_ANIMAL, Decisions
from reid_jax.individuals.gallery.mending.boxes import Drawn, draw_box
from reid_jax.individuals.gallery.store import write_gallery
from reid_jax.individuals.gallery.stored.check import check
from reid_jax.individuals.gallery.stored.reading import read_gallery
from reid_jax.individuals.gallery.value import DIGEST
from reid_jax.individuals.model import load_run
from tests.doors import call
from tests.drawn_gallery import with_files

NAMES = ("Luna", "Luna", "Tom", "Tom", "Ida", "Ida")
FINGERPRINT = "drawn"


@dataclass
class Means:
    """In the place of a network: the mean of each colour of a photo, and how many were asked."""

    margin: float = 0.0
    fingerprint: str = FINGERPRINT
    asked: int = 0

    @property
    def config(self):
        return SimpleNamespace(data=SimpleNamespace(reading=SimpleNamespace(margin=self.margin)))

    def embed(self, dataset):
        self.asked += len(dataset)
        pixels = dataset.load(np.arange(len(dataset)), 8).astype(np.float32)
        return np.append(pixels.mean(axis=(1, 2)), np.ones((len(dataset), 1)), 1).astype(np.float32)


@pytest.fixture
def gallery(tmp_path):
    """Six photos of 64 x 64 pixels, the left half of the first one black."""
    drawn = with_files(tmp_path / "photos", NAMES)
    for row, path in enumerate(drawn.paths):
        pixels = np.asarray(Image.open(path).resize((64, 64), Image.Resampling.NEAREST)).copy()
        pixels[:, : 0 if row else 32] = 0
        Image.fromarray(pixels).save(path)
        drawn.columns[DIGEST][row] = file_digest(path).decode()
    drawn.settings["fingerprint"] = FINGERPRINT
    write_gallery(tmp_path / "gallery", drawn)
    return tmp_path / "gallery"


def held(folder):
    """Paths after the name of the file, and whose."""
    found = read_gallery(folder, marked=True)
    return [
        (path.rpartition("/")[2], name)
        for path, name in zip(found.paths, found.identities, strict=True)
    ]


def test_a_box_takes_the_place_of_its_photo_and_can_be_taken_back(gallery):
    model, decisions = Means(), Decisions(gallery, "ann")
    decisions.confirm("0.png", "Luna")
    decisions.note("a scar", photo="0.png")
    decisions.mark(["0.png"], NO_ANIMAL)
    before = read_gallery(gallery, marked=True)
    number = draw_box(gallery, Drawn("0.png", (32, 8, 24, 40)), "bob", model=model)
    assert model.asked == 1
    assert held(gallery)[-1] == ("0.png#xywh=32,8,24,40", "Luna")
    assert len(held(gallery)) == len(NAMES)
    [entry] = decisions.read_since(number - 1)
    assert (entry.kind, entry.who) == ("box", "bob")
    [part] = [each for each in decisions.photos().values() if "#" in each.path]
    assert (part.confirmed, part.note, part.mark) == (True, "a scar", NO_ANIMAL)
    after = read_gallery(gallery, marked=True)
    pixels = np.asarray(Image.open(before.paths[0]))[8:48, 32:56].mean(axis=(0, 1))
    np.testing.assert_allclose(after.embeddings[-1][:3], pixels, atol=12)  # squashed to 8 x 8
    assert after.embeddings[-1][3] == 1
    decisions.undo(number)
    back = read_gallery(gallery, marked=True)
    assert back.paths.tolist() == before.paths.tolist()
    np.testing.assert_array_equal(back.embeddings, before.embeddings)
    found = check(gallery)
    assert (found.wrong, found.lost) == ((), ())


def test_a_box_is_corrected_and_taken_off_with_the_margin_of_the_run(gallery):
    model = Means(margin=0.25)
    draw_box(gallery, Drawn("0.png", (0.5, 0.125, 0.25, 0.5), share=True), model=model)
    assert held(gallery)[-1][0] == "0.png#xywh=32,8,16,32&margin=0.25"
    draw_box(gallery, Drawn("0.png#xywh=32,8,16,32&margin=0.25", (32, 8, 32, 32)), model=model)
    assert held(gallery)[-1][0] == "0.png#xywh=32,8,32,32&margin=0.25"
    draw_box(gallery, Drawn("0.png#xywh=32,8,32,32&margin=0.25"), model=model)
    assert sorted(held(gallery)) == [(f"{n}.png", name) for n, name in enumerate(NAMES)]
    draw_box(gallery, Drawn("0.png", (32, 8, 16, 32)), model=model)  # as it was before
    assert held(gallery)[-1] == ("0.png#xywh=32,8,16,32&margin=0.25", "Luna")
    assert not check(gallery).wrong


@pytest.mark.parametrize(("name", "new"), [("Tom", False), ("Zoe", True)])
def test_another_animal_is_a_photo_beside_the_first(gallery, name, new):
    number = draw_box(
        gallery, Drawn("0.png", (32, 8, 32, 32), another=name, new=new), model=Means()
    )
    assert held(gallery)[0] == ("0.png", "Luna")
    assert held(gallery)[-1] == ("0.png#xywh=32,8,32,32", name)
    decisions = Decisions(gallery)
    assert list(decisions.photos().values())[-1].confirmed
    decisions.undo(number)
    assert len(held(gallery)) == len(NAMES)


@pytest.mark.parametrize(
    ("drawn", "sentence"),
    [
        (Drawn("9.png", (0, 0, 4, 4)), "There is no photo 9.png"),
        (Drawn("0.png", (80, 0, 9, 9)), "lies outside the photo, which is 64 x 64 pixels"),
        (Drawn("0.png", (0, 0, 4)), "is not four numbers"),
        (Drawn("0.png", (0, 0, -4, 4)), "swapped corners"),
        (Drawn("0.png", (0, 0, 24, 64)), "cannot be used: "),  # black
        (Drawn("0.png"), "is in the gallery already"),
        (Drawn("0.png", (32, 8, 32, 32), another="Zoe"), "There is no individual Zoe"),
        (Drawn("0.png", (32, 8, 32, 32), another="unknown", new=True), "names nobody"),
    ],
)
def test_what_cannot_be_drawn_is_a_sentence_and_changes_nothing(gallery, drawn, sentence):
    position = Decisions(gallery).position
    with pytest.raises(UserError, match=sentence):
        draw_box(gallery, drawn, model=Means())
    assert Decisions(gallery).position == position


def test_a_box_of_another_network_is_refused(gallery):
    with pytest.raises(UserError, match="was built with another network"):
        draw_box(gallery, Drawn("0.png", (32, 8, 32, 32)), model=Means(fingerprint="other"))


@pytest.mark.exhaustive
def test_the_command_draws_with_the_gallery_s_own_network(tmp_path, capsys):
    from reid_jax.individuals.gallery import members
    from tests.tiny_run import make_tiny_run

    run = make_tiny_run(tmp_path / "run")
    for row, path in enumerate(with_files(tmp_path / "drawn", NAMES).paths):
        place = tmp_path / "photos" / NAMES[row] / f"{row}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)
    folder = tmp_path / "gallery"
    members.build(run, f"folder:{tmp_path / 'photos'}", folder, evidence="none")
    call("gallery", "box", folder, "0.png", 2, 2, 12, 12, "--who", "ann")
    assert "Luna" in capsys.readouterr().out
    found = read_gallery(folder)
    assert found.paths[-1].endswith("0.png#xywh=2,2,12,12")
    from reid_jax.data.photos import Dataset

    part = Dataset(found.paths[-1:], np.zeros(1, np.int32), ("Luna",))
    np.testing.assert_allclose(found.embeddings[-1], load_run(run).embed(part)[0], atol=1e-3)
    call("gallery", "undo", folder)
    assert not any("#" in path for path in read_gallery(folder).paths)
    call("gallery", "link", folder, "0.png", "2.png", "different")
    assert list(Decisions(folder).links().values()) == ["different"]
