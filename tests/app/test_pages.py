"""What the pages of a server show, and what it refuses to serve."""

import json
import re
import socket

import pytest

from reid_jax.app.arrivals import Arrivals
from reid_jax.app.holdings import natural
from reid_jax.app.logs import Log
from reid_jax.app.places import Places
from reid_jax.app.server import Served, serve
from reid_jax.app.watched import Watched
from reid_jax.app.worth import worth_of
from reid_jax.errors import UserError
from tests.app.conftest import write_shown
from tests.app.running import Running, picture, serving
from tests.doors import call


def test_it_lives_and_says_its_numbers(shown):
    assert shown.get("/healthz").body == b"alive\n"
    assert shown.get("/readyz").status == 503  # its run is not there
    text = shown.get("/metrics").body.decode()
    assert re.search(
        r'reid_jax_requests_total\{route="lives",method="GET",status="200"\} \d+', text
    )
    assert all(re.fullmatch(r"#.*|\S+(\{.*\})? [\d.e+-]+", line) for line in text.splitlines())


def test_the_first_page_is_small_and_whole(shown):
    page = shown.get("/")
    assert page.status == 200
    size, seen = len(page.body), set()
    wanted = re.findall(r'(?:src|href)="(/static/[^"#]+)', page.body.decode())
    while wanted:
        name = wanted.pop()
        if name in seen:
            continue
        seen.add(name)
        file = shown.get(name)
        assert file.status == 200, name
        size += len(file.body)
        folder = name.rpartition("/")[0]
        wanted += [
            f"{folder}/{each}" for each in re.findall(r'from "\./([^"]+)"', file.body.decode())
        ]
    assert len(seen) > 3
    assert size < 100_000


def test_names_are_text(shown):
    page = shown.get("/individuals").body.decode()
    assert "<b>Bo</b>" not in page.replace("<b><bdi>", "")
    assert "&lt;b&gt;Bo&lt;/b&gt; &amp; &#39;Co&#39;" in page
    assert page.index("Luna 2<") < page.index("Luna 10<")
    assert re.findall(r"<bdi>Zoë\u202e</bdi>", page)


def test_an_individual_shows_its_photos_by_day(shown):
    page = shown.get("/individual?name=Luna%202").body.decode()
    assert page.index("6 May 2020") < page.index("5 May 2020") < page.index("4 May 2020")
    for size, id in re.findall(r"/pictures/(large|small)/([0-9a-f]{32})", page):
        found = shown.get(f"/pictures/{size}/{id}")
        assert found.status == 200
        assert found.headers["content-type"] == "image/jpeg"
    missing = shown.get("/individual?name=Nobody", Accept="text/html")
    assert missing.status == 404
    assert "There is no individual of this name." in missing.body.decode()


@pytest.mark.parametrize(
    ("query", "names"),
    [("?q=luna", ["Luna 2", "Luna 10"]), ("?q=10+luna", ["Luna 10"]), ("?q=%22nobody", [])],
)
def test_individuals_are_searched(shown, query, names):
    found = shown.get(f"/v1/individuals{query}").json()["individuals"]
    assert [each["name"] for each in found] == names


def states(running: Running) -> set[str]:
    return {file["state"] for file in running.files().values()}


