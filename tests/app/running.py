"""The real server in a process of its own, and requests as any program may make them."""

import http.client
import io
import json
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from PIL import Image

from tests.paths import REPOSITORY

HOST = "127.0.0.1"
SECRET = "nobody may read this"


@dataclass(frozen=True)
class Reply:
    """What a server answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Running:
    """A server that listens on loopback, and the folder that it writes to."""

    port: int
    folder: Path
    process: subprocess.Popen[str]

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | dict[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """One request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        sent = dict(headers or {})
        if isinstance(body, dict):
            body = json.dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
        try:
            connection.request(method, path, body, sent)
            response = connection.getresponse()
            return Reply(response.status, dict(response.headers.items()), response.read())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Reply:
        return self.ask("GET", path, headers=headers)

    def raw(self, sent: bytes, *, patience: float = 5.0) -> bytes:
        """Whatever comes back for bytes, until the server closes or says nothing for a while."""
        found = b""
        with socket.create_connection(("127.0.0.1", self.port), timeout=patience) as connection:
            try:
                connection.sendall(sent)
                connection.shutdown(socket.SHUT_WR)
                while part := connection.recv(65_536):
                    found += part
            except OSError:
                pass
        return found

    def drop(self, name: str, content: bytes) -> Reply:
        return self.ask("POST", f"/v1/photos?name={quote(name)}", content)

    def until(self, done: Callable[[], Any], seconds: float = 60.0) -> Any:
        """Waits for something to be so, and returns it."""
        end = time.monotonic() + seconds
        while not (found := done()):
            assert time.monotonic() < end, self.log
            assert self.process.poll() is None, self.log
            time.sleep(0.1)
        return found

    def files(self) -> dict[str, dict[str, Any]]:
        """Dropped photos by name."""
        return {file["name"]: file for file in self.get("/v1/photos").json()["files"]}

    @property
    def log(self) -> str:
        """What the server and its children said."""
        texts = [path.read_text()[-4000:] for path in sorted((self.folder / "log").iterdir())]
        return "\n".join(texts)


@contextmanager
def serving(folder: Path, *words: object) -> Iterator[Running]:
    """`reid-jax serve` with these words; it is ended as by Ctrl-C."""
    command = [sys.executable, "-m", "reid_jax", "serve", "--no-open", "--port", "0"]
    process = subprocess.Popen(
        [*command, "--folder", str(folder), *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=REPOSITORY,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("http://"), line + process.stdout.read()
        yield Running(int(line.rpartition(":")[2].strip().rstrip("/")), folder, process)
    finally:
        process.send_signal(2)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            raise


def picture(
    seed: int = 0, size: tuple[int, int] = (120, 90), kind: str = "jpeg", **how: Any
) -> bytes:
    """A file with something to see: soft blobs of colour."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8))
    stream = io.BytesIO()
    small.resize(size, Image.Resampling.BICUBIC).save(stream, format="jpeg", **how)
    return stream.getvalue()


def memory(running: Running) -> int:
    status = Path(f"/proc/{running.process.pid}/status")
    if not status.exists():
        return 0
    return 1024 * int(re.search(r"VmRSS:\s+(\d+)", status.read_text())[1])


def statuses(answer: bytes) -> list[int]:
    return [int(found) for found in re.findall(rb"^HTTP/1\.1 (\d{3})", answer, re.MULTILINE)]


def calm(answer: bytes) -> None:
    """No 5xx, but for "not ready", no traceback, nothing of a file."""
    assert not [status for status in statuses(answer) if status >= 500], answer[:500]
    assert b"Traceback" not in answer
    assert SECRET.encode() not in answer
