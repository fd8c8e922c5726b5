"""Windows' ways, put in the place of this system's; and that one file alone knows of them."""

import ast
import errno
import os
import re
import subprocess
import sys
import threading
from pathlib import Path, PureWindowsPath

import numpy as np
import pytest

from reid_jax import platforms
from reid_jax.data.names import FileFinder
from reid_jax.errors import UserError
from reid_jax.files import write_text
from reid_jax.individuals.gallery.reference import stored_path
from reid_jax.individuals.gallery.store import write_gallery
from reid_jax.individuals.gallery.stored.reading import read_gallery
from reid_jax.individuals.split_file import _moved
from reid_jax.locks import locked, try_lock
from reid_jax.platforms import relative, replace, with_slashes
from reid_jax.training.lock import only_trainer
from reid_jax.training.paths import check_length
from reid_jax.training.plain_path import PlainPath, _is_plain
from tests.gallery_writer import numbered

PACKAGE = Path(platforms.__file__).parent
FORBIDDEN = re.compile(
    r"\b(fcntl|winapi|msvcrt|resource\b|pwd\b|sched_getaffinity|sysconf|pathconf|umask|geteuid|O_RDONLY"
    r"|O_DIRECTORY|sys\.platform|platform\.system|os\.(name|fork|exec\w*|kill|sep|fsync|replace)\b"
    r"|path\.sep|symlink_to|SIG[A-Z]+\b|/proc/)"
)
# What runs on other systems with less, or on clusters of Linux machines alone.
ALLOWED = {
    "commands/terminal.py": {"sys.platform", "os.execv"},  # huge pages, of Linux alone
    "data/names.py": {"os.sep"},  # where a path of this system begins
    "app/workers/demo_maker.py": {"SIGTERM"},  # raised in its own process, as Windows can
    "app/workers/trainer.py": {"SIGTERM"},
    "data/photos/folder.py": {"os.sep"},  # of what os.path.relpath returns
    "individuals/gallery/exchange/camtrap.py": {"resource"},  # a word of the standard
    "ops/convolution/onednn.py": {"platform.system"},  # XLA's own convolutions elsewhere
    "plan/memory.py": {"/proc/"},  # None where there is none
    "plan/process.py": {"SIGKILL"},  # the name, in a sentence
    "training/hosts/join.py": {"SIGTERM"},
    "training/signals.py": {"SIGTERM", "SIGINT"},  # signal.signal takes both on Windows
}


def code(path: Path) -> str:
    """Without comments and docstrings."""
    tree = ast.parse(path.read_text("utf-8"))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
            value = body[0].value
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                value.value = ""
    return ast.unparse(tree)


def test_one_file_alone_knows_what_systems_do_differently():
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        if name == "platforms.py":
            continue
        used = {match[0] for match in FORBIDDEN.finditer(code(path))}
        assert used <= ALLOWED.get(name, set()), f"{name} asks for {sorted(used)}"


class Windows:
    """The module os as Windows has it, as far as this program can tell."""

    name, sep = "nt", "\\"
    missing = ("pathconf", "sysconf", "sched_getaffinity", "fork", "O_DIRECTORY")

    def __getattr__(self, name):
        if name in self.missing:
            raise AttributeError(name)
        return getattr(os, name)

    def open(self, *arguments):
        raise PermissionError(errno.EACCES, "Windows opens no folders")

    def kill(self, process, number):
        raise AssertionError("on Windows this ends the process")


@pytest.fixture
def windows(monkeypatch):
    system = Windows()
    monkeypatch.setattr(platforms, "os", system)
    monkeypatch.setitem(sys.modules, "fcntl", None)  # import fcntl raises ImportError
    return system


@pytest.mark.parametrize("system", ["here", "windows"])
def test_files_locks_and_galleries_work_on_both(system, tmp_path, request):
    if system == "windows":
        request.getfixturevalue("windows")
    write_text(tmp_path / "file", "old")
    write_text(tmp_path / "file", "new")
    assert (tmp_path / "file").read_text() == "new"
    with try_lock(tmp_path / "lock") as first, try_lock(tmp_path / "lock") as second:
        assert first is not None
        assert second is None
        assert (tmp_path / "lock.held").exists() == (system == "windows")
    with locked(tmp_path / "lock", "waiting"):
        pass
    for number in (1, 2):
        write_gallery(tmp_path / "gallery", numbered(number))
    assert len(read_gallery(tmp_path / "gallery")) == len(numbered(2))
    with (
        only_trainer(tmp_path / "run"),
        pytest.raises(UserError, match="trained into"),
        only_trainer(tmp_path / "run"),
    ):
        pass
    check_length(tmp_path / "run")
    assert platforms.processors() >= 1
    assert (platforms.memory_bytes() is None) == (system == "windows")


def test_a_reader_that_has_the_old_file_open_is_waited_for(windows, tmp_path, monkeypatch):
    """As os.replace does on Windows, where a file that is open cannot be replaced."""
    refused = []
    closed = threading.Event()

    def held(source, target):
        if not closed.is_set():
            refused.append(target)
            closed.set()
            raise PermissionError(errno.EACCES, "Access is denied", str(target))
        os.replace(source, target)

    monkeypatch.setattr(Windows, "replace", staticmethod(held), raising=False)
    write_text(tmp_path / "file", "text")
    assert refused == [tmp_path / "file"]
    assert (tmp_path / "file").read_text() == "text"


