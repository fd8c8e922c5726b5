"""Disks, clocks, databases and photos that fail while people decide."""

import sqlite3
import subprocess
import sys
import threading
import time

import pytest

from reid_jax.app.arrivals import Arrivals, UnwrittenError
from reid_jax.app.desk import Desk
from reid_jax.app.logs import Log, Numbers
from reid_jax.app.places import Places
from reid_jax.individuals.gallery.decisions import Decisions
from reid_jax.individuals.gallery.store import move_journal
from tests.app.conftest import write_shown
from tests.app.running import picture, serving
from tests.doors import call
from tests.paths import REPOSITORY
from tests.postgres import postgres


@pytest.fixture
def arrivals(tmp_path):
    made = Arrivals(tmp_path / "arrivals.sqlite")
    made.add("0" * 32, "photo", "a.jpg", ".jpg", 1)
    yield made
    made.close()


@pytest.mark.parametrize(
    ("trouble", "over", "sentence"),
    [
        ("PRAGMA max_page_count=1", "PRAGMA max_page_count=1000000", "is full"),
        ("PRAGMA query_only=1", "PRAGMA query_only=0", "readonly"),
    ],
)
def test_a_disk_that_takes_nothing_loses_nothing(arrivals, tmp_path, trouble, over, sentence):
    """As SQLite itself refuses; what it took before is there, and it goes on when there is room."""
    arrivals._base.execute(trouble)
    long = "x" * 1_000_000
    for _ in range(2):
        with pytest.raises(UnwrittenError, match=sentence):
            arrivals.change("0" * 32, "decided", {"decision": {"name": "Ada", "who": long}})
        assert arrivals.one("0" * 32).state == "received"
    arrivals._base.execute(over)
    assert arrivals.change("0" * 32, "decided", {"decision": {"name": "Ada", "who": long}})
    again = Arrivals(tmp_path / "arrivals.sqlite")
    assert again.one("0" * 32).state == "decided"
    again.close()


class Embedder:
    """Takes note of what it is asked."""

    def __init__(self):
        self.asked = []

    def ask(self, request, seconds):
        self.asked.append(request)
        return {}


@pytest.mark.parametrize(("hours", "filed"), [(1, True), (-1, True), (0, False)])
def test_a_clock_that_is_set_back_delays_no_decision(tmp_path, hours, filed):
    """A decision waits twenty seconds for others, not until the clock is where it was."""
    places = Places(tmp_path)
    places.prepare()
    arrivals, log = Arrivals(places.arrivals), Log(places.log)
    desk = Desk(places, arrivals, type("Shelf", (), {"folder": tmp_path})(), log, Numbers())
    desk._embedder = Embedder()
    arrivals.add("0" * 32, "photo", "a.jpg", ".jpg", 1)
    decision = {"name": "Ada", "who": "ann", "new": False, "when": time.time() + 3600 * hours}
    arrivals.change("0" * 32, "decided", {"decision": decision})
    assert desk._file() == filed
    assert len(desk._embedder.asked) == filed
    arrivals.close()
    log.close()


def test_photos_that_are_unplugged_are_shown_small_and_named_by_the_check(tmp_path, capsys):
    write_shown(tmp_path / "gallery", tmp_path / "photos")
    check = "serve", "--check", "--gallery", tmp_path / "gallery", "--folder", tmp_path / "server"
    with serving(tmp_path / "server", "--gallery", tmp_path / "gallery") as running:
        drop = running.drop("a.jpg", picture(1)).json()["id"]
        running.until(lambda: running.files()["a.jpg"]["state"] == "readable")
        call(*check)
        page = running.get("/individual?name=Alma").body.decode()
        shown = page.partition("/pictures/")[2].partition('"')[0].partition("/")[2]
        (tmp_path / "photos").rename(tmp_path / "elsewhere")
        assert running.get(f"/pictures/large/{shown}").status == 200
        body = {"name": "Alma", "text": "decided meanwhile"}
        assert running.ask("POST", "/v1/gallery/note", body).status == 200
        with pytest.raises(SystemExit):
            call(*check)
        assert "is not there" in capsys.readouterr().out
        (tmp_path / "elsewhere").rename(tmp_path / "photos")
        call(*check)
        assert "1 photo of the page" in capsys.readouterr().out
        place = tmp_path / "server" / "photos" / f"{drop}.jpg"
        place.write_bytes(b"another one")
        with pytest.raises(SystemExit):
            call(*check)
        assert "another content" in capsys.readouterr().out
        place.unlink()
        with pytest.raises(SystemExit):
            call(*check)
        assert "was dropped and is not there" in capsys.readouterr().out


