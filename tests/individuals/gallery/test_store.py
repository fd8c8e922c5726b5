"""A gallery on disk: whole after every kill, one writer at a time, damage named."""

import contextlib
import fcntl
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from reid_jax import UserError, locks
from reid_jax.files import as_text
from reid_jax.individuals.gallery import store
from reid_jax.individuals.gallery.store import update_gallery, write_gallery
from reid_jax.individuals.gallery.stored.reading import form_of, read_gallery
from reid_jax.individuals.gallery.value import join
from tests.gallery_writer import numbered
from tests.paths import REPOSITORY

KILLS = int(os.environ.get("REID_KILLS", "8"))
"""How often a writer is killed; REID_KILLS=500 for a thorough run."""


def assert_whole(gallery) -> int:
    number = gallery.settings["number"]
    expected = numbered(number)
    np.testing.assert_array_equal(gallery.paths, expected.paths)
    np.testing.assert_array_equal(gallery.identities, expected.identities)
    np.testing.assert_array_equal(gallery.columns["camera"], expected.columns["camera"])
    np.testing.assert_array_equal(gallery.embeddings, expected.embeddings)
    np.testing.assert_array_equal(gallery.thumbnails, expected.thumbnails)
    return number


def assert_nothing_else(folder) -> None:
    form = form_of(folder)
    names = {path.name for path in folder.iterdir()}
    counts = {form.generation.name, form.settings.name, form.journal}
    assert names == {"CURRENT", ".lock", *counts}


def test_a_writer_killed_at_any_point_leaves_the_old_or_the_new_gallery(tmp_path):
    folder = tmp_path / "gallery"
    write_gallery(folder, numbered(0))
    for _ in range(KILLS):
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.gallery_writer", str(folder)],
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(random.uniform(0, 0.06))
        process.send_signal(signal.SIGKILL)
        written = process.communicate()[0].split()
        last = int(written[-1]) if written else 0
        assert assert_whole(read_gallery(folder)) in (last, last + 1)
    write_gallery(folder, numbered(3))
    assert_nothing_else(folder)


