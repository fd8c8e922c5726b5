"""Who may write to what lies at a URL: one after the other, on S3 and in memory."""

import json
import os
import socket
import subprocess
import sys
import threading

import fsspec
import pytest

from reid_jax.errors import UserError
from reid_jax.remote import lock as locks
from reid_jax.remote import storage
from reid_jax.remote.lock import NAME, RemoteLock, held
from tests.s3 import BUCKET, serving


@pytest.fixture(scope="module")
def at_s3():
    with pytest.MonkeyPatch.context() as patch, serving(patch):
        yield f"s3://{BUCKET}"


@pytest.fixture(params=["memory", "s3"])
def url(request, monkeypatch):
    monkeypatch.setattr(locks, "_PAUSE", 0.05)
    monkeypatch.setattr(storage, "_PAUSES", (0.0,))
    base = "memory://locks" if request.param == "memory" else request.getfixturevalue("at_s3")
    return f"{base}/{request.node.name}"


def files(url: str) -> list[str]:
    return [name.rsplit("/", 1)[1] for name in fsspec.filesystem(url.split(":")[0]).find(url)]


def owned_by(url: str, **owner: object) -> None:
    storage.write(f"{url}/{NAME}", json.dumps({"host": "elsewhere", "token": "x", **owner}))


def test_the_second_one_is_told_who_is_at_it(url):
    with held(url, wait=False) as first:
        first.check()
        with pytest.raises(UserError, match=f"is being written to by process {os.getpid()} on"):
            RemoteLock(url, wait=False)
    assert files(url) == []
    with held(url, wait=False):
        assert files(url) == [NAME]


def test_of_many_at_once_one_alone_has_it(url):
    inside, most = [], []

    def work() -> None:
        with held(url, wait=True):
            inside.append(1)
            most.append(len(inside))
            inside.pop()

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 6


def test_what_an_owner_left_that_is_dead_is_taken(url, monkeypatch):
    owned_by(url, process=1)
    with pytest.raises(UserError, match="by process 1 on elsewhere"):
        RemoteLock(url, wait=False)
    monkeypatch.setattr(locks, "_DEAD", -1.0)
    with held(url, wait=False) as taken:
        taken.check()
    assert files(url) == []


def test_an_owner_of_this_machine_that_has_ended_is_known_to_be_dead(url):
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    owned_by(url, host=socket.gethostname(), process=child.pid)
    with held(url, wait=False):
        pass


@pytest.mark.parametrize("text", ["", "[]", "{", "\x00"])
def test_a_damaged_lock_is_taken_when_it_is_old(url, monkeypatch, text):
    storage.write(f"{url}/{NAME}", text)
    with pytest.raises(UserError, match="by another"):
        RemoteLock(url, wait=False)
    monkeypatch.setattr(locks, "_DEAD", -1.0)
    with held(url, wait=False):
        pass


def test_who_lost_it_is_told_and_leaves_it_to_the_other(url):
    with held(url, wait=False) as lock:
        owned_by(url, process=1)
        with pytest.raises(UserError, match="was taken over by another process"):
            lock.check()
    assert files(url) == [NAME]


def test_an_owner_gives_signs_of_life(url, monkeypatch):
    monkeypatch.setattr(locks, "_BEAT", 0.05)
    with held(url, wait=False):
        before = storage.written_at(f"{url}/{NAME}")
        end = threading.Event()
        for _ in range(100):
            if storage.written_at(f"{url}/{NAME}") > before:
                break
            end.wait(0.05)
        else:
            pytest.fail("no sign of life")
