"""Export and import as commands: what they say, and in which order words may stand."""

import pytest

from reid_jax.individuals.gallery.decisions import Decisions
from reid_jax.individuals.gallery.exchange.tables import COLUMNS
from reid_jax.individuals.gallery.store import write_gallery
from tests.doors import call
from tests.drawn_gallery import with_files

NAMES = ("Zoë", "Zoë", "Tom")


@pytest.fixture
def gallery(tmp_path, monkeypatch):
    monkeypatch.setenv("REID_JAX_WHO", "ann")
    write_gallery(tmp_path / "gallery", with_files(tmp_path / "photos", NAMES))
    return tmp_path / "gallery"


def test_a_table_goes_out_and_comes_back(gallery, tmp_path, capsys):
    out = tmp_path / "out"
    call("gallery", "export", gallery, "--to", "csv", "--out", out, "--photos", "link")
    text = (out / "metadata.csv").read_text().replace('"Tom"', '"Kim"')
    (out / "metadata.csv").write_text(text + ",".join(["perhaps"] * len(COLUMNS)) + "\n")
    call("gallery", "import", "--from", "csv", gallery, out, "--reason", "the field book")
    call("gallery", "import", gallery, out)
    call("gallery", "undo", gallery)
    call("gallery", "history", gallery)
    said = capsys.readouterr().out
    for words in (
        f"3 photos of 2 individuals written to {out} (csv)",
        "photos: 3 hard links",
        f"3 photos of the gallery are in {out}, 1 changed by decision 2; reid-jax gallery undo",
        'metadata.csv, line 5: it says "perhaps" where confirmed is yes or no',
        f"3 photos of the gallery are in {out}; nothing is said of them that was not so already",
        "ann  import  (the field book)",
        "takes back decision 2",
    ):
        assert words in said
    assert list(Decisions(gallery).individuals()) == ["Tom", "Zoë"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("export", "GALLERY", "--to", "csv", "--out", "GALLERY"), "holds something already"),
        (
            ("export", "GALLERY", "--to", "csv", "--out", "new", "--place", "1,2"),
            "--place and --species are of a package; --to is csv.",
        ),
        (
            ("export", "GALLERY", "--to", "links", "--out", "new", "--photos", "none"),
            "folders of links are made of photos",
        ),
        (("export", "nowhere", "--to", "csv", "--out", "new"), "There is no gallery nowhere"),
        (("import", "GALLERY", "nowhere.csv"), "nowhere.csv does not exist"),
        (("import", "GALLERY", "photos", "--from", "csv"), "There is no metadata.csv in"),
        (("import", "GALLERY", "GALLERY"), "is a gallery; reid-jax gallery export"),
    ],
)
def test_what_cannot_be_is_one_sentence(gallery, tmp_path, monkeypatch, capsys, words, said):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        call("gallery", *(gallery if word == "GALLERY" else word for word in words))
    assert end.value.code == 1
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not (tmp_path / "new").exists()
