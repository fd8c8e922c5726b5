"""A journal that is brought from its file into a database: nothing is lost, whoever is killed."""

import random
import re
import shutil
import subprocess
import sys
import time

import pytest

from reid_jax.errors import UserError
from reid_jax.individuals.gallery import store
from reid_jax.individuals.gallery.decisions import Decisions
from reid_jax.individuals.gallery.journal import moving
from reid_jax.individuals.gallery.journal.journal import Journal
from reid_jax.individuals.gallery.stored.check import check
from reid_jax.individuals.gallery.stored.reading import form_of
from reid_jax.individuals.gallery.value import join
from tests.drawn_gallery import drawn, photo_id, write_drawn
from tests.paths import REPOSITORY
from tests.postgres import postgres


@pytest.fixture(scope="module")
def server():
    with postgres() as url:
        yield url.replace("postgresql:", "postgresql+psycopg:")


@pytest.fixture
def folder(tmp_path):
    made = write_drawn(tmp_path / "gallery", ["Luna", "Luna", "Tom"])
    decisions = Decisions(made, "ann")
    decisions.rename("Luna", "Lúna <b>")
    decisions.note("a 'scar'; --", individual="Tom")
    decisions.undo()
    return made


def said(folder) -> list[object]:
    return [(*vars(each).values(),) for each in Decisions(folder).read_since()]


def test_all_of_it_is_in_the_database_and_found_there(folder, server):
    before = said(folder)
    assert store.move_journal(folder, server) == len(before)
    assert form_of(folder).journal == server
    assert said(folder) == before
    assert Decisions(folder).confirm(photo_id(0), "Tom") == len(before) + 1
    store.update_gallery(folder, lambda g: join(g, drawn(["Bo"], 9)))
    assert len(said(folder)) == len(before) + 2
    assert not check(folder).wrong
    assert store.move_journal(folder, server) is None
    with pytest.raises(UserError, match=r"is at .* already"):
        store.move_journal(folder, server + "&application_name=other")


def test_who_had_the_file_open_decides_nothing_there(folder, server):
    late = Decisions(folder, "late")
    form = late._now
    store.move_journal(folder, server)
    old = Journal.in_file(folder / form.journal, form.gallery)
    with pytest.raises(UserError, match="was brought into a database; try again"):
        old.undo(old.position, "late")
    late.confirm(photo_id(0), "Tom")
    assert said(folder)[-1][2] == "late"


def test_a_move_that_was_interrupted_is_made_again(folder, server):
    before = said(folder)
    form = form_of(folder)
    moving.move(folder / form.journal, server, form.gallery)  # killed before it is remembered
    assert said(folder) == before
    with pytest.raises(UserError, match="say --database once more"):
        Decisions(folder, "ann").confirm(photo_id(0), "Tom")
    assert store.move_journal(folder, server) == len(before)
    Decisions(folder, "ann").confirm(photo_id(0), "Tom")
    assert said(folder)[: len(before)] == before


def test_a_database_that_knows_more_is_not_overwritten(folder, server, tmp_path):
    """As when a copy of the gallery's folder from before the move is put back."""
    shutil.copytree(folder, tmp_path / "copy")
    store.move_journal(folder, server)
    Decisions(folder, "ann").confirm(photo_id(0), "Tom")
    known = said(folder)
    with pytest.raises(UserError, match="holds other decisions about this gallery"):
        store.move_journal(tmp_path / "copy", server)
    assert said(folder) == known
    Decisions(tmp_path / "copy", "ann").confirm(photo_id(1), "Tom")  # goes on in its file


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("mysql://a@b/c", "is no database; write"),
        ("sqlite:///x.db", "is no database; write"),
        ("postgresql://a:secret@b/c", "A password is neither written down"),
        ("postgresql://nobody@127.0.0.1:1/none", "cannot be used"),
    ],
)
def test_a_database_that_cannot_be_used_changes_nothing(folder, url, sentence):
    pytest.importorskip("psycopg")
    before = said(folder)
    with pytest.raises(UserError, match=sentence):
        store.move_journal(folder, url)
    assert said(folder) == before
    Decisions(folder, "ann").confirm(photo_id(0), "Tom")


DECIDES = """
import sys
from pathlib import Path
from reid_jax.individuals.gallery.decisions import Decisions
from reid_jax.errors import UserError
for number in range(10**9):
    try:
        Decisions(Path(sys.argv[1])).confirm("0" * 16, f"m{number}", new=True)
        print(f"m{number}", flush=True)
    except UserError as error:
        assert "into a database" in str(error), error
"""
MOVES = """
import sys
from pathlib import Path
from reid_jax.individuals.gallery.store import move_journal
print("ready", flush=True)
move_journal(Path(sys.argv[1]), sys.argv[2])
"""


def running(program: str, *words: object) -> subprocess.Popen:
    command = [sys.executable, "-c", program, *map(str, words)]
    return subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("kills", [1, pytest.param(30, marks=pytest.mark.acceptance)])
def test_a_kill_while_it_is_moved_and_others_decide_loses_nothing(tmp_path, server, kills):
    for turn in range(kills):
        folder = write_drawn(tmp_path / str(turn), ["Luna", "Luna"])
        decides = running(DECIDES, folder)
        decides.stdout.readline()
        moves = running(MOVES, folder, server)
        moves.stdout.readline()
        time.sleep(random.uniform(0, 0.4))
        moves.kill()
        moves.wait()
        store.move_journal(folder, server)
        time.sleep(0.2)
        decides.kill()
        lines = decides.communicate()[0].splitlines()
        entries = Decisions(folder).read_since()
        assert [each.number for each in entries] == list(range(1, len(entries) + 1))
        names = [
            change.after
            for each in entries
            for change in each.changes
            if re.fullmatch(r"m\d+", change.after or "")
        ]
        assert len(names) == len(set(names))
        assert {"m0", *(line for line in lines if line)} <= set(names)
        assert not check(folder).wrong
