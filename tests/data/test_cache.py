"""What commands keep for each other: a file in the cache that may break."""

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from reid_jax.commands import machine, main
from reid_jax.data import cache as kept
from reid_jax.data.digests import file_digest
from reid_jax.data.photos import checks
from reid_jax.errors import UserError

VALUE = bytes(range(256)) * 16


@pytest.fixture(autouse=True)
def on(cache, monkeypatch):
    monkeypatch.setenv(kept.LIMIT, "1")
    monkeypatch.setattr(kept, "_without", set())


def key(number):
    return number.to_bytes(16, "big")


def some(*numbers):
    return {key(number): VALUE + key(number) for number in numbers}


def there(*numbers):
    return sorted(int.from_bytes(each, "big") for each in kept.found([key(n) for n in numbers]))


def test_what_is_kept_is_found_by_its_key_alone(cache):
    assert kept.found([key(1)]) == {}
    assert not cache.exists()  # looking makes nothing
    kept.keep(some(*range(1200)))
    assert kept.found([key(n) for n in (5, 1100, 1200)]) == some(5, 1100)
    kept.keep({key(5): b"other"})
    assert kept.found([key(5)]) == {key(5): b"other"}


def test_what_was_not_used_for_longest_goes_first(monkeypatch):
    kept.keep(some(*range(100)))
    with contextlib.closing(sqlite3.connect(kept.cache_file())) as base, base:
        base.execute("UPDATE entry SET used = id")  # long ago, in this order
    assert there(3, 7) == [3, 7]  # used now
    monkeypatch.setenv(kept.LIMIT, "0.0003")
    kept.keep(some(100))
    left = there(*range(101))
    assert {3, 7, 100} < set(left)
    others = sorted(set(left) - {3, 7, 100})
    assert others
    assert others == list(range(others[0], 100))
    with contextlib.closing(sqlite3.connect(kept.cache_file())) as base:
        assert kept._size(base) <= 300_000


def test_nothing_is_kept_with_a_limit_of_nothing(monkeypatch, cache):
    kept.keep(some(1))
    monkeypatch.setenv(kept.LIMIT, "0")
    assert there(1) == []
    kept.keep(some(2))
    monkeypatch.setenv(kept.LIMIT, "1")
    assert there(1, 2) == [1]
    monkeypatch.setenv(kept.LIMIT, "much")
    with pytest.raises(UserError, match="'much'; it is a number of gigabytes"):
        kept.keep(some(2))


@pytest.mark.parametrize("content", [b"no database at all " * 300, b""])
def test_a_foreign_file_in_its_place_is_no_obstacle(content, capsys, monkeypatch):
    kept.keep(some(1))
    kept.cache_file().write_bytes(content)
    assert there(1) == []
    monkeypatch.setattr(kept, "_without", set())  # the next command
    kept.keep(some(1))
    assert there(1) == [1]
    assert len(capsys.readouterr().out.splitlines()) == bool(content)


def test_a_database_of_another_program_is_left_as_it_is(capsys):
    kept.cache_file().parent.mkdir(parents=True)
    with contextlib.closing(sqlite3.connect(kept.cache_file())) as base, base:
        base.execute("CREATE TABLE theirs (id)")
    before = kept.cache_file().read_bytes()
    kept.keep(some(1))
    assert there(1) == []
    assert kept.cache_file().read_bytes() == before
    assert "is not used: it is a database of another program" in capsys.readouterr().out
    kept.clear()  # a person says so
    assert not kept.cache_file().exists()