def test_what_is_dropped_is_read_named_and_known_again(shown):
    good = picture(1, exif=b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x00\x00\x00\x00\x00")
    assert shown.drop("a <i>b.jpg", good).status == 201
    assert shown.drop("not an image.jpg", b"GIF89a" + bytes(50)).status == 201
    assert shown.drop("notes.txt", b"hello").status == 201
    again = shown.drop("other name.jpg", good)
    assert (again.status, again.json()["name"]) == (200, "a <i>b.jpg")
    shown.until(lambda: states(shown) <= {"readable", "refused"})
    files = shown.files()
    assert files["a <i>b.jpg"]["state"] == "readable"
    assert files["a <i>b.jpg"]["width"] == 120
    assert files["notes.txt"]["why"] == "not an image, or not one of a known format"
    assert files["not an image.jpg"]["state"] == "refused"
    id = files["a <i>b.jpg"]["id"]
    large = shown.get(f"/pictures/large/{id}")
    assert large.status == 200
    assert b"Exif" not in large.body
    assert (shown.folder / "photos" / f"{id}.jpg").read_bytes() == good
    assert shown.ask("DELETE", f"/v1/photos/{id}").status == 200
    assert not (shown.folder / "photos" / f"{id}.jpg").exists()


def test_what_was_dropped_is_there_after_a_kill(tmp_path):
    write_shown(tmp_path / "gallery", tmp_path / "photos")
    words = tmp_path / "server", "--gallery", tmp_path / "gallery"
    with serving(*words) as running:
        names = [f"{n}.jpg" for n in range(5)]
        for n, name in enumerate(names):
            assert running.drop(name, picture(n)).status == 201
        running.process.kill()
        running.process.wait()
    with serving(*words) as running:
        done = running.until(
            lambda: all(f["state"] == "readable" for f in running.files().values())
        )
        assert done
        assert sorted(running.files()) == names


def test_what_was_decided_is_there_after_a_kill_and_once(tmp_path):
    """Acknowledged is on the disk; there is no network, so that nothing of it is filed yet."""
    write_shown(tmp_path / "gallery", tmp_path / "photos")
    words = tmp_path / "server", "--gallery", tmp_path / "gallery"
    decided: dict[str, str] = {}
    for turn in range(2):
        said = [
            {"kind": "is", "name": "Alma"},
            {"kind": "is", "name": "Bo", "new": not turn},
            {"kind": "cannot tell"},
            {"kind": "not an animal"},
        ]
        with serving(*words) as running:
            drops = [running.drop(f"{turn} {n}.jpg", picture(10 * turn + n)) for n in range(4)]
            ids = [each.json()["id"] for each in drops]
            running.until(lambda: "received" not in states(running))
            for id, body in zip(ids, said, strict=True):
                assert running.ask("POST", f"/v1/review/{id}", body).status == 200
                assert running.ask("POST", f"/v1/review/{id}", body).status in (409, 422)
                decided[id] = str(body["kind"])
            running.process.kill()
            running.process.wait()
    with serving(*words) as running:
        found = running.get("/v1/photos").json()["files"]
        assert {file["id"]: file["decision"]["kind"] for file in found} == decided
        names = running.get("/v1/individuals").json()["individuals"]
        assert {"Bo": 2, "Alma": 5}.items() <= {e["name"]: e["photos"] for e in names}.items()


def test_a_watched_folder_brings_each_content_once(tmp_path):
    write_shown(tmp_path / "gallery", tmp_path / "photos")
    folder = tmp_path / "camera"
    (folder / "day 1").mkdir(parents=True)
    (folder / "day 1" / "a.jpg").write_bytes(picture(1))
    (folder / "b.jpg").write_bytes(picture(2))
    (folder / "copy.jpg").write_bytes(picture(1))
    (folder / "notes.txt").write_text("none")
    (folder / "link.jpg").symlink_to(tmp_path / "photos" / "0.jpg")
    places = Places(tmp_path / "server")
    places.prepare()
    arrivals, log = Arrivals(places.arrivals), Log(places.log)
    came: list[int] = []
    watched = Watched(folder, places, arrivals, log, lambda: came.append(1))
    watched.look()
    assert not came  # they may still be written
    (folder / "b.jpg").write_bytes(picture(3))
    watched.look()
    watched.look()
    watched.look()
    names = {one.name: one.id for one in arrivals.latest("photo", 10)}
    assert sorted(names) == ["b.jpg", "copy.jpg"]
    assert places.dropped("photo", names["b.jpg"], ".jpg").read_bytes() == picture(3)
    assert len(came) == 2
    arrivals.close()
    log.close()


def test_a_second_server_of_a_folder_is_refused(shown):
    with pytest.raises(UserError, match="Another server uses"):
        serve(Served(shown.folder, shown.folder.parent / "gallery"), "127.0.0.1", 0, show=False)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org"])
def test_others_are_not_let_in_without_users(tmp_path, host):
    with pytest.raises(UserError, match=f"--host {host} lets others reach"):
        serve(Served(tmp_path), host, None, show=False)


def test_what_cannot_be_served_is_a_sentence(tmp_path, capsys):
    for words, sentence in (
        ((), "Say what to serve"),
        (("--gallery", tmp_path / "no"), "There is no gallery"),
    ):
        with pytest.raises(SystemExit):
            call("serve", "--no-open", *words)
        assert sentence in capsys.readouterr().err
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        write_shown(tmp_path / "gallery", tmp_path / "photos")
        with pytest.raises(SystemExit):
            call("serve", "--no-open", "--gallery", tmp_path / "gallery", "--port", port)
        assert "give --port" in capsys.readouterr().err


def test_the_log_is_json_without_names(shown):
    shown.drop("secret name.jpg", picture(77))
    shown.get("/v1/individuals?q=secretwords")
    lines = (shown.folder / "log" / "server.jsonl").read_text().splitlines()
    assert {"request", "started"} <= {json.loads(line)["event"] for line in lines}
    assert not any("secret" in line for line in lines)


@pytest.mark.parametrize(
    ("chances", "worth"),
    [([0.5, 0.5], 1.0), ([0.9, 0.05], 0.15), ([0.3, 0.2], 0.8), ([0.02, 0.01], 0.05), ([], 0.0)],
)
def test_what_is_close_is_worth_most(chances, worth):
    """The margin of the first two of all answers, nobody among them, by hand."""
    answer = {"candidates": [{"probability": p, "score": 1} for p in chances]}
    assert worth_of(answer) == pytest.approx(worth)


def test_numbers_in_names_are_sorted_as_numbers():
    names = ["animal 10", "Animal 2", "animal", "animal 2b", "2", "10"]
    assert sorted(names, key=natural) == ["2", "10", "animal", "Animal 2", "animal 2b", "animal 10"]
