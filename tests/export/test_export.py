"""A run, out of JAX: what lies in the folder, what it says, and what is refused."""

import dataclasses
import json
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

import reid_jax as rj
from reid_jax.data.photos.images import read_image
from reid_jax.errors import UserError
from reid_jax.export import check
from reid_jax.export.engines.table import NAMES, engine
from reid_jax.export.folder import export
from reid_jax.export.pictures import drawn, drawn_photos
from reid_jax.export.program import Known, Program
from reid_jax.individuals import example
from tests.tiny_run import make_tiny_run

onnxruntime = pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")

IN_THE_FOLDER = {
    *("model.json", "README.md", "example.py", "reference.npz", "one.png", "two.png"),
}


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    return make_tiny_run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def model(workdir):
    """With views and a whitening of its own."""
    run = rj.load(workdir)
    config = dataclasses.replace(
        run.config,
        model=dataclasses.replace(run.config.model, views=2, whiten=0.5),
        augment=rj.Augmentation(crop=0.3, rotation=15.0, hue=0.03, erasing=0.5, flip=True),
    )
    return dataclasses.replace(run, config=config)


def sums(rows: jax.Array) -> dict[str, jax.Array]:
    return {"embedding": rows.astype(jnp.float32).sum((1, 2))}


def program(answers) -> Program:
    rows = np.stack([np.asarray(p.convert("RGB").resize((8, 8))) for p in drawn_photos()])
    facts = {"distance": "cosine"}
    return Program(sums, "image", rows, answers, True, facts, "reid_jax.individuals.example")


@pytest.fixture(scope="module")
def written(model, tmp_path_factory):
    """The folder, with a gallery of two."""
    out = tmp_path_factory.mktemp("out") / "exported"
    photos = [np.asarray(drawn(0, 160, 120)), np.asarray(drawn(5, 90, 90))]
    known = Known(model.embed(photos), np.array(["ann", "bob"]), 0.99, model.fingerprint)
    return model.export("onnx", out, gallery=known), model


def test_the_folder_says_what_is_in_it(written):
    folder, _ = written
    assert {path.name for path in folder.iterdir()} == IN_THE_FOLDER | {"model.onnx", "gallery.npz"}
    facts = json.loads((folder / "model.json").read_text())
    assert facts["input"]["shape"] == ["N", 24, 24, 3]
    assert facts["outputs"] == [{"name": "embedding", "dtype": "float32", "shape": ["N", 8]}]
    assert facts["whitened"]
    assert facts["views"] == 2
    assert facts["thresholds"]["unknown"] == 0.99
    assert max(facts["checked"]["differences"].values()) < 1e-4
    assert set(facts["sha256"]) == {path.name for path in folder.iterdir()} - {"model.json"}
    assert len((folder / "README.md").read_text().splitlines()) <= 10


def test_a_photo_has_one_vector_in_every_batch_and_it_is_the_runs(written):
    folder, model = written
    ask = engine("onnx").opened(folder, json.loads((folder / "model.json").read_text()))
    with np.load(folder / "reference.npz") as kept:
        photos, expected = kept["image"], kept["embedding"]
    for count in (1, 3, 8):
        np.testing.assert_allclose(ask(photos[:count])["embedding"], expected[:count], atol=1e-5)
    np.testing.assert_allclose(model.embed(list(photos)), expected, atol=1e-5)


def test_the_example_names_whom_it_knows(written):
    folder, model = written
    done = subprocess.run(
        [sys.executable, folder / "example.py"], capture_output=True, text=True, check=True
    )
    lines = done.stdout.splitlines()
    z = model.embed([folder / "one.png", folder / "two.png"])
    assert lines[0] == f"one.png and two.png: cosine {(z[0] * z[1]).sum():.3f}"
    assert lines[1] == "one.png: ann (1.000)"
    assert lines[2].startswith("two.png: ")


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "P", "LA"])
@pytest.mark.parametrize("orientation", [1, 3, 6, 7])
def test_the_example_reads_photos_as_the_run_does(tmp_path, mode, orientation):
    image = drawn(3, 97, 131).convert(mode)
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = tmp_path / ("photo.png" if mode != "RGB" else "photo.jpg")
    image.save(file, exif=exif)
    for size, channels in ((24, 3), (31, 1)):
        found = example.pixels(file, size, channels)
        np.testing.assert_array_equal(found, read_image(str(file), size, channels))


