"""Files are written whole, for whom the system says may change them, and one process at a time."""

import contextlib
import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from reid_jax.errors import UserError, all_written, said_unless_written
from reid_jax.files import atomic_write, check_destinations, write_arrays, write_text

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def umask():
    """Sets it; afterwards it is what it was."""
    before = os.umask(0o022)
    yield os.umask
    os.umask(before)


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize(("mask", "expected"), [(0o022, 0o644), (0o002, 0o664), (0o077, 0o600)])
def test_a_file_has_the_mode_that_the_umask_leaves(tmp_path, umask, mask, expected):
    umask(mask)
    write_text(tmp_path / "file", "text")
    assert mode(tmp_path / "file") == expected


def test_in_a_folder_that_a_group_shares_the_group_may_change_it(tmp_path, umask):
    umask(0o022)
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o2775)
    write_text(shared / "file", "text")
    write_text(shared / "in" / "folders" / "file", "text")
    assert mode(shared / "file") == mode(shared / "in" / "folders" / "file") == 0o664
    assert mode(shared / "in") == mode(shared / "in" / "folders") == 0o2775


def test_what_breaks_off_leaves_the_old_file_alone(tmp_path):
    write_text(tmp_path / "file", "old")
    with contextlib.suppress(KeyboardInterrupt), atomic_write(tmp_path / "file") as file:
        file.write(b"half")
        raise KeyboardInterrupt
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "old"


@pytest.mark.parametrize("name", ["x" * 255, "☃" * 85])
def test_the_longest_names_can_be_written(tmp_path, name):
    write_text(tmp_path / name, "text")
    assert (tmp_path / name).read_text() == "text"


@pytest.mark.parametrize("folder", [False, True])
@pytest.mark.parametrize(
    ("place", "why"),
    [
        ("notes.txt/out", "notes.txt is a file, not a folder"),
        ("notes.txt/deep/er/out", "notes.txt is a file, not a folder"),
        ("x" * 256, "File name too long"),
        (f"{'x' * 256}/out", "File name too long"),
    ],
)
def test_where_nothing_can_be_written_is_one_sentence(tmp_path, place, why, folder):
    (tmp_path / "notes.txt").write_text("mine")
    named = {"folder": tmp_path / place} if folder else {}
    with pytest.raises(UserError) as raised:
        check_destinations(*([] if folder else [tmp_path / place]), **named)
    assert f"{tmp_path / place} cannot be written to (" in str(raised.value)
    assert why in str(raised.value)
    assert os.listdir(tmp_path) == ["notes.txt"]


def test_a_folder_that_may_not_be_changed_is_one_sentence(tmp_path):
    refused = tmp_path / "refused"
    refused.mkdir()
    code = (
        "import os, sys; from pathlib import Path; from reid_jax.files import check_destinations\n"
        "if os.geteuid() == 0: os.setuid(65534)\n"
        "check_destinations(Path(sys.argv[1]))"
    )
    refused.chmod(0o500)
    tmp_path.chmod(0o755)
    found = subprocess.run(
        [sys.executable, "-c", code, "refused/out.json"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "refused/out.json cannot be written to (Permission denied)" in found.stderr


def test_a_folder_is_no_file_and_a_file_no_folder(tmp_path):
    with pytest.raises(UserError, match="is a folder; name a file"):
        check_destinations(tmp_path)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UserError, match="file is a file, not a folder"):
        check_destinations(folder=tmp_path / "file")


def test_two_files_are_not_one(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(UserError, match="Two things cannot be written to one file"):
        check_destinations(tmp_path / "x", None, tmp_path / "a" / ".." / "x")


def test_looking_at_what_can_be_written_leaves_everything_as_it_is(tmp_path):
    (tmp_path / "old").write_text("old")
    check_destinations(tmp_path / "old", None, tmp_path / "new" / "er" / "file")
    check_destinations(folder=tmp_path / "of" / "its" / "own")
    assert (tmp_path / "old").read_text() == "old"
    assert [path.name for path in tmp_path.rglob("*")] == ["old"]


def test_what_is_no_file_is_written_to_as_it_is(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE, text=True) as reader:
        check_destinations(pipe)
        write_text(pipe, "text")
        assert reader.communicate()[0] == "text"
    write_text(Path("/dev/null"), "text")
    assert Path("/dev/null").is_char_device()
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_disk_that_is_full_is_named_with_the_file(tmp_path):
    """The system names a file when it is opened, but not when it is written."""
    with pytest.raises(OSError, match="No space left") as raised, atomic_write(tmp_path / "new"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert raised.value.filename == str(tmp_path / "new")
    assert not list(tmp_path.iterdir())
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError) as raised:
        write_text(tmp_path / "folder", "text")
    assert raised.value.filename == str(tmp_path / "folder")  # not that of a file beside it
    with pytest.raises(FileNotFoundError) as raised, atomic_write(tmp_path / "new"):
        (tmp_path / "absent").read_bytes()
    assert raised.value.filename == str(tmp_path / "absent")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has one")
def test_a_full_device_is_named():
    with pytest.raises(OSError, match="No space left on device: '/dev/full'"):
        write_text(Path("/dev/full"), "text")
    with pytest.raises(OSError, match="No space left on device: '/dev/full'"):
        write_arrays(Path("/dev/full"), {"a": np.zeros(10**5)})


def refused(*names):
    for name in names:
        with said_unless_written(name):
            raise OSError("full")


def test_what_cannot_be_written_is_an_error_at_the_end(capsys):
    with pytest.raises(UserError, match=r"^a cannot be .*full\)\. b cannot be"), all_written():
        refused("a", "b")
    assert capsys.readouterr().out == ""


def test_what_cannot_be_written_is_said_where_another_error_ends_all(capsys):
    def ends_in_error():
        refused("a")
        raise KeyError

    with pytest.raises(KeyError), all_written():
        ends_in_error()
    assert capsys.readouterr().out == "a cannot be written (full).\n"
    refused("b")
    assert capsys.readouterr().out == "b cannot be written (full).\n"
