"""A real disk that is full, or becomes one that cannot be written to, below a running server."""

import contextlib
import os
import subprocess

import pytest

from reid_jax.errors import UserError
from reid_jax.individuals.gallery.decisions import Decisions
from reid_jax.individuals.gallery.stored.check import check
from tests.app.conftest import write_shown
from tests.app.running import Running, picture, serving


@pytest.fixture
def disk(tmp_path):
    """A disk of 8 MB; skips who may not mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(place)]
    if os.name == "nt" or os.geteuid() or subprocess.run(words, capture_output=True).returncode:
        pytest.skip("no disk can be mounted here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def noted(running: Running, word: str) -> int:
    reply = running.ask("POST", "/v1/gallery/note", {"name": "Alma", "text": word})
    assert reply.status in (200, 422, 507), reply.body
    return reply.status


def words_of(folder) -> list[str]:
    return [each.changes[0].after for each in Decisions(folder).read_since() if each.kind == "note"]


def test_a_full_disk_refuses_and_goes_on_when_there_is_room(disk, tmp_path):
    write_shown(disk / "gallery", tmp_path / "photos")
    with serving(disk / "gallery.app", "--gallery", disk / "gallery") as running:
        assert noted(running, "before") == 200
        with contextlib.suppress(OSError), open(disk / "filler", "wb", buffering=0) as filler:
            while filler.write(bytes(4096)):
                pass
        said = ["before"]
        for number in range(400):  # what is left of a page of the journal may still take some
            if noted(running, f"full {number}" + 500 * "x") != 200:
                break
            said.append(f"full {number}" + 500 * "x")
        reply = running.ask("POST", "/v1/gallery/note", {"name": "Alma", "text": 1000 * "y"})
        assert reply.status in (422, 507)
        assert "cannot be" in reply.json()["error"]
        assert running.drop("a.jpg", picture(1)).status == 507
        for path in ("/", "/v1/photos", "/healthz"):
            assert running.get(path).status == 200
        for path in ("/individuals", "/individual?name=Alma"):  # SQLite wants a file to read by
            found = running.get(path)
            assert found.status == 200 or "as on a full disk" in found.json()["error"]
        (disk / "filler").unlink()
        assert noted(running, "after") == 200
        assert words_of(disk / "gallery") == [*said, "after"]
        assert not check(disk / "gallery").wrong


def test_a_disk_that_can_only_be_read_is_shown_and_nothing_decided(disk, tmp_path):
    write_shown(disk / "gallery", tmp_path / "photos")

    def remount(how: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{how}", str(disk)], check=True)

    with serving(tmp_path / "server", "--gallery", disk / "gallery") as running:
        assert noted(running, "before") == 200
        running.process.send_signal(2)
        running.process.wait()
    remount("ro")
    with serving(tmp_path / "server", "--gallery", disk / "gallery") as running:
        assert noted(running, "read-only") == 422
        for path in ("/", "/individuals", "/individual?name=Alma", "/v1/gallery/history"):
            assert running.get(path).status == 200
        remount("rw")
        assert noted(running, "after") == 200
    assert words_of(disk / "gallery") == ["before", "after"]
    remount("ro")
    with pytest.raises(UserError, match="cannot be"):
        Decisions(disk / "gallery", "ann").note("x", individual="Alma")
    remount("rw")
