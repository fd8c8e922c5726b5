"""What is published is built, installed in an empty environment elsewhere, and used there."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reid_jax.data.photos import load_dataset
from tests.paths import REPOSITORY

SOURCES = ("reid_jax", "configs", "pyproject.toml", "README.md", "LICENSE")
NOT_OURS = shutil.ignore_patterns("__pycache__", "*.egg-info")

pytestmark = pytest.mark.exhaustive


def run(*command, **options) -> str:
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False, **options
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """A folder with a wheel and an sdist: those of `make release`, else of what is here."""
    if given := os.environ.get("REID_JAX_DIST"):
        return Path(given).resolve()
    folder = tmp_path_factory.mktemp("build")
    for name in SOURCES:
        source, target = REPOSITORY / name, folder / "source" / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=NOT_OURS)
        else:
            shutil.copy(source, target)
    run(sys.executable, "-m", "build", "--outdir", folder / "dist", folder / "source")
    return folder / "dist"


def one(folder: Path, pattern: str) -> Path:
    (file,) = folder.glob(pattern)
    return file


def test_the_files_are_what_the_package_index_takes(built):
    run(sys.executable, "-m", "twine", "check", "--strict", *built.iterdir())


def test_the_wheel_holds_the_package_and_its_configurations_alone(built):
    with zipfile.ZipFile(one(built, "*.whl")) as wheel:
        files = {name for name in wheel.namelist() if ".dist-info/" not in name}
    here = {
        path.relative_to(REPOSITORY).as_posix()
        for kind in (
            "*.py",
            "*.cc",
            "*.toml",
            "*.npz",
            "*.json",
            "py.typed",
            "static/*",
            "templates/*",
            "camtrap_dp/*",
        )
        for path in (REPOSITORY / "reid_jax").rglob(kind)
    }
    configs = {f"reid_jax/configs/{path.name}" for path in (REPOSITORY / "configs").glob("*.py")}
    assert files == here | configs
    with tarfile.open(one(built, "*.tar.gz")) as sdist:
        inside = {name.partition("/")[2] for name in sdist.getnames()}
    assert here | {"LICENSE", "README.md", "pyproject.toml", "configs/demo.py"} <= inside


def test_installed_elsewhere_it_does_what_readme_begins_with(built, tmp_path):
    run(sys.executable, "-m", "venv", tmp_path / "installed")
    programs = tmp_path / "installed" / "bin"
    alone = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    run(programs / "pip", "install", "--quiet", one(built, "*.whl"), env=alone)
    work = tmp_path / "work"
    drawn = load_dataset("synthetic:6x4")
    for pixels, label, name in zip(drawn.pixels, drawn.labels, range(24), strict=True):
        photo = work / "photos" / drawn.identities[label] / f"{name}.png"
        photo.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.squeeze(pixels)).save(photo)
    new = work / "new.png"
    shutil.copy(photo, new)
    kept = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "TF_CPP_MIN_LOG_LEVEL": "2"}

    def reid_jax(*words) -> str:
        return run(programs / "reid-jax", *words, cwd=work, env=kept)

    where = "import reid_jax; print(reid_jax.__file__)"
    assert str(tmp_path) in run(programs / "python", "-c", where, cwd=work, env=kept)
    assert "demo" in reid_jax("train")
    reid_jax("train", "demo", "--workdir", "x", "--train.steps", "60")
    assert (work / "x" / "report" / "index.html").is_file()
    reid_jax("evaluate", "x")
    reid_jax("embed", "x", "folder:photos", "--out", "embeddings.npz")
    with np.load(work / "embeddings.npz") as file:
        assert file["embeddings"].shape[0] == len(file["paths"]) == 24
    reid_jax("gallery", "build", "x", "folder:photos", "--out", "gallery")
    reid_jax("gallery", "identify", "gallery", "new.png", "--json", "answers.json")
    (answer,) = json.loads((work / "answers.json").read_text())["photos"]
    assert answer["photo"] == "new.png"
    assert answer["candidates"][0]["score"] == pytest.approx(1, abs=1e-4)
