"""One process at a time, with and without locks of the system."""

import errno
import fcntl
import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from reid_jax import locks
from reid_jax.errors import UserError
from reid_jax.individuals.gallery.store import write_gallery
from reid_jax.individuals.gallery.stored.layout import is_gallery
from reid_jax.individuals.gallery.stored.reading import read_gallery
from reid_jax.locks import locked, try_lock
from reid_jax.training.lock import only_trainer
from tests.gallery_writer import numbered
from tests.paths import REPOSITORY


def test_who_waits_for_a_lock_says_so_and_gets_it(tmp_path):
    program = (
        "from pathlib import Path; import reid_jax.locks as locks\n"
        "locks._PATIENCE = 0\n"
        f"with locks.locked(Path({str(tmp_path / 'lock')!r}), 'waiting for the other one'):\n"
        "    print('has it')"
    )
    with locked(tmp_path / "lock", "nobody else is there"):
        process = subprocess.Popen(
            [sys.executable, "-u", "-c", program], stdout=subprocess.PIPE, text=True, cwd=REPOSITORY
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "waiting for the other one\n"
    assert process.communicate()[0] == "has it\n"


@pytest.fixture(params=["ENOSYS", "ENOLCK", "EOPNOTSUPP"])
def no_locks(request, monkeypatch):
    """A disk on which flock fails, as on Lustre and NFS."""
    without_locks(monkeypatch, getattr(errno, request.param))


def without_locks(monkeypatch, number: int) -> None:
    def fails(descriptor: int, operation: int) -> None:
        del descriptor, operation
        raise OSError(number, "no locks here")

    monkeypatch.setattr(fcntl, "flock", fails)


HOLDER = """
import errno, fcntl, sys
from pathlib import Path
from reid_jax.locks import try_lock

def fails(descriptor, operation):
    raise OSError(errno.ENOLCK, "no locks here")

fcntl.flock = fails
with try_lock(Path(sys.argv[1])) as file:
    print(file is not None, flush=True)
    sys.stdin.readline()
"""


def holder(path: Path) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
    )


def is_free(path: Path) -> bool:
    with try_lock(path) as file:
        return file is not None


@pytest.mark.parametrize("no_locks", ["ENOLCK"], indirect=True)
@pytest.mark.parametrize("end", ["kill", "well"])
def test_without_locks_a_file_names_the_owner_and_a_dead_one_owns_nothing(no_locks, tmp_path, end):
    path = tmp_path / "lock"
    process = holder(path)
    assert process.stdout is not None
    assert process.stdout.readline() == "True\n"
    assert not is_free(path)
    owner = json.loads((tmp_path / "lock.held").read_text())
    assert (owner["host"], owner["process"]) == (socket.gethostname(), process.pid)
    if end == "kill":
        process.kill()
    process.communicate("\n" if end == "well" else None)
    assert (tmp_path / "lock.held").exists() == (end == "kill")
    assert is_free(path)
    assert [each.name for each in tmp_path.iterdir()] == ["lock"]


def test_of_another_machine_the_age_of_its_last_sign_counts(no_locks, tmp_path):
    path, held = tmp_path / "lock", tmp_path / "lock.held"
    held.write_text(json.dumps({"host": "elsewhere", "process": 1, "token": ""}))
    assert not is_free(path)
    os.utime(held, (held.stat().st_atime, held.stat().st_mtime - 2 * locks._DEAD))
    assert is_free(path)
    assert not held.exists()


def test_an_owner_gives_signs_and_one_taken_for_dead_removes_nothing(
    no_locks, tmp_path, monkeypatch
):
    path, held = tmp_path / "lock", tmp_path / "lock.held"
    beaten = threading.Event()
    real = os.utime
    monkeypatch.setattr(os, "utime", lambda path: (real(path), beaten.set()))
    monkeypatch.setattr(locks, "_BEAT", 0.01)
    with try_lock(path) as file:
        assert file is not None
        assert beaten.wait(30)
        held.write_text("of another one")
    assert held.read_text() == "of another one"


def test_threads_take_turns_without_locks(no_locks, tmp_path):
    inside, most = [], []

    def work() -> None:
        with locked(tmp_path / "lock", "waiting"):
            inside.append(1)
            most.append(len(inside))
            inside.pop()

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 6


def test_training_and_galleries_work_without_locks(no_locks, tmp_path):
    write_gallery(tmp_path / "gallery", numbered(1))
    write_gallery(tmp_path / "gallery", numbered(2))
    assert is_gallery(tmp_path / "gallery")
    assert len(read_gallery(tmp_path / "gallery"))
    with (
        only_trainer(tmp_path / "run"),
        pytest.raises(UserError, match=f"trained into by process {os.getpid()} on"),
        only_trainer(tmp_path / "run"),
    ):
        pass


def test_an_error_of_the_disk_is_not_taken_for_a_lack_of_locks(tmp_path, monkeypatch):
    def fails(descriptor: int, operation: int) -> None:
        del descriptor, operation
        raise OSError(errno.EIO, "input/output error")

    monkeypatch.setattr(fcntl, "flock", fails)
    with pytest.raises(OSError, match="input/output"), try_lock(tmp_path / "lock"):
        pass


@pytest.mark.parametrize("refused", [UserError, KeyboardInterrupt])
@pytest.mark.parametrize("locks_there", [True, False])
def test_a_new_folder_is_left_as_it_was_by_a_refusal(tmp_path, refused, locks_there, monkeypatch):
    if not locks_there:
        without_locks(monkeypatch, errno.ENOLCK)
    for place in (tmp_path / "run", tmp_path / "runs" / "of" / "today"):
        with pytest.raises(refused), only_trainer(place):
            raise refused
        assert os.listdir(tmp_path) == []
    (tmp_path / "old").mkdir()
    with pytest.raises(refused), only_trainer(tmp_path / "old"):
        raise refused
    assert os.listdir(tmp_path / "old") == ["lock"]

    def begins():
        with only_trainer(tmp_path / "run"):
            (tmp_path / "run" / "config.json").touch()
            raise refused

    with pytest.raises(refused):
        begins()
    assert sorted(os.listdir(tmp_path / "run")) == ["config.json", "lock"]


def test_a_lock_that_its_holder_removed_is_nobodys(tmp_path):
    """One who opened it before, and got it when the holder ended, would hold what none can see."""
    path = tmp_path / "lock"
    with try_lock(path) as first:
        assert first
        path.unlink()
        with try_lock(path) as second:
            assert second
    real = os.fstat

    def removed(descriptor):
        found = real(descriptor)
        path.unlink(missing_ok=True)
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fstat", removed)
        with try_lock(path) as third:
            assert third is None
