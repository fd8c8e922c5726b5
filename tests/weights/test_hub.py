"""The download of published weights, from a server on this machine; no hub was ever asked."""

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from reid_jax.errors import UserError
from reid_jax.weights import hub

pytest.importorskip("huggingface_hub")
from huggingface_hub import constants, file_download

CONTENT = b"numbers of a network, and more of them" * 100
FILE = "model.safetensors"


class Hub(BaseHTTPRequestHandler):
    """As much of the Hugging Face hub as the download of a file needs.

    What it does wrong is said by the name of the repository.
    """

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        if self._answer():
            half = "cut" in self.path
            self.wfile.write(CONTENT[: len(CONTENT) // 2] if half else CONTENT)

    def _answer(self) -> bool:
        refusals = {
            "nobody/": (404, "RepoNotFound"),
            "locked/": (403, "GatedRepo"),
            "empty/": (404, "EntryNotFound"),
        }
        for start, (status, code) in refusals.items():
            if self.path.startswith(f"/{start}"):
                return self._headers(status, {"X-Error-Code": code, "Content-Length": "0"})
        if self.headers.get("Range"):
            return self._headers(503, {"Content-Length": "0"})
        digest = hashlib.sha256(b"other" if "wrong" in self.path else CONTENT).hexdigest()
        size = str(len(CONTENT))
        linked = {"X-Linked-Etag": f'"{digest}"', "X-Linked-Size": size}
        return self._headers(200, {**linked, "ETag": f'"{digest}"', "Content-Length": size})

    def _headers(self, status: int, headers: dict[str, str]) -> bool:
        self.send_response(status)
        for name, value in {"X-Repo-Commit": "0" * 40, **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        return status == 200

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server(monkeypatch, tmp_path):
    """Asked instead of the hub; what is fetched is kept in a folder of the test."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}/")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "kept"))
    yield server
    server.shutdown()
    server.server_close()


def test_a_file_comes_once_and_is_there_without_a_network(server, tmp_path):
    path = hub.fetched("someone/good", (FILE,))
    assert path.read_bytes() == CONTENT
    assert path.is_relative_to(tmp_path)
    server.shutdown()
    server.server_close()
    assert hub.fetched("someone/good", (FILE,)) == path
    with pytest.raises(UserError, match=r"does not answer, .*pass the path of its model"):
        hub.fetched("someone/other", (FILE,))


@pytest.mark.parametrize(
    ("repository", "reason"),
    [
        ("nobody/it", "there is none of that name"),
        ("locked/it", "asks for a login, see HF_TOKEN"),
        ("empty/it", r"it has no model\.safetensors and no pytorch_model\.bin"),
    ],
)
def test_what_the_hub_does_not_have_is_said(server, repository, reason):
    with pytest.raises(UserError, match=f"^{repository} could not be fetched .*{reason}"):
        hub.fetched(repository, (FILE, "pytorch_model.bin"))


def test_a_file_that_breaks_off_or_is_another_is_never_taken(server, tmp_path, monkeypatch):
    monkeypatch.setattr(file_download.time, "sleep", lambda _: None)
    with pytest.raises(UserError, match="it broke off"):
        hub.fetched("someone/cut", (FILE,))
    with pytest.raises(UserError, match=r"has another checksum .* removed: fetch it again"):
        hub.fetched("someone/wrong", (FILE,))
    assert not list(tmp_path.rglob(FILE))


def test_a_hub_that_is_not_to_be_asked(server, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match="HF_HUB_OFFLINE is set"):
        hub.fetched("someone/good", (FILE,))
