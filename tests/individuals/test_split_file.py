"""Where the photos of a run are now: found by their content, whatever they are called."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reid_jax.data.photos import load_dataset
from reid_jax.errors import UserError
from reid_jax.individuals.run import evaluate_run
from reid_jax.individuals.split_file import kept_source, load_run_data
from reid_jax.questions import train
from tests.tiny_run import make_tiny_run, read_run_config

SPLIT = "split.npz"


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A run of photos in files: FOLDER/run and FOLDER/photos."""
    folder = tmp_path_factory.mktemp("made")
    drawn = load_dataset("synthetic:12x6", seed=0)
    for row in range(len(drawn)):
        path = folder / "photos" / drawn.identities[drawn.labels[row]] / f"{row}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(drawn.pixels[row]).save(path)
    make_tiny_run(folder / "run", steps=3, source=f"folder:{folder / 'photos'}", split="photo")
    return folder


@pytest.fixture
def moved(made, tmp_path) -> Path:
    """The same, where only a copy of the photos is left: TMP/here, each under another name."""
    shutil.copytree(made / "run", tmp_path / "run")
    for file in sorted((made / "photos").rglob("*.png")):
        path = tmp_path / "here" / file.parent.name / f"new {file.name}"
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, path)
    edit(tmp_path / "run" / SPLIT, lambda name, paths: np.char.replace(paths, "photos", "gone"))
    change_source(tmp_path / "run", f"folder:{made / 'gone'}")
    return tmp_path


def change_source(run, source):
    values = json.loads((run / "config.json").read_text())
    values["data"]["source"] = source
    (run / "config.json").write_text(json.dumps(values))


def edit(file, change, left_out="none"):
    """Changes the parts of paths of a split, and leaves some arrays out."""
    with np.load(file) as kept:
        arrays = {name: kept[name] for name in kept.files if not name.startswith(left_out)}
    for name, values in arrays.items():
        if name != "train_identities" and not name.startswith("digests"):
            arrays[name] = change(name, values)
    np.savez(file, **arrays)


def parts(run, source=None, *, training=False):
    """Names of the individuals and content of each part, in order."""
    config = read_run_config(run)
    data = config.data if source is None else dataclasses.replace(config.data, source=source)
    dataset, splits = load_run_data(run, data, config.train.seed, training=training)
    rows = [splits.train, *splits.validation, *splits.test]
    digests = dataset.columns["digest"]
    return [(np.asarray(dataset.identities)[dataset.labels[r]], digests[r]) for r in rows]


def same(found, expected):
    for (names, digests), (their_names, their_digests) in zip(found, expected, strict=True):
        np.testing.assert_array_equal(names, their_names)
        np.testing.assert_array_equal(digests, their_digests)


def test_photos_under_other_names_are_divided_as_they_were(made, moved, capsys):
    expected = parts(made / "run")
    assert not capsys.readouterr().out
    here = f"folder:{moved / 'here'}"
    same(parts(moved / "run", here, training=True), expected)
    assert "72 photos of the run were found elsewhere, by their content" in capsys.readouterr().out


def test_evaluate_says_how_and_then_remembers(made, moved, capsys):
    run = moved / "run"
    with pytest.raises(UserError, match=r"does not exist.*evaluate --workdir .* --photos fold"):
        evaluate_run(run)
    before = evaluate_run(made / "run")
    after = evaluate_run(run, photos=f"folder:{moved / 'here'}")
    assert after["rank1"] == pytest.approx(before["rank1"], abs=1e-6)
    assert after["num_queries"] == before["num_queries"] < 72
    assert kept_source(run) == f"folder:{moved / 'here'}"
    capsys.readouterr()
    same(parts(run, training=True), parts(made / "run"))
    assert "elsewhere" not in capsys.readouterr().out


def test_training_goes_on_where_the_photos_are_and_remembers(made, moved, capsys):
    config = read_run_config(moved / "run")
    data = dataclasses.replace(config.data, source=f"folder:{moved / 'here'}")
    longer = dataclasses.replace(config.train, steps=5)
    train(dataclasses.replace(config, data=data, train=longer), moved / "run")
    assert "from step 3" in capsys.readouterr().out
    assert read_run_config(moved / "run").data.source == f"folder:{moved / 'here'}"
    same(parts(moved / "run", training=True), parts(made / "run"))
    assert "elsewhere" not in capsys.readouterr().out


def test_other_photos_are_not_taken_for_the_run_s(moved):
    """Same names, other content."""
    drawn = load_dataset("synthetic:12x6", seed=1)
    for row, file in enumerate(sorted((moved / "here").rglob("*.png"))):
        Image.fromarray(drawn.pixels[row]).save(file)
    with pytest.raises(UserError, match="held out are gone"):
        parts(moved / "run", f"folder:{moved / 'here'}")
    kept = moved / "run" / "config.json"
    before = kept.read_bytes()
    with pytest.raises(UserError, match="held out are gone"):
        evaluate_run(moved / "run", photos=f"folder:{moved / 'here'}")
    assert kept.read_bytes() == before


def test_a_photo_that_is_missing_stops_training_and_is_counted_elsewhere(moved, capsys):
    here = f"folder:{moved / 'here'}"
    with np.load(moved / "run" / SPLIT) as kept:
        name = Path(str(kept["train"][0]))
    (moved / "here" / name.parent.name / f"new {name.name}").unlink()
    with pytest.raises(UserError, match="trained on are gone"):
        parts(moved / "run", here, training=True)
    parts(moved / "run", here)
    assert "1 photo of the run is no longer in its source" in capsys.readouterr().out


def test_a_run_without_digests_is_found_by_names(made, moved, capsys):
    """As runs of the first version are, whose folder was moved as it was."""
    expected = parts(made / "run")
    for file in list((moved / "here").rglob("*.png")):
        file.rename(file.with_name(file.name.removeprefix("new ")))
    edit(moved / "run" / SPLIT, lambda name, paths: paths, left_out="digests")
    same(parts(moved / "run", f"folder:{moved / 'here'}", training=True), expected)
    assert "by their names alone" in capsys.readouterr().out
    evaluate_run(moved / "run", photos=f"folder:{moved / 'here'}")
    with np.load(moved / "run" / SPLIT) as kept:  # from now on they are found by content
        assert kept["digests_of_train"].tolist() == expected[0][1].tolist()


def test_of_exact_copies_each_is_found_under_its_name(made, tmp_path):
    shutil.copytree(made / "photos", tmp_path / "photos")
    first, second, *_ = sorted((tmp_path / "photos").iterdir())
    for folder in (first, second):
        shutil.copy(sorted((made / "photos").rglob("*.png"))[0], folder / "copy.png")
    source = f"folder:{tmp_path / 'photos'}"
    make_tiny_run(tmp_path / "run", steps=3, source=source, split="photo")
    expected = parts(tmp_path / "run")
    (tmp_path / "photos").rename(tmp_path / "elsewhere")
    same(parts(tmp_path / "run", f"folder:{tmp_path / 'elsewhere'}"), expected)
