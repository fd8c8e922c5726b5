"""What the suites measure: all of it in a session, repeated enough, within the memory there is."""

import os
import re
import subprocess
import sys

import pytest

from reid_jax import UserError
from reid_jax.plan import memory, roofline
from scripts.bench import SUITES, files, keyframes, retrieval, search
from tests.paths import REPOSITORY


def test_sessions_on_a_gpu_measure_what_it_is_for():
    session = (REPOSITORY / "scripts" / "gpu_session.sh").read_text()
    measured = re.findall(r"\bbench (\w+) \d+\b", session)
    assert measured == ["step", "epoch", "mining", "head", "input", "retrieval", "search"]
    assert set(measured) < set(SUITES)


@pytest.mark.exhaustive
@pytest.mark.parametrize("which", ["first", "second"])
def test_a_session_is_tried_out_on_a_cpu(which, tmp_path):
    environment = {**os.environ, "SMOKE": "1", "OUT": str(tmp_path), "PYTHON": sys.executable}
    session = REPOSITORY / "scripts" / "gpu_session.sh"
    done = subprocess.run(
        [session, which], env=environment, capture_output=True, text=True, check=True
    )
    summary = (tmp_path / f"summary.{which}.txt").read_text()
    assert "FAILED" not in summary, done.stdout
    assert "ok in" in summary
    assert (tmp_path / f"logs.{which}.tar.gz").stat().st_size > 100


def test_searches_keep_to_the_memory_there_is(monkeypatch, capsys):
    assert [size.gallery for size in retrieval.SEARCHES] == [10**4, 10**5, 10**6]
    assert search.LARGEST.bytes == 4 * 512 * 10**7
    monkeypatch.setattr(search, "ceilings", lambda *_: roofline.Ceilings(1.0, 1.0))
    small = search.Search(200, 7, 8, 3)  # 6,400 bytes
    monkeypatch.setattr(search, "available_memory", lambda: 3 * 6_400)
    (row,) = search.run(small, peer=True)
    assert row["suite"] == "search"
    assert row["peer"] is None
    assert "peer left out: it needs 2.6e-05 GB, more than half" in row["note"]
    monkeypatch.setattr(search, "available_memory", lambda: 3 * 6_400 - 1)
    with pytest.raises(UserError, match=r"top 3 of 200 x 8, 7 queries: it needs 0\.0 GB of memory"):
        search.run(small)
    monkeypatch.setattr(search, "available_memory", lambda: None)
    assert search.no_room(search.LARGEST) == ""
    monkeypatch.setattr(search, "available_memory", lambda: 10**5)
    for name in ("RERANKINGS", "SEARCHES"):
        monkeypatch.setattr(retrieval, name, (small, search.LARGEST) if name[0] == "S" else ())
    for name in ("embedding_row", "evaluation_rows"):
        where = files if name == "embedding_row" else retrieval
        monkeypatch.setattr(where, name, lambda *_, **__: [])
    rows = retrieval.run()
    assert len(rows) == 2
    assert "left out: top 10 of 10,000,000 x 512" in capsys.readouterr().out


def test_the_machine_says_what_memory_is_left(monkeypatch, tmp_path):
    if sys.platform == "linux":
        assert 10**7 < memory.available_memory() < 10**14
    monkeypatch.setattr(memory, "_MACHINE", tmp_path / "none")
    assert memory.available_memory() is None


def test_the_keyframe_suite_takes_the_median_of_five_or_more(monkeypatch):
    asked = []
    for name in ("epoch_row", "sequence_row"):
        monkeypatch.setattr(keyframes, name, lambda *_, peer, repeats: asked.append(repeats))
    keyframes.run()
    assert min(asked) >= 5
