"""What was exported runs where neither JAX nor this package is: an engine, NumPy and Pillow."""

import json
import shutil
import subprocess
import sys
import venv

import pytest

import reid_jax as rj
from tests.export.test_films import scorer, similarity
from tests.tiny_run import make_tiny_run

pytestmark = pytest.mark.exhaustive
pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """The interpreter of an environment with the engine alone."""
    folder = tmp_path_factory.mktemp("alone")
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    needed = ["onnxruntime", "numpy", "pillow"]
    subprocess.run([python, "-m", "pip", "install", "--quiet", *needed], check=True)
    return python


def test_every_example_runs_without_jax(python, tmp_path):
    runs = {
        "photos": rj.load(make_tiny_run(tmp_path / "run")),
        "frames": scorer(ridge=1.0),
        "films": scorer("small_cnn"),
        "clips": similarity(),
    }
    for name, run in runs.items():
        moved = shutil.move(run.export("onnx", tmp_path / name), tmp_path / f"{name} elsewhere")
        done = subprocess.run(
            [python, "-I", f"{moved}/example.py"], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout
    for module in ("jax", "reid_jax"):
        assert subprocess.run([python, "-Ic", f"import {module}"], capture_output=True).returncode


def test_the_engines_beside_everything_else_leave_orbax_where_it_is():
    """All extras resolve together, to the checkpoints' library that there is without them."""

    def resolved(*extras: str) -> str:
        words = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed"]
        words += ["--quiet", "--report", "-", f".[{','.join(extras)}]"]
        done = subprocess.run(words, capture_output=True, text=True, check=True)
        packages = json.loads(done.stdout)["install"]
        found = {each["metadata"]["name"]: each["metadata"]["version"] for each in packages}
        return found["orbax-checkpoint"]

    assert resolved("all", "onnx", "openvino", "litert") == resolved("all")
