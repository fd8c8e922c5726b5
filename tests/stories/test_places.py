"""Where things are: the home folder and none, the program's own folder after a move."""

import os
import pwd
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from reid_jax import files, platforms
from reid_jax.commands.arguments import call
from reid_jax.errors import UserError
from reid_jax.training.paths import absolute_photos
from tests.paths import REPOSITORY


@dataclass(frozen=True)
class Inner:
    file: Path = Path("nothing")


@dataclass(frozen=True)
class Settings:
    inner: Inner = field(default_factory=Inner)


DEFAULTS = Settings()


def test_the_home_folder_is_meant_wherever_a_path_is_taken(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    got = []

    def main(
        place: Path,
        more: tuple[Path, ...] = (),
        none: Path | None = None,
        s: Settings = Settings(),
    ) -> None:
        got.append((place, more, none, s.inner.file))

    call(main, ["--place=~/x", "--more", "~", "a~b", "--s.inner.file=~/y"])
    call(main, ["--place=./~/x", "--none=~/n"])
    assert got[0] == (tmp_path / "x", (tmp_path, Path("a~b")), None, tmp_path / "y")
    assert got[1] == (Path("~/x"), (), tmp_path / "n", Path("nothing"))
    assert absolute_photos("folder:~/photos") == f"folder:{tmp_path / 'photos'}"
    with pytest.raises(UserError, match="~nobody-of-this-name/x begins with a home folder that is"):
        files.expanded("~nobody-of-this-name/x")


def without_a_home(monkeypatch):
    def unknown(_):
        raise KeyError("uid not found")

    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)  # as in a container for another user


@pytest.fixture(autouse=True)
def forgotten():
    files._cache.cache_clear()
    yield
    files._cache.cache_clear()


def test_without_a_home_folder_nothing_is_kept_and_one_line_says_so(monkeypatch, capsys):
    without_a_home(monkeypatch)
    folder = files.cache_folder("xla")
    folder.mkdir(parents=True)  # of use as long as this process lives
    assert files.cache_folder("native").parent == folder.parent
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "there is no home folder: nothing is kept for the next time (XDG_CACHE_HOME says where)"
    ]
    shutil.rmtree(folder.parent.parent)
    with pytest.raises(UserError, match="begins with a home folder that is not known"):
        files.expanded("~/x")


def test_matplotlib_does_not_say_so_again():
    code = """
import pathlib
def home(*_):
    raise RuntimeError
pathlib.Path.home = home
from reid_jax import files, platforms
files.cache_folder("xla")
import matplotlib.font_manager
"""
    ours = ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "MPLCONFIGDIR")
    environment = {name: value for name, value in os.environ.items() if name not in ours}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert len(done.stderr.splitlines()) == 1, done.stderr


def test_a_home_that_is_no_folder_is_none(monkeypatch, tmp_path, capsys):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file" / "cache"))
    assert tmp_path not in files.cache_folder("xla").parents
    assert "cannot be written to: nothing is kept" in capsys.readouterr().err
    files._cache.cache_clear()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert files.cache_folder("xla") == tmp_path / "cache" / "reid_jax" / "xla"
    assert not (tmp_path / "cache").exists()


def test_memory_is_unknown_where_the_system_does_not_say(monkeypatch):
    assert platforms.memory_bytes() >= platforms.memory_bytes(free=True) > 0
    monkeypatch.delattr("os.sysconf")  # as on Windows
    assert platforms.memory_bytes() is None


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not there")
@pytest.mark.parametrize("environment", [".venv", ".venv-peers"])
def test_make_notices_that_the_folder_was_moved(tmp_path, environment):
    target = "setup" if environment == ".venv" else "peers"
    before = tmp_path / "here it was"
    for name in ("pyproject.toml", "scripts/bench/peers/requirements.txt"):
        (before / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / name, before / name)
    shutil.copy(REPOSITORY / "Makefile", before)
    (before / environment / "bin").mkdir(parents=True)
    activate = before / environment / "bin" / "activate"
    activate.write_text(f'VIRTUAL_ENV="{before / environment}"\n')
    (before / environment / "installed").touch()

    def plan(folder):
        command = ["make", "--dry-run", target]
        return subprocess.run(
            command, cwd=folder, capture_output=True, text=True, check=True
        ).stdout

    assert "venv" not in plan(before).replace("Nothing", "")
    after = before.rename(tmp_path / "here it is")
    assert f"-m venv --clear {environment}" in plan(after)
    (after / environment / "bin" / "activate").write_text(f"VIRTUAL_ENV={after / environment}\n")
    assert "venv" not in plan(after)
