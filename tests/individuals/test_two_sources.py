"""Photos of one source searched in those of another, or as a source's column says."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reid_jax.data.photos import load_dataset
from reid_jax.errors import UserError
from reid_jax.individuals.model import TrainedModel, load_run
from reid_jax.individuals.run import evaluate_run
from tests.doors import call
from tests.tiny_run import make_tiny_run


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A run, and photos of seven individuals: left/ has four, right/ all but one of those."""
    folder = tmp_path_factory.mktemp("made")
    make_tiny_run(folder / "run", steps=3)
    drawn = load_dataset("synthetic:7x5", seed=1)
    rows = ["image_id,identity,path,date,camera,split"]
    for row in range(len(drawn)):
        who, number = int(drawn.labels[row]), row % 5
        side = "left" if who < 4 and number < 2 else "right"
        if who == 3 and side == "right":
            continue
        path = folder / side / f"animal {who}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(drawn.pixels[row]).save(path)
        part = "query" if side == "left" else "gallery" if number < 4 else "train"
        where = path.relative_to(folder).as_posix()
        rows.append(f"{row},animal {who},{where},2020-01-0{1 + number},cam {number % 2},{part}")
    (folder / "metadata.csv").write_text("\n".join(rows) + "\n")
    return folder


def by_loop(model, query, gallery, *, by_camera=False):
    """The share of queries with a match whose nearest photo is one, over all of them."""
    z, names, cameras = [], [], []
    for each in (query, gallery):
        z.append(model.embed(each))
        names.append(np.asarray(each.identities)[each.labels])
        cameras.append(each.columns.get("camera", np.arange(len(each))))
    right, none = [], 0
    for q in range(len(z[0])):
        out = (names[1] == names[0][q]) & (cameras[1] == cameras[0][q]) if by_camera else False
        match = (names[1] == names[0][q]) & ~np.asarray(out)
        if not match.any():
            none += 1
            continue
        right.append(match[np.argmax(np.where(out, -np.inf, z[1] @ z[0][q]))])
    return np.mean(right), none


def test_photos_of_one_source_are_searched_in_another(made, tmp_path, monkeypatch):
    left, right = (f"folder:{made / side}" for side in ("left", "right"))
    looked_at = []
    inner = TrainedModel.embed_each
    monkeypatch.setattr(
        TrainedModel,
        "embed_each",
        lambda self, photos, *how, **named: (
            looked_at.append(len(photos)) or inner(self, photos, *how, **named)
        ),
    )
    found = evaluate_run(made / "run", query=left, gallery=right, out=tmp_path / "out")
    assert looked_at == [32]
    model = load_run(made / "run")
    rank1, none = by_loop(model, load_dataset(left), load_dataset(right))
    assert (found["rank1"], found["num_excluded"]) == (pytest.approx(rank1), none)
    assert (none, found["num_gallery"], found["num_photos"]) == (2, 24, 32)
    assert (tmp_path / "out" / "index.html").is_file()
    assert not (made / "run" / "report").exists()


def test_a_photo_of_both_sources_is_no_match_of_itself_and_a_copy_is_said(made, tmp_path):
    source = f"folder:{made / 'left'}"
    found = evaluate_run(made / "run", query=source, gallery=source, out=tmp_path / "same")
    alone = evaluate_run(made / "run", source, out=tmp_path / "alone")
    assert found == alone
    for file in (made / "left").rglob("*.png"):
        copy = tmp_path / "copies" / file.relative_to(made / "left")
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(file.read_bytes())
    copies = f"folder:{tmp_path / 'copies'}"
    found = evaluate_run(made / "run", query=source, gallery=copies, out=tmp_path / "copied")
    assert found["num_queries_with_copy"] == 8
    assert found["rank1"] == 1.0
    assert found["rank1_without_copies"] == pytest.approx(alone["rank1"])


def test_photos_that_were_trained_on_are_counted_in_either_source(tmp_path):
    run = make_tiny_run(tmp_path / "run", steps=3)
    with np.load(run / "split.npz") as kept:
        trained = len(kept["train"])
    found = evaluate_run(run, query="synthetic:12x6", gallery="synthetic:12x6")
    assert found["num_queries_trained"] == trained
    assert (run / "report-synthetic-12x6-in-synthetic-12x6" / "index.html").is_file()


def test_a_column_says_what_is_searched_in_what(made, tmp_path, capsys):
    source = f"csv:{made / 'metadata.csv'}"
    arguments = ("--out", tmp_path / "out", "--json", tmp_path / "m.json")
    call("evaluate", made / "run", source, *arguments)
    found, said = json.loads((tmp_path / "m.json").read_text()), capsys.readouterr().out
    dataset = load_dataset(source)
    parts = [dataset.subset(np.flatnonzero(dataset.columns["split"] == part)) for part in PARTS]
    rank1, none = by_loop(load_run(made / "run"), *parts, by_camera=True)
    assert (found["rank1"], found["num_excluded"]) == (pytest.approx(rank1), none)
    assert found["num_gallery"] == len(parts[1])
    assert "8 photos are searched for among 18" in said
    call("--quiet", "evaluate", made / "run", source, *arguments)
    said = capsys.readouterr().out
    assert "searched for" not in said
    assert "\nindividuals" not in said
    assert said.startswith(" ")  # the head of the table


PARTS = ("query", "gallery")


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"query": "synthetic:3"}, "--query and --gallery go together"),
        ({"source": "a:b", "query": "c:d", "gallery": "e:f"}, "one source, a:b, or two as --query"),
        ({"query": "c:d", "gallery": "e:f", "photos": "g:h"}, "--query and --gallery name others"),
        ({"source": "c:d", "photos": "g:h"}, "--data names others"),
    ],
)
def test_what_contradicts_itself_is_one_sentence(asked, sentence):
    with pytest.raises(UserError, match=sentence):
        evaluate_run(Path("no/run"), **asked)


def test_names_that_do_not_meet_and_a_gallery_of_one_are_refused(made, tmp_path):
    left = f"folder:{made / 'left'}"
    with pytest.raises(UserError, match=r"share no individual.*animal 0, animal 1, animal 2, "):
        evaluate_run(made / "run", query=left, gallery="synthetic:3x3")
    photo = made / "left" / "animal 0" / "0.png"
    (tmp_path / "one" / "animal 0").mkdir(parents=True)
    (tmp_path / "one" / "animal 0" / "x.png").write_bytes(photo.read_bytes())
    with pytest.raises(UserError, match="at least two individuals, these show 1"):
        evaluate_run(made / "run", query=left, gallery=f"folder:{tmp_path / 'one'}")
