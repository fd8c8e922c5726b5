"""`gallery check` embeds photos anew and compares them with what is stored."""

import shutil

import numpy as np
import pytest

from reid_jax.individuals.gallery import members
from reid_jax.individuals.gallery.anew import proof as module
from reid_jax.individuals.gallery.anew.proof import proof_text, prove
from reid_jax.individuals.gallery.stored.reading import form_of
from tests.doors import call
from tests.individuals.gallery.test_gallery import save_photos
from tests.tiny_run import make_tiny_run


@pytest.fixture
def gallery(tmp_path):
    save_photos(tmp_path / "photos", {f"turtle {i}": i for i in range(4)}, 3)
    run = make_tiny_run(tmp_path / "run")
    members.build(run, f"folder:{tmp_path / 'photos'}", tmp_path / "gallery")
    return tmp_path / "gallery"


def change(gallery, row: int) -> None:
    file = form_of(gallery).segment(1) / "embeddings.npy"
    embeddings = np.load(file)
    embeddings[row] = np.roll(embeddings[row], 1)
    np.save(file, embeddings)


def test_what_is_stored_is_what_the_network_makes(gallery, capsys):
    call("gallery", "check", gallery)
    out = capsys.readouterr().out
    assert "all 12 photos embedded anew: at most 0.0% of an" in out
    assert "could be made again" in out
    change(gallery, 5)
    with pytest.raises(SystemExit):
        call("gallery", "check", gallery, "--all")
    out, error = capsys.readouterr()
    assert "turtle 1/2.png: its embedding is" in out
    assert "makes something else of these photos now" in error
    call("gallery", "reembed", gallery)
    call("gallery", "check", gallery, "--all")


def test_a_sample_is_enough(gallery, monkeypatch):
    monkeypatch.setattr(module, "SAMPLE", 5)
    found = prove(gallery)
    assert (found.looked, found.of, found.wrong) == (5, 12, ())
    assert proof_text(found).startswith("5 of 12 photos embedded anew")
    assert prove(gallery, every=True).looked == 12
    for row in range(12):
        change(gallery, row)
    assert len(prove(gallery).wrong) > 0


def test_without_its_network_or_its_photos_nothing_is_embedded(gallery, tmp_path, capsys):
    shutil.rmtree(tmp_path / "photos")
    assert "has a file that is as it was" in prove(gallery).why_not
    (tmp_path / "run").rename(tmp_path / "moved")
    found = prove(gallery)
    assert found.why_not.startswith("The run that the gallery")
    with pytest.raises(SystemExit):
        call("gallery", "check", gallery)
    assert "nothing was embedded anew: The run" in capsys.readouterr().out