@pytest.mark.parametrize("system", ["here", "windows"])
def test_a_refusal_that_lasts_is_told_and_leaves_the_old_file(
    system, tmp_path, monkeypatch, request
):
    tries = []

    def refuses(source, target):
        tries.append(target)
        raise PermissionError(errno.EACCES, "Access is denied", str(target))

    if system == "windows":
        request.getfixturevalue("windows")
        monkeypatch.setattr(Windows, "replace", staticmethod(refuses), raising=False)
    else:
        monkeypatch.setattr(os, "replace", refuses)
    monkeypatch.setattr(platforms, "_PATIENCE", 0.05)
    (tmp_path / "file").write_text("old")
    with pytest.raises(PermissionError, match="Access is denied"):
        write_text(tmp_path / "file", "new")
    assert (len(tries) > 1) == (system == "windows")
    assert (tmp_path / "file").read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


def test_a_gallery_that_may_not_be_read_is_not_called_damaged(tmp_path, monkeypatch):
    write_gallery(tmp_path / "gallery", numbered(1))

    def refuses(*arguments, **named):
        raise PermissionError(errno.EACCES, "Access is denied", "photos.parquet")

    monkeypatch.setattr(np, "load", refuses)
    with pytest.raises(UserError, match=r"photos.parquet cannot be read \(Access is denied\)"):
        read_gallery(tmp_path / "gallery")


def test_a_generation_that_goes_while_it_is_read_is_read_anew(tmp_path, monkeypatch):
    write_gallery(tmp_path / "gallery", numbered(1))
    real, refused = np.load, []

    def load(path, **options):
        if not refused:
            refused.append(path)
            write_gallery(tmp_path / "gallery", numbered(2))
            raise PermissionError(errno.EACCES, "being removed", str(path))
        return real(path, **options)

    monkeypatch.setattr(np, "load", load)
    assert len(read_gallery(tmp_path / "gallery")) == len(numbered(2))


def test_no_folder_is_opened_on_windows(windows, tmp_path):
    platforms.sync_folder(tmp_path)


@pytest.mark.parametrize("system", ["here", "windows"])
def test_nobody_is_killed_to_see_whether_he_lives(system, request):
    if system == "windows":
        request.getfixturevalue("windows")
    assert not platforms.has_ended(os.getpid())
    with subprocess.Popen([sys.executable, "-c", ""]) as done:
        done.wait()
    assert platforms.has_ended(done.pid) == (system == "here")


def test_where_links_need_an_administrator_a_junction_is_made(windows, tmp_path, monkeypatch):
    junctions = []

    class Winapi:
        CreateJunction = staticmethod(lambda source, link: junctions.append((source, link)))

    def refuses(*arguments, **named):
        raise OSError("A required privilege is not held by the client")

    monkeypatch.setitem(sys.modules, "_winapi", Winapi)
    monkeypatch.setattr(Path, "symlink_to", refuses)
    folder = tmp_path / "run [1]"
    folder.mkdir()
    plain = PlainPath(folder)
    assert junctions == [(str(folder), str(plain.path))]
    plain.close()


def test_a_drive_is_no_reason_for_a_link():
    assert _is_plain(PureWindowsPath(r"C:\Users\Ada Lovelace\runs\demo"))
    assert not _is_plain(PureWindowsPath(r"C:\Users\Zoë\runs"))


def test_stored_paths_have_slashes_whatever_the_system(windows, monkeypatch):
    assert with_slashes(r"C:\photos\Zoë\1.jpg") == "C:/photos/Zoë/1.jpg"
    assert stored_path(r"a\1.jpg").endswith("a/1.jpg")

    def fails(path, start):
        raise ValueError("path is on mount 'C:', start on mount 'D:'")

    class Paths:
        relpath = staticmethod(fails)

    monkeypatch.setattr(Windows, "path", Paths, raising=False)
    run = PureWindowsPath(r"C:\runs\mine")
    assert relative(run, PureWindowsPath(r"D:\gallery")) == "C:/runs/mine"


def test_here_a_backslash_in_a_name_stays(tmp_path):
    (tmp_path / "a\\b.jpg").touch()
    assert with_slashes("a\\b.jpg") == "a\\b.jpg"
    assert FileFinder(str(tmp_path)).find("a\\b.jpg") == str(tmp_path / "a\\b.jpg")
    assert relative(tmp_path / "x", tmp_path / "y") == "../x"


def test_a_run_from_windows_finds_its_photos_here():
    stored = {"C:/photos/ada/1.jpg", "C:/photos/zoë/2.jpg"}
    moved = _moved(stored, "folder:C:/photos", "folder:/data/photos")
    assert moved == {path: path.replace("C:", "/data") for path in stored}
    assert _moved({"/data/a/1.jpg"}, "csv:/data/m.csv", "csv:D:/x/m.csv") == {
        "/data/a/1.jpg": "D:/x/a/1.jpg"
    }


def test_replace_puts_one_in_the_others_place(tmp_path):
    (tmp_path / "a").write_text("a")
    (tmp_path / "b").write_text("b")
    replace(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").read_text() == "a"
    assert os.listdir(tmp_path) == ["b"]


@pytest.mark.parametrize("system", ["here", "windows"])
def test_who_stops_reading_is_no_error_and_a_bad_name_is(system, request):
    if system == "windows":
        request.getfixturevalue("windows")
    assert platforms.reader_left(BrokenPipeError())
    assert platforms.reader_left(OSError(errno.EINVAL, "argument")) == (system == "windows")
    assert not platforms.reader_left(OSError(errno.EINVAL, "argument", "a?b"))
    assert not platforms.reader_left(OSError(errno.ENOSPC, "full"))
    assert not platforms.reader_left(UserError("no"))