def test_stablehlo_needs_nothing_of_this_package(model, tmp_path):
    folder = model.export("stablehlo", tmp_path / "out")
    code = f"""
import sys
import jax
import numpy as np
with np.load({str(folder / "reference.npz")!r}) as kept:
    photos, expected = kept["image"], kept["embedding"]
with open({str(folder / "model.stablehlo")!r}, "rb") as file:
    program = jax.export.deserialize(bytearray(file.read()))
found = program.call(photos)["embedding"]
assert program.platforms == ("cpu", "cuda", "tpu") and "reid_jax" not in sys.modules
assert abs(found - expected).max() < 1e-5
"""
    code = code.replace("import jax\n", "import jax\nimport jax.export\n")
    subprocess.run([sys.executable, "-c", code], check=True, env={"JAX_PLATFORMS": "cpu"})


def test_what_disagrees_is_not_written(tmp_path):
    wrong = program(lambda rows: {"embedding": np.asarray(sums(rows)["embedding"]) * 1.001})
    with pytest.raises(UserError, match=r"On 1 rows the engine differs from JAX by 1\.0e-03"):
        export(wrong, "onnx", tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_written_leaves_nothing(tmp_path, monkeypatch):
    right = program(lambda rows: {"embedding": np.asarray(sums(rows)["embedding"])})

    def full(*given):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("reid_jax.export.folder.write_arrays", full)
    with pytest.raises(OSError, match="No space"):
        export(right, "onnx", tmp_path / "deep" / "out")
    assert not list((tmp_path / "deep").iterdir())


def test_what_is_there_stays(model, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match="holds something already"):
        model.export("onnx", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_what_is_refused(model, tmp_path, monkeypatch):
    stranger = Known(np.zeros((1, 8), np.float32), np.array(["ann"]), None, "another")
    with pytest.raises(UserError, match="built with another network"):
        model.export("onnx", tmp_path / "out", gallery=stranger)
    with pytest.raises(UserError, match="--batch is -1"):
        model.export("onnx", tmp_path / "out", batch=-1)
    with pytest.raises(UserError, match="no engine tensorrt; there are onnx, openvino"):
        engine("tensorrt")
    monkeypatch.setattr("reid_jax.export.engines.engine.version", lambda package: "1.9.2")
    with pytest.raises(UserError, match=r"needs onnx 1\.17 or newer, not 1\.9\.2"):
        model.export("onnx", tmp_path / "out")
    monkeypatch.setattr("importlib.util.find_spec", lambda module: None)
    with pytest.raises(UserError, match=r"needs onnx: pip install 'reid-jax\[onnx\]'"):
        model.export("onnx", tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_a_fixed_batch_is_filled_up(tmp_path):
    right = program(lambda rows: {"embedding": np.asarray(sums(rows)["embedding"])})
    folder = export(right, "onnx", tmp_path / "out", batch=4)
    facts = json.loads((folder / "model.json").read_text())
    assert facts["input"]["shape"] == [4, 8, 8, 3]
    done = subprocess.run(
        [sys.executable, folder / "example.py"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("one.png and two.png: cosine ")


@pytest.mark.parametrize("to", ["openvino", "litert"])
def test_other_engines_agree_with_views_and_whitening(model, tmp_path, to):
    try:
        engine(to)
    except UserError as error:
        pytest.skip(str(error))
    folder = model.export(to, tmp_path / "out", batch=4 if to == "litert" else 0)
    facts = json.loads((folder / "model.json").read_text())
    assert set(facts["checked"]["differences"]) == {"1", "3", "8"}
    done = subprocess.run(
        [sys.executable, folder / "example.py"], capture_output=True, text=True, check=True
    )
    z = model.embed([folder / "one.png", folder / "two.png"])
    assert done.stdout.splitlines() == [f"one.png and two.png: cosine {(z[0] * z[1]).sum():.3f}"]


def test_litert_takes_one_number_of_frames(tmp_path):
    film = dataclasses.replace(program(lambda rows: {}), apart=False)
    try:
        engine("litert")
    except UserError as error:
        pytest.skip(str(error))
    with pytest.raises(UserError, match="one number of frames; say which with --batch"):
        export(film, "litert", tmp_path / "out")


def test_differences_are_of_the_largest_output():
    right = {"z": np.array([2.0, -4.0])}
    assert check.difference({"z": np.array([2.0, -4.4])}, right) == pytest.approx(0.1)
    assert check.difference({"z": np.array([2.0, np.nan])}, right) == float("inf")
    assert check.difference({"z": np.zeros(3)}, right) == float("inf")


def test_every_engine_is_there():
    assert set(NAMES) == {"onnx", "openvino", "litert", "stablehlo"}
