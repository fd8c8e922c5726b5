"""A network in 8-bit integers: what it is worth beside float32, what is said, what is refused."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import reid_jax as rj
from reid_jax.errors import UserError
from reid_jax.export.engines.table import engine
from reid_jax.export.int8 import made, openvino
from reid_jax.export.int8.table import quantiser
from reid_jax.export.trial import Trial
from tests.export.test_films import scorer, similarity
from tests.tiny_run import make_tiny_run

pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return rj.load(make_tiny_run(tmp_path_factory.mktemp("run")))


def installed(to: str) -> None:
    try:
        engine(to)
        quantiser(to)
    except UserError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("to", ["onnx", "openvino", "litert"])
def test_a_run_in_8_bits_says_what_that_costs(model, tmp_path, capsys, to):
    installed(to)
    batch = 4 if to == "litert" else 0
    folder = model.export(to, tmp_path / "out", int8=True, calibrate_with=24, batch=batch)
    printed = capsys.readouterr().out
    facts = json.loads((folder / "model.json").read_text())
    found = facts["int8"]
    assert found["calibrated_with"] == "24 photos of the training"
    assert found["judged_on"] == "the run's test photos"
    assert set(found["float32"]["measures"]) == {"Rank-1", "mAP"}
    assert found["float32"]["bytes"] > found["int8"]["bytes"] > 0
    assert set(found["faster"]) == {"1", "8"}
    assert 0.5 < found["agreement"] <= 1
    files = engine(to).files
    size = sum((folder / file).stat().st_size for file in files)
    assert size == found["int8"]["bytes"]  # it is the 8-bit one that lies there
    lying = {path.name for path in folder.iterdir()}
    assert lying == {*files, *facts["sha256"], "model.json"}
    readme = (folder / "README.md").read_text()
    table = [line for line in readme.splitlines() if line.startswith("| int8 |")]
    assert len(table) == 1
    assert table[0] in printed
    done = subprocess.run(
        [sys.executable, folder / "example.py"], capture_output=True, text=True, check=True
    )
    z = model.embed([folder / "one.png", folder / "two.png"])
    assert float(done.stdout.split()[-1]) == pytest.approx(float((z[0] * z[1]).sum()), abs=0.15)


def test_photos_are_calibrated_with_that_somebody_names(model, tmp_path):
    for number in range(20):
        Image.fromarray(np.random.default_rng(number).integers(0, 255, (30, 30, 3), np.uint8)).save(
            tmp_path / f"{number}.png"
        )
    trial = model.trial(f"folder:{tmp_path}", 18)
    assert trial.about == f"18 photos of folder:{tmp_path}"
    assert sum(map(len, trial.calibration)) == 18
    assert trial.judged_on == "the run's test photos"


def test_films_are_calibrated_with_features_and_frames(tmp_path):
    with pytest.raises(UserError, match=r"Name videos to calibrate with: --calibrate FILE\.h5"):
        scorer().trial("", 300)
    with pytest.raises(UserError, match="Name videos to calibrate with"):
        similarity().trial("", 300)
    with pytest.raises(UserError, match="is not there; name an H5 file, a film"):
        scorer().trial(str(tmp_path / "none.mp4"), 300)


def test_a_film_in_8_bits(tmp_path, monkeypatch):
    """Of a run whose videos are gone: nothing is judged, and that is said."""
    rng = np.random.default_rng(3)
    films = [rng.normal(size=(30, 12)).astype(np.float32) for _ in range(4)]
    monkeypatch.setattr("reid_jax.keyframes.model.rows_of", lambda *given: films)
    folder = scorer().export("onnx", tmp_path / "out", int8=True, calibrate="films.h5")
    found = json.loads((folder / "model.json").read_text())["int8"]
    assert found["calibrated_with"] == "120 frames of 4 films of films.h5"
    assert found["judged_on"] == "nothing: the run's videos are not here"
    assert found["agreement"] is None
    assert found["float32"]["measures"] == {}
    assert found["errors"]["none"] < 1


def test_what_is_refused(model, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(UserError, match="There is no int8 for stablehlo; there is for onnx"):
        model.export("stablehlo", out, int8=True)
    with pytest.raises(UserError, match="--calibrate says by what 8-bit integers are made"):
        model.export("onnx", out, calibrate="synthetic:9x9")
    with pytest.raises(UserError, match=r"6 photos of synthetic:3x2 to calibrate with are too few"):
        model.export("onnx", out, int8=True, calibrate="synthetic:3x2")
    with pytest.raises(UserError, match=r"clip\.mp4"):
        model.export("onnx", out, int8=True, calibrate="clip.mp4")
    gone = rj.load(make_tiny_run(tmp_path / "run", source="synthetic:12x6"))
    gone = gone.with_photos_at(f"folder:{tmp_path / 'nowhere'}")
    with pytest.raises(UserError, match="Name photos to calibrate with: --calibrate folder:PHOTOS"):
        gone.export("onnx", out, int8=True)
    assert not out.exists()


def facts(**changes) -> dict:
    wide = {"bytes": 8e6, "milliseconds": {1: 2.0, 8: 10.0}, "measures": {"Rank-1": 0.8}}
    small = {"bytes": 2e6, "milliseconds": {1: 1.0, 8: 12.5}, "measures": {"Rank-1": 0.79}}
    return {
        **{"calibrated_with": "300 photos", "judged_on": "test photos", "kept": []},
        **{"float32": wide, "int8": small, "faster": {1: 2.0, 8: 0.8}, "agreement": 0.975},
        **changes,
    }


def test_what_is_worse_is_said():
    text = "\n".join(made.lines(facts(), "ONNX"))
    assert "| int8 | 2.0 | 1.0 | 12.5 | 0.790 |" in text
    assert "int8 is 4.0 times smaller" in text
    assert "int8 is slower than float32 in ONNX here: 1.25 times at 8." in text
    assert "int8 loses 0.010 of Rank-1." in text
    assert "The first answer is the same for 97.5%." in text
    better = facts(faster={1: 2.0, 8: 1.8}, kept=["first", "last"])
    better["int8"] = {**better["int8"], "measures": {"Rank-1": 0.799}}
    text = "\n".join(made.lines(better, "ONNX"))
    assert "slower" not in text
    assert "loses" not in text
    assert "In float32 stays, as that helps, the first layer and the last layer." in text


def test_what_changes_is_a_part_of_what_differs():
    """|found - expected| over |expected - mean|, of both outputs the larger one."""
    rng = np.random.default_rng(0)
    right = [{"a": rng.normal(size=(3, 2)) + 5, "b": rng.normal(size=4)} for _ in range(2)]
    found = [{name: rows + 0.1 for name, rows in each.items()} for each in right]
    worst = 0.0
    for name in ("a", "b"):
        rows = np.concatenate([each[name] for each in right])
        spread = np.sqrt(np.sum((rows - rows.mean(axis=0)) ** 2))
        worst = max(worst, np.sqrt(0.01 * rows.size) / spread)
    assert made.changed(found, right) == pytest.approx(worst)
    assert made.changed(right, right) == 0


def test_layers_are_kept_where_that_helps(tmp_path):
    """Each layer in 8 bits adds an error of its own; the last one's is not worth keeping."""
    costs = {"first": 0.5, "last": 0.01}

    def write(place: Path, kept) -> None:
        (place / "cost").write_text(str(sum(c for layer, c in costs.items() if layer not in kept)))

    def opened(place: Path):
        cost = float((place / "cost").read_text())
        return lambda rows: {"z": rows * (1 + cost)}

    calls = [np.random.default_rng(n).normal(size=(8, 3)) for n in range(4)]
    kept, errors, place = made._with_kept(tmp_path, write, opened, lambda rows: {"z": rows}, calls)
    assert kept == ("first",)
    assert set(errors) == {(), ("first",), ("last",)}
    assert place == tmp_path / "first"
    costs["first"] = 0.02
    (tmp_path / "again").mkdir()
    kept, errors, _ = made._with_kept(
        tmp_path / "again", write, opened, lambda rows: {"z": rows}, calls
    )
    assert (kept, set(errors)) == ((), {()})  # what is good enough is left as it is