@pytest.mark.parametrize("seed", range(6))
def test_damage_anywhere_never_gives_other_values(seed, monkeypatch):
    kept.keep(some(*range(200)))
    content = bytearray(kept.cache_file().read_bytes())
    rng = np.random.default_rng(seed)
    for place in rng.integers(len(content), size=10 ** (seed % 3)):
        content[place] ^= int(rng.integers(1, 256))
    kept.cache_file().write_bytes(content[: len(content) // (1 + seed % 2)])
    found = kept.found([key(n) for n in range(200)])
    assert found.items() <= some(*range(200)).items()
    kept.keep(some(*range(200)))
    for _ in range(2):
        monkeypatch.setattr(kept, "_without", set())
        kept.keep(some(*range(200)))
    assert kept.found([key(n) for n in range(200)]) == some(*range(200))


def test_a_folder_that_cannot_be_written_to_is_no_obstacle(capsys):
    kept.keep(some(1))
    file = kept.cache_file()
    file.unlink()
    file.mkdir()
    kept.keep(some(1))
    assert there(1) == []
    assert "is not used: unable to open" in capsys.readouterr().out


def opening_with(monkeypatch, pragma):
    """Connections as they are where the system refuses to write; root may write everywhere."""
    opened = kept._opened

    def limited(file):
        base = opened(file)
        base.execute(f"PRAGMA {pragma}")
        return base

    monkeypatch.setattr(kept, "_opened", limited)


def test_what_may_only_be_read_is_read(monkeypatch, capsys):
    kept.keep(some(1))
    with contextlib.closing(sqlite3.connect(kept.cache_file())) as base, base:
        base.execute("UPDATE entry SET used = 0")
    opening_with(monkeypatch, "query_only = 1")
    assert there(1) == [1]
    assert capsys.readouterr().out == ""
    kept.keep(some(2))
    assert "is not used: attempt to write a readonly database" in capsys.readouterr().out


def test_a_full_disk_is_no_obstacle(capsys):
    kept.keep(some(1))
    with contextlib.closing(sqlite3.connect(kept.cache_file())) as base:
        pages = base.execute("PRAGMA page_count").fetchone()[0]
    with pytest.MonkeyPatch.context() as patch:
        opening_with(patch, f"max_page_count = {pages + 2}")
        kept.keep(some(*range(2, 50)))
    assert "is full" in capsys.readouterr().out
    kept._without.clear()
    assert there(*range(50)) == [1]


WRITER = """
import sys
from tests.data.test_cache import kept, some
start = int(sys.argv[1])
print("ready", flush=True)
for n in range(start, start + int(sys.argv[2])):
    kept.keep(some(*range(20 * n, 20 * n + 20)))
"""


def writer(start, number):
    words = [sys.executable, "-c", WRITER, str(start), str(number)]
    return subprocess.Popen(words, stdout=subprocess.PIPE)


def test_processes_and_threads_keep_at_once():
    others = [writer(0, 10), writer(5, 10)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: kept.keep(some(*range(20 * n, 20 * n + 20))), range(15, 25)))
    assert [other.wait() for other in others] == [0, 0]
    assert len(there(*range(600))) == 500


def test_who_is_killed_leaves_it_usable():
    for number in range(3):
        killed = writer(1000 * number, 1000)
        killed.stdout.readline()
        time.sleep(0.05 + 0.1 * number)
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        kept.keep(some(7))
        assert there(7) == [7]
    numbers = range(60_000)
    assert kept.found([key(n) for n in numbers]).items() <= some(*numbers).items()


def test_the_commands_say_what_is_there_and_forget_it(capsys, monkeypatch):
    kept.keep(some(1, 2))
    machine.cache_info()
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("2 rows in 0.0 MB: ")
    assert second.startswith("at most 1 GB")
    machine.cache_clear()
    assert there(1, 2) == []
    machine.cache_clear()
    machine.cache_info()
    assert "0 rows in" in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", ["reid-jax", "--no-cache", "--help"])
    with contextlib.suppress(SystemExit):
        main.main()
    assert kept.limit() == 0


def test_a_file_is_digested_and_decoded_once_until_it_changes(tmp_path, monkeypatch):
    paths = [str(tmp_path / f"{n}.png") for n in range(3)]
    for n, path in enumerate(paths):
        Image.new("RGB", (20, 20), (n, 0, 0)).save(path)
    read = []
    monkeypatch.setattr(checks, "file_digest", lambda path: read.append(path) or file_digest(path))
    first = checks.check_images(paths)[1].tolist()
    assert checks.check_images(paths)[1].tolist() == first
    assert sorted(read) == sorted(2 * paths)  # times of young files say little
    monkeypatch.setattr(checks, "_YOUNG", -1)
    checks.check_images(paths)
    read.clear()
    reasons, digests = checks.check_images(paths)
    assert (reasons, digests.tolist(), read) == ([None] * 3, first, [])
    facts = os.stat(paths[0])
    Image.new("RGB", (20, 20), (9, 0, 0)).save(paths[0])
    os.utime(paths[0], ns=(facts.st_atime_ns, facts.st_mtime_ns))  # as `cp -p` would
    (tmp_path / "2.png").write_bytes(b"no picture")
    reasons, digests = checks.check_images(paths)
    assert digests[0] == file_digest(paths[0]) != first[0]
    assert digests[1] == first[1]
    assert reasons[2] is not None
    assert read == paths[:1]
