"""Real kills of those who embed a gallery anew, while others add to it and decide about it."""

import random
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest

from reid_jax.individuals.gallery.decisions import Decisions
from reid_jax.individuals.gallery.store import write_gallery
from reid_jax.individuals.gallery.stored.check import check
from reid_jax.individuals.gallery.stored.reading import read_gallery
from tests.drawn_gallery import drawn, photo_id
from tests.individuals.gallery.test_kills import DECIDES, acknowledged, running
from tests.paths import REPOSITORY

NETWORKS = """
import sys
from dataclasses import replace
from pathlib import Path
import numpy as np
from reid_jax.errors import UserError
from reid_jax.individuals.gallery.anew.generations import renew, stored_photos
from reid_jax.individuals.gallery.decisions import Decisions
folder = Path(sys.argv[1])
for number in range(int(sys.argv[2]), 10**9):
    def by_it(photos):
        z = np.full((len(photos), number % 7 + 2), number, np.float32)
        columns = {**photos.columns, "trained": np.full(len(photos), "no")}
        return replace(photos, embeddings=z, columns=columns, reference={"n": np.array([number])})
    photos, state = stored_photos(folder, "ann")
    settings = {"fingerprint": str(number), "metric": "cosine", "sources": [], "calibration": {}}
    renew(folder, by_it(photos), settings, state.names_changed, by_it, "ann")
    print(number, flush=True)
    if number % 3 == 0:
        try:
            decisions = Decisions(folder, "ann")
            decisions.undo([e.number for e in decisions.read_since() if e.kind == "reembed"][-1])
        except UserError:  # photos came
            pass
assert "jax" not in sys.modules
"""
ADDS = """
import sys
from dataclasses import replace
from pathlib import Path
import numpy as np
from reid_jax.individuals.gallery.store import update_gallery
from reid_jax.individuals.gallery.value import join
from tests.drawn_gallery import drawn
folder = Path(sys.argv[1])
def added(gallery):
    fresh = drawn([name] * 3, 3 * number)
    z = np.full((3, gallery.embeddings.shape[1]), int(gallery.settings["fingerprint"]), np.float32)
    return join(gallery, replace(fresh, embeddings=z))
for number in range(int(sys.argv[2]), 10**9):
    name = f"n{number}"
    update_gallery(folder, added)
    print(name, flush=True)
"""


def begun(folder):
    gallery = drawn(["Luna", "Luna"])
    settings = {**gallery.settings, "fingerprint": "0"}
    z = np.zeros((2, 2), np.float32)
    write_gallery(folder, replace(gallery, embeddings=z, settings=settings))
    return folder


@pytest.mark.parametrize("kills", [2, pytest.param(50, marks=pytest.mark.acceptance)])
@pytest.mark.parametrize("others", [(DECIDES,), (DECIDES, ADDS)])
def test_a_kill_leaves_the_old_embeddings_or_the_new_ones_whole(tmp_path, kills, others):
    folder = begun(tmp_path / "gallery")
    there = {"Luna"}
    for turn in range(kills):
        first = 1 + 1000 * turn
        processes = [running(program, folder, first) for program in (NETWORKS, *others)]
        for process in processes:
            process.stdout.readline()
        time.sleep(random.uniform(0, 0.3))
        for process in random.sample(processes, len(processes)):
            process.kill()
        said = [acknowledged(process) for process in processes]
        gallery = read_gallery(folder, marked=True)
        number = int(gallery.settings["fingerprint"])
        assert gallery.embeddings.shape == (len(gallery), number % 7 + 2)
        assert (np.asarray(gallery.embeddings) == number).all()
        assert gallery.reference.get("n", np.array([0])).tolist() == [number]
        last = int(said[0][-1]) if said[0] else first
        assert number in (last, last + 1) or last % 3 == 0  # then it may have been taken back
        names = {each.after for e in Decisions(folder).history(photo_id(0)) for each in e.changes}
        assert {f"m{first}", *said[1]} <= names
        there |= {f"n{first}", *said[2]} if len(said) > 2 else set()
        assert there - {"Luna"} <= set(gallery.identities.tolist())
        assert check(folder).wrong == ()


def test_who_is_killed_before_it_is_in_the_history_is_named_there_later(tmp_path):
    folder = begun(tmp_path / "gallery")
    program = NETWORKS.replace(
        "folder = Path(sys.argv[1])",
        "import os\n"
        "from reid_jax.individuals.gallery.anew import generations\n"
        "generations.append = lambda *_: os._exit(9)\n"
        "folder = Path(sys.argv[1])",
    )
    words = [sys.executable, "-c", program, str(folder), "1"]
    assert subprocess.run(words, cwd=REPOSITORY).returncode == 9
    assert read_gallery(folder).settings["fingerprint"] == "1"
    decisions = Decisions(folder, "ben")
    assert [each.kind for each in decisions.read_since()] == ["build"]
    decisions.undo()
    assert [each.kind for each in decisions.read_since()] == ["build", "reembed", "undo"]
    assert read_gallery(folder).settings["fingerprint"] == "0"
    assert check(folder).wrong == ()