def test_a_damaged_list_of_what_was_dropped_is_said(tmp_path, capsys):
    write_shown(tmp_path / "gallery", tmp_path / "photos")
    (tmp_path / "gallery.app").mkdir()
    (tmp_path / "gallery.app" / "arrivals.sqlite").write_bytes(b"no database " * 500)
    with pytest.raises(SystemExit):
        call("serve", "--check", "--gallery", tmp_path / "gallery")
    said = capsys.readouterr()
    assert "is damaged" in said.out
    assert "What was dropped" in said.err


def test_connections_to_postgresql_that_are_cut_lose_nothing(tmp_path):
    """Decisions go on as PostgreSQL ends every connection again and again, as a restart does."""
    write_shown(tmp_path / "gallery", tmp_path / "photos")
    with postgres() as url:
        import psycopg

        move_journal(tmp_path / "gallery", url)
        ended = threading.Event()

        def cut() -> None:
            with psycopg.connect(url, autocommit=True) as connection:
                while not ended.wait(0.01):
                    connection.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                        "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
                    )

        with serving(tmp_path / "server", "--gallery", tmp_path / "gallery") as running:
            cutting = threading.Thread(target=cut)
            cutting.start()
            said, refused = {}, 0
            end = time.monotonic() + 8
            while time.monotonic() < end:
                word = f"word {len(said)} {refused}"
                body = {"name": "Alma", "text": word}
                reply = running.ask("POST", "/v1/gallery/note", body)
                assert reply.status in (200, 422), reply.body
                if reply.status == 200:
                    said[reply.json()["number"]] = word
                refused += reply.status != 200
            ended.set()
            cutting.join()
            assert (
                running.ask("POST", "/v1/gallery/note", {"name": "Alma", "text": "x"}).status == 200
            )
        entries = Decisions(tmp_path / "gallery").read_since()
        assert [each.number for each in entries] == list(range(1, len(entries) + 1))
        found = {each.number: each.changes[0].after for each in entries}
        assert said.items() <= found.items()
        assert refused


def test_quick_check_is_that_of_sqlite(tmp_path):
    """A page of the file that is overwritten is found, though the file opens."""
    made = Arrivals(tmp_path / "arrivals.sqlite")
    for number in range(300):
        made.add(f"{number:032x}", "photo", "a" * 100, ".jpg", 1)
    made.close()
    content = bytearray((tmp_path / "arrivals.sqlite").read_bytes())
    content[8192:12288] = bytes(4096)
    (tmp_path / "arrivals.sqlite").write_bytes(content)
    from reid_jax.app.whole import check_waiting

    assert sqlite3.connect(tmp_path / "arrivals.sqlite").execute("SELECT 1").fetchone() == (1,)
    _, wrong = check_waiting(Places(tmp_path))
    assert wrong


OPENS = """
import os, sqlite3, sys
from pathlib import Path
import reid_jax.app.arrivals as module
left = [int(sys.argv[2])]
def traced(statement):
    left[0] -= 1
    if left[0] < 0:
        os.kill(os.getpid(), 9)
def connect(*words, **more):
    base = sqlite3.Connection(*words, **more)
    base.set_trace_callback(traced)
    return base
module.sqlite3.connect = connect
module.Arrivals(Path(sys.argv[1]))
print("opened")
"""


def test_a_kill_before_any_statement_of_a_migration_loses_nothing(tmp_path):
    """A list of the first form, brought up to date by who is killed earlier and later."""
    done, statements = False, 0
    while not done:
        place = tmp_path / f"{statements}.sqlite"
        base = sqlite3.connect(place)
        base.execute(
            "CREATE TABLE arrivals (id TEXT PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL, "
            "ending TEXT NOT NULL, bytes INTEGER NOT NULL, came REAL NOT NULL, state TEXT NOT NULL,"
            " worth REAL NOT NULL, changed INTEGER NOT NULL, about TEXT NOT NULL)"
        )
        row = (
            "0" * 32,
            "photo",
            "a",
            ".jpg",
            1,
            1.0,
            "decided",
            0.0,
            1,
            '{"decision":{"name":"Ada"}}',
        )
        base.execute("INSERT INTO arrivals VALUES (?,?,?,?,?,?,?,?,?,?)", row)
        base.execute("PRAGMA user_version=1")
        base.commit()
        base.close()
        command = [sys.executable, "-c", OPENS, str(place), str(statements)]
        found = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
        done = found.stdout == "opened\n"
        assert done or found.returncode == -9, found.stderr
        again = Arrivals(place)
        assert again.names(["decided"]) == {"Ada": 1}
        again.close()
        statements += 1
    assert statements > 8
