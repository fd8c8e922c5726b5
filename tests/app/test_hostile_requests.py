"""Requests that nobody means well, against the real server: refused, never a traceback or a 5xx."""

import json
import re

import pytest

from tests.app.running import HOST, calm, picture, statuses

pytestmark = pytest.mark.usefixtures("unharmed")

TARGETS = (
    "../secret.txt",
    "..%2fsecret.txt",
    "%2e%2e/secret.txt",
    "..%5csecret.txt",
    "..\\secret.txt",
)
PREFIXES = (
    *("/", "/static/", "/static/x/", "/pictures/", "/pictures/large/", "/pictures/small/"),
    *("/films/", "/v1/photos/", "/v1/review/", "/individual?name=", "/v1/individuals?q="),
    *("/individuals?where=", "/individuals?since=", "/reports?dates=", "/reports?group="),
    *("/v1/reports/encounters.inp?where=", "/v1/reports/catches?by=", "/v1/individual?name="),
)
ODD = (
    *(
        "%00",
        "%0d%0aX-A:%20b",
        "%ff%fe",
        "%c0%ae%c0%ae/",
        "%u002e",
        "a" * 5000,
        "?" * 20,
        "%",
        "//",
    ),
    *("{{7*7}}", "%7b%7b7*7%7d%7d", "<script>", "' OR 1=1 --", ";id", "$(id)", "`id`", "%n%n%s"),
    *("file:///etc/passwd", "http://127.0.0.1:1/", "con", "nul.jpg", ".", "..", "...", "%2e"),
    *("0" * 32, "g" * 32, "F" * 32, "0" * 31, "-1", "1e400", "NaN", "\u202e", "\U0001f422"),
)


@pytest.mark.parametrize("prefix", PREFIXES)
def test_paths_lead_nowhere(shown, prefix):
    for target in (*TARGETS, *("../" * 12 + "etc/passwd", "..%2f" * 12 + "etc%2fpasswd"), *ODD):
        line = f"GET {prefix}{target.replace(' ', '%20')} HTTP/1.1\r\nHost: {HOST}:{shown.port}\r\n"
        answer = shown.raw(line.encode() + b"Connection: close\r\n\r\n")
        calm(answer)
        assert b"root:" not in answer
        assert b"X-A: b" not in answer


