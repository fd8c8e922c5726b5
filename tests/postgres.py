"""Debian's PostgreSQL for a test: a cluster of its own in a passing folder, on a socket alone."""

import contextlib
import getpass
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

_PROGRAMS = "/usr/lib/postgresql/15/bin"


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """The URL of a database; skips where PostgreSQL or its client is not installed."""
    pytest.importorskip("psycopg")
    programs = Path(_PROGRAMS)
    if not programs.is_dir():
        pytest.skip("PostgreSQL is not installed")
    user = "postgres" if os.geteuid() == 0 else getpass.getuser()  # refuses root
    folder = tempfile.mkdtemp(prefix="pg-", dir="/tmp")  # a socket's path has 107 bytes at most
    shutil.chown(folder, user)
    home = {"HOME": folder, "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
    number = pwd.getpwnam(user).pw_uid if os.geteuid() == 0 else None
    subprocess.run(
        [programs / "initdb", "-D", f"{folder}/data", "-A", "trust", "-U", "tester", "--no-sync"],
        user=number,
        env=home,
        cwd=folder,
        check=True,
        capture_output=True,
    )
    words = ["-D", f"{folder}/data", "-k", folder, "-c", "listen_addresses="]
    server = subprocess.Popen(
        [programs / "postgres", *words, "-c", "shared_buffers=16MB"],
        user=number,
        env=home,
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        url = f"postgresql://tester@/postgres?host={folder}"
        _wait(url)
        yield url
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(60)
        shutil.rmtree(folder, ignore_errors=True)


def _wait(url: str) -> None:
    import psycopg

    for _ in range(600):
        try:
            psycopg.connect(url).close()
            return
        except psycopg.OperationalError:
            time.sleep(0.1)
    raise AssertionError("PostgreSQL does not answer")
