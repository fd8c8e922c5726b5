"""Files are written whole, for whom the system says may change them, and one process at a time."""

import contextlib
import os
import stat

import pytest

from reid_jax.files import atomic_write, write_text


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
    assert mode(shared / "file") == 0o664


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
