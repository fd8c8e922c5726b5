"""A gallery as a source of photos: what is trained on is what people decided."""

import dataclasses

import numpy as np
import pytest

import reid_jax as rj
from reid_jax import UserError
from reid_jax.individuals.gallery.decisions import NO_ANIMAL, Decisions
from reid_jax.individuals.gallery.store import write_gallery
from tests.drawn_gallery import with_files
from tests.tiny_run import make_tiny_run

NAMES = ("Luna", "Luna", "Luna", "Tom", "Tom", "Ida")


@pytest.fixture
def gallery(tmp_path):
    photos = with_files(tmp_path / "photos", NAMES)
    dates = np.array("2020-05-01", "datetime64[s]") + np.arange(6) * np.timedelta64(86400, "s")
    photos = dataclasses.replace(photos, columns={**photos.columns, "date": dates})
    write_gallery(tmp_path / "gallery", photos)
    return tmp_path / "gallery"


def whose(dataset) -> dict[str, str]:
    names = np.array(dataset.identities)[dataset.labels]
    files = [path.rpartition("/")[2] for path in dataset.paths]
    return dict(zip(files, names.tolist(), strict=True))


def test_photos_have_the_names_that_were_decided(gallery):
    decisions = Decisions(gallery)
    decisions.rename("Luna", "Zoe")
    decisions.confirm("3.png", "Ida")
    decisions.mark(["0.png"], NO_ANIMAL)
    photos = rj.load_dataset(f"gallery:{gallery}")
    assert whose(photos) == {
        "1.png": "Zoe",
        "2.png": "Zoe",
        "3.png": "Ida",
        "4.png": "Tom",
        "5.png": "Ida",
    }
    assert photos.columns["date"][0] == np.datetime64("2020-05-02")
    assert photos.load(np.arange(2), size=16).shape == (2, 16, 16, 3)


def test_numbered_groups_are_nobodys_until_somebody_says_who_they_are(tmp_path):
    names = ("group 1", "group 1", "group 2", "group 2", "Tom")
    write_gallery(tmp_path / "groups", with_files(tmp_path / "photos", names))
    decisions = Decisions(tmp_path / "groups")
    decisions.rename("group 1", "Luna")
    decisions.confirm("2.png", "group 2")
    photos = rj.load_dataset(f"gallery:{tmp_path / 'groups'}")
    assert whose(photos) == {"0.png": "Luna", "1.png": "Luna", "2.png": "group 2", "4.png": "Tom"}
    [(path, why)] = photos.skipped
    assert path.endswith("3.png")
    assert why == 'its name is "group 2"'


def test_photos_that_are_gone_are_named_and_what_is_no_gallery_is_refused(gallery, tmp_path):
    (tmp_path / "photos" / "5.png").unlink()
    photos = rj.load_dataset(f"gallery:{gallery}")
    assert set(photos.identities) == {"Luna", "Tom"}
    assert [path.rpartition("/")[2] for path, _ in photos.skipped] == ["5.png"]
    for source, words in (
        (f"gallery:{tmp_path}", "is not a gallery"),
        (f"gallery:{tmp_path / 'nowhere'}", "There is no gallery"),
        ("gallery:", "write gallery:PATH"),
        (str(gallery), f'write "gallery:{gallery}"'),
        ("galery:x", 'did you mean "gallery:x"'),
    ):
        with pytest.raises(UserError, match=words):
            rj.load_dataset(source)


def test_a_run_trains_on_a_gallery(tmp_path):
    names = [f"animal {row // 4}" for row in range(48)]
    write_gallery(tmp_path / "gallery", with_files(tmp_path / "photos", names))
    Decisions(tmp_path / "gallery").merge(["animal 7"], "animal 6")
    run = make_tiny_run(tmp_path / "run", steps=2, source=f"gallery:{tmp_path / 'gallery'}")
    assert rj.load(run).embed([str(tmp_path / "photos" / "0.png")]).shape == (1, 8)
