"""Real kills of those who add to a gallery and decide about it: what was acknowledged is there."""

import random
import subprocess
import sys
import time

import pytest

from reid_jax.individuals.gallery.decisions import Decisions
from reid_jax.individuals.gallery.stored.check import check
from reid_jax.individuals.gallery.stored.reading import read_gallery
from tests.drawn_gallery import photo_id, write_drawn
from tests.paths import REPOSITORY
from tests.postgres import postgres

ADDS = """
import dataclasses, sys
from pathlib import Path
import numpy as np
from reid_jax.individuals.gallery.store import update_gallery
from reid_jax.individuals.gallery.value import join
from tests.drawn_gallery import drawn
folder = Path(sys.argv[1])
for number in range(int(sys.argv[2]), 10**9):
    name = f"n{number}"
    update_gallery(folder, lambda g: join(g, drawn([name] * 3, 3 * number)))
    print(name, flush=True)
    if number % 2:
        rest = lambda g: g.take(np.flatnonzero(g.identities != name))
        update_gallery(folder, rest, "remove")
        print("-" + name, flush=True)
    elif number % 3 == 0:
        other = {"number": np.array([number])}
        update_gallery(folder, lambda g: dataclasses.replace(g, reference=other))
"""
DECIDES = """
import sys
from pathlib import Path
from reid_jax.individuals.gallery.decisions import Decisions
decisions = Decisions(Path(sys.argv[1]))
for number in range(int(sys.argv[2]), 10**9):
    decisions.confirm("0" * 16, f"m{number}", new=True)
    print(f"m{number}", flush=True)
"""


@pytest.fixture(scope="module")
def server():
    with postgres() as url:
        yield url


def running(program: str, folder, first: int) -> subprocess.Popen:
    words = [sys.executable, "-c", program, str(folder), str(first)]
    return subprocess.Popen(words, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)


def acknowledged(process: subprocess.Popen) -> list[str]:
    """The lines that a killed process wrote, but for one that was cut off."""
    said = process.communicate()[0]
    return said[: said.rfind("\n") + 1].split()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
@pytest.mark.parametrize("kills", [1, pytest.param(50, marks=pytest.mark.acceptance)])
def test_a_kill_while_photos_are_added_and_decided_on_loses_nothing(tmp_path, request, kind, kills):
    journal = request.getfixturevalue("server") if kind == "postgresql" else ""
    folder = write_drawn(tmp_path / "gallery", ["Luna", "Luna"], journal=journal)
    there: set[str] = set()
    for turn in range(kills):
        first = 1 + 1000 * turn
        processes = [running(program, folder, first) for program in (ADDS, DECIDES)]
        for process in processes:
            process.stdout.readline()
        time.sleep(random.uniform(0, 0.3))
        for process in random.sample(processes, 2):
            process.kill()
        added, decided = (acknowledged(process) for process in processes)
        there |= {name for name in added if not name.startswith("-")} | {f"n{first}"}
        there -= {name[1:] for name in added if name.startswith("-")}
        # Of the last number it may have done more than it could say.
        last = max((int(name.strip("-n")) for name in added), default=first)
        loose = {f"n{last}", f"n{last + 1}"}
        now = read_gallery(folder)
        assert (
            there - loose
            <= set(now.identities)
            <= there
            | loose
            | {
                "Luna",
                now.identities[0],
            }
        )
        there = {name for name in now.identities if name.startswith("n")}
        names = {each.after for e in Decisions(folder).history(photo_id(0)) for each in e.changes}
        assert {f"m{first}", *decided} <= names
        assert check(folder).wrong == ()
