"""Files that nobody means well, slow senders and races, against the real server."""

import concurrent.futures
import contextlib
import io
import itertools
import os
import re
import socket
import struct
import threading
import time
import zlib

import pytest
from PIL import Image

from tests.app.running import HOST, picture, statuses

pytestmark = pytest.mark.usefixtures("unharmed")


def png(width: int, height: int, data: bytes = b"") -> bytes:
    """A PNG that says how large it is, whatever is in it."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checked = kind + content
        return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )


def bombs() -> dict[str, bytes]:
    """Files that are not what they say, by name."""
    jpeg = picture(3)
    gif = io.BytesIO()
    Image.new("P", (64, 64)).save(gif, format="gif")
    svg = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
    return {
        "huge.png": png(100_000, 100_000, zlib.compress(bytes(1000))),
        "bomb.png": png(30_000, 30_000, zlib.compress(bytes(50_000_000))),
        "wide.png": png(1_000_000, 1, zlib.compress(bytes(3_000_001))),
        "none.png": png(0, 0),
        "cut.jpg": jpeg[: len(jpeg) // 2],
        "tail.jpg": jpeg[:200] + os.urandom(2000),
        "html.jpg": b"<html><script>alert(1)</script>" + jpeg,
        "polyglot.jpg": jpeg + b"<script>alert(1)</script>",
        "drawing.svg": svg,
        "drawing.jpg": svg,
        "page.html": b"<html><script>alert(1)</script>",
        "program.jpg": b"\x7fELF" + bytes(500),
        "archive.jpg": b"PK\x03\x04" + bytes(500),
        "camera.dng": b"II*\x00\x08\x00\x00\x00" + bytes(100),
        "long.tif": b"II*\x00\xff\xff\xff\x7f" + bytes(100),
        "plain.gif": gif.getvalue(),
        "../../up.jpg": picture(4),
        "..\\up.jpg": picture(5),
        "/etc/passwd.jpg": picture(6),
        "C:\\x.jpg": picture(7),
        "nul\x00.jpg": picture(8),
        "<img src=x onerror=alert(1)>.jpg": picture(10),
        "=cmd|' /C calc'!A0.jpg": picture(11),
        "\u202egpj.exe": picture(12),
        "a" * 3000 + ".jpg": picture(13),
    }


def test_files_that_are_no_photos_are_named_and_done_with(shown):
    sent = bombs()
    for name, content in sent.items():
        assert shown.drop(name[:900], content).status in (200, 201), name
    waiting = {"received"}
    shown.until(lambda: not waiting & {file["state"] for file in shown.files().values()}, 120)
    files = {file["id"]: file for file in shown.get("/v1/photos").json()["files"]}
    refused = {file["name"]: file["why"] for file in files.values() if file["state"] == "refused"}
    for name in ("huge.png", "bomb.png", "wide.png", "cut.jpg", "drawing.svg", "program.jpg"):
        assert refused[name]
        assert shown.folder.as_posix() not in refused[name]
    for file in files.values():
        assert len(file["name"]) <= 200
        assert not re.search(r"[/\\\0]", file["name"])
        if file["state"] == "readable":
            large = shown.get(f"/pictures/large/{file['id']}")
            assert large.body.startswith(b"\xff\xd8")
            assert b"<script>" not in large.body
    kept = {path.name for path in (shown.folder / "photos").iterdir()}
    assert all(re.fullmatch(r"[0-9a-f]{32}(\.[a-z0-9]+)?", name) for name in kept)


def test_what_is_too_large_is_refused_before_it_is_sent(shown):
    start = f"POST /v1/photos?name=a.jpg HTTP/1.1\r\nHost: {HOST}:{shown.port}\r\n"
    answer = shown.raw(f"{start}Content-Length: 500000000\r\n\r\n".encode())
    assert statuses(answer) == [413]


def test_what_grows_without_end_is_cut_off(shown):
    start = (
        f"POST /v1/me HTTP/1.1\r\nHost: {HOST}:{shown.port}\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    chunk = b"10000\r\n" + bytes(0x10000) + b"\r\n"
    connection, sent = socket.create_connection((HOST, shown.port), timeout=10), 0
    with connection, contextlib.suppress(OSError):
        connection.sendall(start.encode())
        while sent < 2000 * len(chunk):
            sent += connection.send(chunk)
    assert sent < 2000 * len(chunk)
    assert not list((shown.folder / "incoming").iterdir())


def test_slow_ones_do_not_keep_others_waiting(shown):
    start = f"POST /v1/photos?name=a.jpg HTTP/1.1\r\nHost: {HOST}:{shown.port}\r\n"
    slow = []
    for sent in itertools.islice(itertools.cycle([b"G", start.encode(), b"GET / HT"]), 150):
        connection = socket.create_connection((HOST, shown.port), timeout=10)
        connection.sendall(sent)
        slow.append(connection)
    for n in range(20):
        half = socket.create_connection((HOST, shown.port), timeout=10)
        half.sendall(f"{start}Content-Length: 1000\r\n\r\n{n}".encode())
        slow.append(half)
    assert shown.get("/individuals").status == 200
    for connection in slow:
        connection.close()
    shown.until(lambda: not list((shown.folder / "incoming").iterdir()))


def test_who_leaves_in_the_middle_leaves_nothing(shown):
    start = f"POST /v1/photos?name=a.jpg HTTP/1.1\r\nHost: {HOST}:{shown.port}\r\n"
    before = len(list((shown.folder / "photos").iterdir()))
    for size in (1, 100, 60_000):
        with socket.create_connection((HOST, shown.port), timeout=10) as connection:
            connection.sendall(f"{start}Content-Length: 70000\r\n\r\n".encode() + bytes(size))
    shown.until(lambda: not list((shown.folder / "incoming").iterdir()))
    assert len(list((shown.folder / "photos").iterdir())) == before


def test_the_same_photo_at_once_is_one(shown):
    content = picture(500, (200, 150))
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda n: shown.drop(f"{n}.jpg", content), range(16)))
    assert {reply.status for reply in replies} <= {200, 201}
    assert len({reply.json()["id"] for reply in replies}) == 1
    assert sum(reply.json()["new"] for reply in replies) == 1


def test_forgetting_and_asking_at_once(shown):
    """Races: nothing but answers."""
    found: list[int] = []

    def often(act) -> None:
        for n in range(15):
            reply = act(n)
            found.append(reply.status)

    id = shown.drop("race.jpg", picture(600)).json()["id"]
    acts = [
        lambda n: shown.drop("race.jpg", picture(600)),
        lambda n: shown.ask("DELETE", f"/v1/photos/{id}"),
        lambda n: shown.get(f"/pictures/large/{id}"),
        lambda n: shown.ask("POST", f"/v1/review/{id}", {"kind": "cannot tell"}),
        lambda n: shown.ask("DELETE", f"/v1/review/{id}"),
    ]
    threads = [threading.Thread(target=often, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(status < 500 for status in found)


def test_it_answers_at_once_after_all_of_it(shown):
    start = time.monotonic()
    for _ in range(20):
        assert shown.get("/individuals").status == 200
    assert time.monotonic() - start < 60
