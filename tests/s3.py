"""A real S3 server on loopback, moto's, and a wire to it that a test may cut."""

import contextlib
import socket
import threading
import urllib.request
from collections.abc import Iterator

import pytest

BUCKET = "animals"


class Wire:
    """A TCP proxy: `left` bytes more come from the server, then it breaks; None for no end."""

    def __init__(self, port: int):
        self.left: int | None = None
        self._server = port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                if self.left is not None and self.left <= 0:
                    client.close()
                    continue
                server = socket.create_connection(("127.0.0.1", self._server))
                threading.Thread(
                    target=self._pump, args=(client, server, False), daemon=True
                ).start()
                threading.Thread(
                    target=self._pump, args=(server, client, True), daemon=True
                ).start()

    def _pump(self, source: socket.socket, target: socket.socket, counted: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1024):
                if counted and self.left is not None:
                    self.left -= len(data)
                    if self.left < 0:
                        break
                target.sendall(data)
        for each in (source, target):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def close(self) -> None:
        self._listening.close()


@contextlib.contextmanager
def serving(patch: pytest.MonkeyPatch) -> Iterator[Wire]:
    """A server with an empty bucket; what this process opens by s3:// is there."""
    pytest.importorskip("s3fs", reason="the extra `remote` brings s3fs")
    pytest.importorskip("moto.server", reason="the extra `dev` brings moto[server]")
    import fsspec
    import s3fs
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    port = server.get_host_and_port()[1]
    again = urllib.request.Request(f"http://127.0.0.1:{port}/moto-api/reset", method="POST")
    urllib.request.urlopen(again).close()  # buckets live as long as this process
    wire = Wire(port)
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{wire.port}",
        "AWS_ACCESS_KEY_ID": "somebody",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_MAX_ATTEMPTS": "1",
    }.items():
        patch.setenv(name, value)
    patch.setattr(s3fs.S3FileSystem, "retries", 1)
    s3fs.S3FileSystem.clear_instance_cache()
    try:
        fsspec.filesystem("s3").mkdir(BUCKET)
        yield wire
    finally:
        wire.close()
        server.stop()
        s3fs.S3FileSystem.clear_instance_cache()


def upload(folder: object, url: str) -> None:
    """All of a folder."""
    import fsspec

    fsspec.filesystem("s3").put(f"{folder}/", url, recursive=True)