def test_calls_have_the_size_that_a_program_has():
    photos = [np.arange(5)[:, None], np.arange(5, 7)[:, None]]
    cut = made._of_size(photos, 4, True)
    np.testing.assert_array_equal(np.concatenate(cut)[:7, 0], np.arange(7))
    assert [len(each) for each in cut] == [4, 4]
    films = [np.arange(9)[:, None], np.arange(3)[:, None]]
    assert [each[:, 0].tolist() for each in made._of_size(films, 4, False)] == [
        [0, 1, 2, 3],
        [4, 5, 6, 7],
    ]
    assert made._of_size(films[1:], 4, False)[0][:, 0].tolist() == [0, 1, 2, 2]


def test_nncf_gets_calls_of_one_length():
    photos = [np.zeros((8, 2)), np.zeros((8, 2)), np.zeros((4, 2))]
    assert [len(each) for each in openvino._of_one_length(photos)] == [8, 8]
    films = [np.zeros((30, 2)), np.zeros((20, 2)), np.zeros((25, 2))]
    assert [len(each) for each in openvino._of_one_length(films)] == [20, 20, 20]


def test_frames_that_are_too_few_say_so():
    with pytest.raises(
        UserError, match=r"5 frames of a film to calibrate with are too few: .* at least 16"
    ):
        Trial([np.zeros((5, 12))], "5 frames of a film", (), "", lambda answers: ({}, np.zeros(0)))