def test_methods_and_lines_that_are_none(shown):
    end = f" HTTP/1.1\r\nHost: {HOST}:{shown.port}\r\n\r\n".encode()
    for method in (
        b"PUT",
        b"PATCH",
        b"TRACE",
        b"CONNECT",
        b"OPTIONS",
        b"G\x00T",
        b"get",
        b"X" * 300,
    ):
        for path in (b"/", b"/v1/photos", b"*", b"http://example.org/"):
            calm(shown.raw(method + b" " + path + end))
    for line in (
        *(b"", b"\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\x00\x01"),
        *(bytes(range(256)), b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET / HTTP/1.0\r\n\r\n"),
        *(b"A" * 100_000, b"GET / HTTP/1.1\n\n", b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 20_000),
    ):
        calm(shown.raw(line))


@pytest.mark.parametrize(
    "host",
    [
        *(
            "example.org",
            "example.org:{port}",
            "127.0.0.1",
            "127.0.0.1:1",
            "127.0.0.1:{port}.x",
            "",
        ),
        *("127.0.0.1:{port}@example.org", "127.0.0.2:{port}", "[::]:{port}", "localhost.:{port}"),
        *("169.254.169.254", "127.0.0.1:{port}, example.org", "127.0.0.1:{port}/", "\xe4:{port}"),
    ],
)
def test_another_name_of_the_server_is_refused(shown, host):
    """DNS rebinding: the page of another site that names this machine."""
    sent = f"GET / HTTP/1.1\r\nHost: {host.format(port=shown.port)}\r\n\r\n"
    answer = shown.raw(sent.encode("latin-1"))
    calm(answer)
    assert statuses(answer) in ([421], [400])


def test_two_hosts_or_none_are_refused(shown):
    name = f"Host: {HOST}:{shown.port}\r\n"
    for hosts in (name + name, "", name + "Host: example.org\r\n"):
        answer = shown.raw(f"GET / HTTP/1.1\r\n{hosts}\r\n".encode())
        assert statuses(answer) in ([400], [421])


UNSAFE = (
    *(("POST", "/v1/photos?name=a.jpg"), ("POST", "/v1/me"), ("DELETE", "/v1/photos/" + "0" * 32)),
    *(("POST", "/v1/review/" + "0" * 32), ("DELETE", "/v1/review/" + "0" * 32)),
    *(("POST", "/v1/films/compare"), ("POST", "/v1/films?name=a.mp4")),
    *(("POST", "/v1/session"), ("DELETE", "/v1/session"), ("POST", "/v1/users")),
)


@pytest.mark.parametrize(("method", "path"), UNSAFE)
def test_another_site_may_ask_for_nothing(shown, method, path):
    body = picture(9)
    before = len(shown.files())
    for headers in (
        {"Origin": "https://example.org"},
        {"Origin": "null"},
        {"Origin": f"http://{HOST}"},
        {"Origin": f"http://{HOST}:{shown.port}.example.org"},
        {"Origin": f"http://{HOST}:{shown.port}@example.org"},
        {"Origin": "http://["},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ):
        assert shown.ask(method, path, body, headers).status == 403, headers
    assert len(shown.files()) == before


def test_every_answer_says_what_a_browser_may_do(shown):
    for path, status in (("/", 200), ("/nothing", 404), ("/healthz", 200), ("/v1/photos", 200)):
        found = shown.get(path)
        headers = {name.lower(): value for name, value in found.headers.items()}
        assert found.status == status
        policy = headers["content-security-policy"]
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert "default-src 'none'" in policy
        assert headers["x-content-type-options"] == "nosniff"
    cookie = shown.get("/").headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie


def test_pages_hold_no_script_or_style_of_their_own(shown):
    for path in ("/", "/review", "/individuals", "/individual?name=Alma", "/nothing"):
        page = shown.get(path, Accept="text/html").body.decode()
        assert not re.search(r"<script(?![^>]*src=)|<style| style=| on\w+=|javascript:", page)
        assert not re.search(r"(?:src|href)=\"(?:https?:)?//", page)


def test_headers_that_are_odd(shown):
    start = f"POST /v1/me HTTP/1.1\r\nHost: {HOST}:{shown.port}\r\n"
    for headers in (
        *("Content-Length: -1", "Content-Length: 1e3", "Content-Length: 5\r\nContent-Length: 6"),
        *("Content-Length: 99999999999999999999999", "Content-Length: +5", "Content-Length: 0x10"),
        *("Transfer-Encoding: chunked\r\nContent-Length: 5", "Transfer-Encoding: gzip, chunked"),
        *("Transfer-Encoding: chunked", "Content-Encoding: gzip\r\nContent-Length: 5"),
        *("Content-Type: multipart/form-data; boundary=\r\nContent-Length: 5", "Expect: 200-ok"),
        *(
            "Content-Type: application/json;charset=utf-7\r\nContent-Length: 5",
            "Upgrade: websocket",
        ),
        *(
            "Cookie: " + "a=b; " * 3000,
            "Cookie: reid_jax_who=%ff%00\r\nContent-Length: 0",
            "X" * 9000,
        ),
        *(
            "Range: bytes=0-,0-,0-",
            "Accept: " + "," * 2000,
            "X-Forwarded-For: 1\r\nX-Http-Method: PUT",
        ),
    ):
        for body in (b"", b"{}", b"zz\r\n\r\n0\r\n\r\n", b"fffffffff\r\nabc"):
            calm(shown.raw(f"{start}{headers}\r\n\r\n".encode() + body, patience=1.0))


def test_bodies_that_are_no_json(shown):
    nested = b'{"a":' * 50_000
    for body in (
        *(
            b"",
            b"[]",
            b"null",
            b"1",
            b'"a"',
            b"{",
            b"{'a': 1}",
            b"\xff\xfe{}",
            b"[" * 60_000,
            nested,
        ),
        *(
            b'{"name": 1}',
            b'{"name": null}',
            b'{"name": ["a"]}',
            b'{"name": "\\ud800"}',
            b'{"name":""}',
        ),
        *(b'{"name": "a\\u0000b"}', b'{"name": "a\\nb"}', b'{"name": "' + b"a" * 5000 + b'"}'),
        *(
            b'{"kind": {}, "name": 1e999}',
            b"NaN",
            b'{"name": "\\u2028"}',
            b"{}" * 10,
            b"9" * 10_000,
        ),
    ):
        me, review, compare = "/v1/me", f"/v1/review/{'0' * 32}", "/v1/films/compare"
        for path in (me, review, compare, "/v1/session", "/v1/training"):
            reply = shown.ask("POST", path, body, {"Content-Type": "application/json"})
            assert 400 <= reply.status < 500, (path, body[:40], reply.status)
            assert "Traceback" not in reply.body.decode()
    for kind in (
        "text/plain",
        "multipart/form-data; boundary=x",
        "application/x-www-form-urlencoded",
        "",
    ):
        assert shown.ask("POST", "/v1/me", b'{"name": "a"}', {"Content-Type": kind}).status == 415


def test_numbers_that_are_none(shown):
    for query in (
        "after=-1",
        "after=x",
        "after=1e9",
        "after=" + "9" * 50,
        "before=x",
        "before=nan",
    ):
        assert shown.get(f"/v1/photos?{query}").status in (200, 400)
    for page in ("0", "-5", "x", "9" * 6, "9" * 60, "%00", "1;2"):
        assert shown.get(f"/individuals?page={page}").status == 200
    assert json.loads(shown.get("/v1/review/next?without=" + ",".join("a" * 90)).body)["left"] >= 0