def test_what_a_writer_left_that_was_killed_while_it_looked_at_the_place_is_removed(
    tmp_path, monkeypatch
):
    folder = tmp_path / "gallery"
    folder.mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(os, "rmdir", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            write_gallery(folder, numbered(1))
    assert len(list(folder.iterdir())) == 1
    write_gallery(folder, numbered(2))
    assert_nothing_else(folder)


@pytest.mark.parametrize("step", range(1, 12))
def test_a_write_that_fails_at_any_system_call_leaves_the_old_one(tmp_path, monkeypatch, step):
    """A full disk at the n-th call, instead of a kill."""
    folder = tmp_path / "gallery"
    write_gallery(folder, numbered(1))
    calls = 0

    def failing(function):
        def call(*arguments, **options):
            nonlocal calls
            calls += 1
            if calls == step:
                raise OSError(28, "No space left on device")
            return function(*arguments, **options)

        return call

    for name in ("fsync", "replace", "mkdir"):
        monkeypatch.setattr(os, name, failing(getattr(os, name)))
    with contextlib.suppress(UserError):
        write_gallery(folder, numbered(2))
    monkeypatch.undo()
    assert assert_whole(read_gallery(folder)) in (1, 2)
    write_gallery(folder, numbered(3))
    assert assert_whole(read_gallery(folder)) == 3


def test_readers_never_see_a_mixture_while_it_is_written(tmp_path):
    write_gallery(tmp_path / "gallery", numbered(0))
    stop = threading.Event()

    def write():
        number = 1
        while not stop.is_set():
            write_gallery(tmp_path / "gallery", numbered(number))
            number += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        seen = [assert_whole(read_gallery(tmp_path / "gallery")) for _ in range(60)]
    finally:
        stop.set()
        writer.join()
    assert seen == sorted(seen)


def test_a_second_writer_waits_for_the_first_and_says_so(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "gallery"
    write_gallery(folder, numbered(1))
    said = threading.Event()
    monkeypatch.setattr(locks, "_PATIENCE", 0.0)
    monkeypatch.setattr(
        "builtins.print", lambda *words, **_: said.set() if "waiting" in words[0] else 0
    )
    second = threading.Thread(target=write_gallery, args=(folder, numbered(2)))
    with open(folder / ".lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        second.start()
        assert said.wait(60)
        assert assert_whole(read_gallery(folder)) == 1
    second.join()
    assert assert_whole(read_gallery(folder)) == 2


def test_a_gallery_in_a_folder_that_a_group_shares_can_be_changed_by_the_group(tmp_path):
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o2775)
    before = os.umask(0o022)
    try:
        write_gallery(shared / "gallery", numbered(1))
        write_gallery(tmp_path / "alone", numbered(1))
    finally:
        os.umask(before)
    for path in (shared / "gallery", *(shared / "gallery").rglob("*")):
        assert path.stat().st_mode & 0o060 == 0o060, path
    for path in (tmp_path / "alone", *(tmp_path / "alone").rglob("*")):
        assert path.stat().st_mode & 0o020 == 0, path


def test_a_second_writer_says_after_a_while_who_holds_the_gallery(tmp_path, monkeypatch):
    folder = tmp_path / "gallery"
    write_gallery(folder, numbered(1))
    monkeypatch.setattr(store, "PATIENCE", 0.2)
    with (
        locks.locked(folder / ".lock", "waiting"),
        pytest.raises(UserError, match=rf"is held by process {os.getpid()} on .*; try again"),
    ):
        write_gallery(folder, numbered(2))
    assert assert_whole(read_gallery(folder)) == 1
    write_gallery(folder, numbered(2))


def test_changes_of_several_writers_all_count(tmp_path):
    folder = tmp_path / "gallery"
    write_gallery(folder, numbered(0))

    def add(number):
        update_gallery(folder, lambda g: join(g, numbered(number)))

    writers = [threading.Thread(target=add, args=(number,)) for number in range(1, 6)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert set(read_gallery(folder).identities) == {f"n{i}" for i in range(6)}


def test_nobody_waits_while_another_one_changes_and_a_change_that_came_late_is_made_anew(tmp_path):
    folder = tmp_path / "gallery"
    write_gallery(folder, numbered(0))
    seen = []

    def change(gallery):
        seen.append(gallery.settings["number"])
        if len(seen) == 1:
            write_gallery(folder, numbered(1))  # would wait for ever for this very writer
        return join(gallery, numbered(2))

    update_gallery(folder, change)
    assert seen == [0, 1]
    assert set(read_gallery(folder).identities) == {"n1", "n2"}


def test_what_stays_as_it_is_is_not_written(tmp_path):
    folder = tmp_path / "gallery"
    write_gallery(folder, numbered(1))
    update_gallery(folder, lambda gallery: gallery)
    assert (folder / "generation-000001").is_dir()


def test_joining_fills_in_what_one_does_not_know(tmp_path):
    dates = np.array(["2020-05-06T07:08:09"] * 61, "datetime64[s]")
    first, second = numbered(1), numbered(2)
    first.columns["date"] = dates
    del second.columns["camera"]
    write_gallery(tmp_path / "gallery", join(first, second))
    both = read_gallery(tmp_path / "gallery")
    assert len(both) == 61 + 62
    assert both.columns["date"][60] == dates[0]
    assert np.isnat(both.columns["date"][61:]).all()
    assert (both.columns["camera"][61:] == "").all()


def test_names_that_are_not_unicode_are_stored(tmp_path):
    gallery = numbered(1)
    odd = ["a\nb", "☃ 💧", as_text("\udcff"), "", " "]
    gallery.paths[: len(odd)] = odd
    write_gallery(tmp_path / "gallery", gallery)
    assert read_gallery(tmp_path / "gallery").paths[: len(odd)].tolist() == odd


def test_damage_is_named(tmp_path):
    folder = tmp_path / "gallery"
    with pytest.raises(UserError, match="There is no gallery"):
        read_gallery(folder)
    folder.mkdir()
    with pytest.raises(UserError, match="is not a gallery"):
        read_gallery(folder)
    with pytest.raises(UserError, match="is not a gallery"):
        update_gallery(folder, lambda g: g)
    (folder / "mine.txt").write_text("precious")
    with pytest.raises(UserError, match="is not a gallery"):
        write_gallery(folder, numbered(1))
    (folder / "mine.txt").unlink()

    for name in ("embeddings.npy", "photos.parquet", "gallery.json"):
        for damage in (
            lambda path: path.unlink(),
            lambda path: path.write_bytes(b""),
            lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
            lambda path: path.write_bytes(b"[]" * 500),
        ):
            write_gallery(folder, numbered(1))
            form = form_of(folder)
            damage((form.generation if name == "gallery.json" else form.segment(1)) / name)
            with pytest.raises(UserError, match="is damaged"):
                read_gallery(folder)
    write_gallery(folder, numbered(1))
    path = folder / (folder / "CURRENT").read_text().strip() / "gallery.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "version": 99}))
    with pytest.raises(UserError, match="newer reid_jax"):
        read_gallery(folder)
    for text in ("", "../../etc", "generation-000009"):
        (folder / "CURRENT").write_text(text)
        with pytest.raises(UserError, match="is damaged"):
            read_gallery(folder)
