"""Benchmarks: the rows, and that what is timed finds the same. No time is asserted."""

import dataclasses
import json
import mmap
import sys
import time

import jax
import numpy as np
import pytest

from reid_jax import UserError
from reid_jax.keyframes.net import KeyframeScorer
from reid_jax.plan import measure, memory, roofline
from scripts.bench import (
    beside,
    evaluation,
    files,
    head,
    input,
    keyframes,
    mining,
    peers_numpy,
    report,
    retrieval,
    run_suite,
    search,
)

TINY = (24, 90, 16, 7, 3)
KEYS = {"suite", "case", "device", "ours", "peer", "ratio_to_peer", "ratio_to_roofline"}
KEYS |= {"peak_memory_bytes", "compile_seconds", "unit", "spread", "date", "versions"}


def test_rows_beside_the_peers(monkeypatch):
    monkeypatch.setattr(retrieval, "PLAIN_QUERIES", 6)
    rows = retrieval.evaluation_rows(TINY, peer=True)
    assert len(rows) == 3
    for row in rows:
        assert row.keys() >= KEYS
        assert row["ratio_to_peer"] == pytest.approx(row["peer"] / row["ours"])
        assert row["map_difference"] <= retrieval.TOLERANCE
    assert [row["note"] for row in rows] == ["peer timed on 25.00% of it, scaled", None, None]
    lines = report.as_table(rows).splitlines()
    assert len(lines) == 2 + len(rows)
    note = lines[1].index("note")
    assert all(line[note - 2 : note].strip() == "" for line in lines[1:])


def test_what_was_not_measured_is_null():
    (row,) = retrieval.evaluation_rows(TINY)
    assert row.keys() >= KEYS
    assert row["peer"] is None
    assert row["ratio_to_peer"] is None
    assert json.loads(json.dumps(row)) == row
    assert " - " in report.as_table([row])


@pytest.mark.parametrize("identities", [7, 60])  # with 60, some queries have no match
@pytest.mark.parametrize("peer", ["plain_loop", "loop_over_queries", "vectorised"])
def test_the_peers_agree_with_ours_query_by_query(peer, identities):
    photos = retrieval.make_photos((40, 90, 64, identities, 3), 5)
    expected = retrieval.ours(photos)
    assert np.isnan(expected).any() == (identities == 60)
    np.testing.assert_allclose(getattr(peers_numpy, peer)(photos), expected, atol=1e-12)


def test_embeddings_have_exact_products():
    photos = retrieval.make_photos((40, 90, 512, 7, 3), 5)
    grid = photos.queries.astype(np.float64) * 16
    np.testing.assert_array_equal(grid, np.rint(grid))
    exact = photos.queries.astype(np.float64) @ photos.gallery.astype(np.float64).T
    np.testing.assert_array_equal(photos.queries @ photos.gallery.T, exact)


def test_a_peer_that_finds_something_else_is_not_compared(monkeypatch):
    monkeypatch.setattr(peers_numpy, "vectorised", lambda photos: np.ones(len(photos.queries)))
    with pytest.raises(UserError, match="vectorised NumPy argsort and evaluate_retrieval differ"):
        retrieval.evaluation_rows(TINY, peer=True)


def test_measure_takes_new_inputs_and_sees_compilation():
    double = jax.jit(lambda x: x * 2.0 + np.float32(0.125))
    measured = measure.measure(double, lambda seed: np.full(3, seed, np.float32))
    assert [float(result[0]) for result in measured.results] == [2 * i + 0.125 for i in range(6)]
    assert measured.compile_seconds > 0
    assert measured.work is None


@pytest.mark.parametrize("kernel", [True, False])
def test_the_peak_is_seen_with_and_without_the_kernels_help(kernel, monkeypatch):
    if kernel and not memory.kernel_keeps_peaks():
        pytest.skip("this kernel does not start its peak anew")
    if memory.read_memory("VmRSS") is None:
        pytest.skip("this system says nothing of a process's memory")
    monkeypatch.setattr(memory, "kernel_keeps_peaks", lambda: kernel)
    with memory.watch_peak() as peak, mmap.mmap(-1, 2**26) as pages:
        pages.write(b"1" * 2**26)
        time.sleep(0.05)  # the sampling thread sees what lasts
    assert peak.highest - peak.resident > 60 * 2**20


def test_memory_is_null_where_the_system_does_not_tell(monkeypatch, tmp_path):
    monkeypatch.setattr(memory, "_STATUS", tmp_path / "none")
    measured = measure.measure(lambda x: x, lambda seed: np.ones(1))
    assert measured.peak_memory_bytes is None


def test_work_memory_and_roofline_of_a_compiled_function():
    def product(a, b):
        return a @ b

    def inputs(seed):
        rng = np.random.default_rng(seed)
        return tuple(np.float32(rng.normal(size=(64, 64))) for _ in range(2))

    measured = measure.measure_compiled(product, inputs, keep=lambda c: float(c[0, 0]))
    a, b = inputs(3)
    assert measured.results[3] == pytest.approx(float((a @ b)[0, 0]), rel=1e-4, abs=1e-4)
    assert measured.work.operations == pytest.approx(2 * 64**3, rel=0.01)
    assert measured.work.bytes == pytest.approx(3 * 4 * 64**2, rel=0.01)
    assert measured.peak_memory_bytes >= 4 * 64**2
    limit = roofline.Ceilings(1e9, 1e9)
    assert roofline.attainable_seconds(roofline.Work(2e9, 3e9), limit) == 3.0
    assert roofline.attainable_seconds(roofline.Work(4e9, 3e9), limit) == 4.0


def test_ceilings_are_measured(monkeypatch):
    monkeypatch.setattr(roofline, "_SIZES", {"cpu": (32, 64), "accelerator": (32, 64)})
    limit = roofline.ceilings.__wrapped__("float32")
    assert limit.operations_per_second > 0
    assert limit.bytes_per_second > 0


PEER = """
import json, sys
import numpy as np
request = json.loads(sys.argv[1])
if request["what"] == "fail":
    raise MemoryError("too large")
losses = [float(np.load(path)["x"].sum()) for path in request["inputs"]]
print("noise of a library")
print(json.dumps({"seconds": 2.0, "spread": 0.1, "loss": losses, "versions": {"peer": "1"}}))
"""


@pytest.fixture
def peer(tmp_path, monkeypatch):
    """A peer that sums, in this Python."""
    folder = tmp_path / "scripts" / "bench" / "peers"
    folder.mkdir(parents=True)
    (folder / "total.py").write_text(PEER)
    monkeypatch.setattr(beside, "ROOT", tmp_path)
    monkeypatch.setenv("PEER_PYTHON", sys.executable)
    return lambda what: beside.run_peer(
        "total", {"what": what}, lambda seed: {"x": np.arange(seed + 1)}, repeats=2
    )


def test_a_peer_gets_the_inputs_of_every_call_and_is_compared(peer):
    theirs = peer("sum")
    assert theirs.loss == (0.0, 1.0, 3.0)
    assert beside.difference([0.0, 1.0, 3.0], theirs) == 0.0
    assert beside.difference([0.0, 1.0, 3.3], theirs) == pytest.approx(0.1)
    ours = measure.Measurement(4.0, 0.2, 100, 0.5, ())
    row = report.make_row("mining", "a", ours, theirs, attainable=1.0, loss_difference=0.1)
    assert row.keys() >= KEYS
    assert row["ratio_to_peer"] == 0.5
    assert row["ratio_to_roofline"] == 0.25
    assert row["versions"]["peer"] == "1"
    assert row["note"] == "losses differ by 0.1"
    rate = report.as_rate(row, 8, "images/s")
    assert (rate["ours"], rate["peer"], rate["ratio_to_peer"]) == (2.0, 4.0, 0.5)


def test_a_peer_that_fails_is_null_and_says_why(peer):
    theirs = peer("fail")
    ours = measure.Measurement(4.0, 0.2, None, 0.5, ())
    row = report.make_row("mining", "a", ours, theirs, loss_difference=float("nan"))
    assert row["peer"] is None
    assert row["ratio_to_peer"] is None
    assert row["note"] == "peer failed: MemoryError: too large"


def test_without_peers_the_way_to_them_is_named(peer, monkeypatch):
    monkeypatch.delenv("PEER_PYTHON")
    with pytest.raises(UserError, match="make peers"):
        peer("sum")


def test_kept_rows_replace_those_of_their_suite_only(tmp_path):
    file = tmp_path / "bench.json"
    report.keep([{"suite": "a", "ours": 1}, {"suite": "b", "ours": 2}], file)
    report.keep([{"suite": "a", "ours": 3}], file)
    assert json.loads(file.read_text()) == [{"suite": "b", "ours": 2}, {"suite": "a", "ours": 3}]
    file.write_text('{"suite": 1}')
    with pytest.raises(UserError, match="no list of benchmark rows"):
        report.keep([{"suite": "a"}], file)


def test_an_unknown_suite_is_named():
    with pytest.raises(UserError, match=r"no suite 'retrievel': use one of .*retrieval"):
        run_suite("retrievel", peer=False)


@pytest.fixture
def low_ceilings(monkeypatch):
    """Ceilings that need no measurement, where the suites look for them."""
    for suite in (head, keyframes, mining, search):
        monkeypatch.setattr(suite, "ceilings", lambda *_: roofline.Ceilings(1.0, 1.0))


needs_peers = pytest.mark.skipif(
    not (beside.ROOT / ".venv-peers" / "installed").is_file(), reason="make peers was not run"
)
WITH_PEERS = pytest.mark.parametrize("peer", [False, pytest.param(True, marks=needs_peers)])


def check(rows, peer, *, compared):
    """All keys, and losses that agree wherever the peer does the same."""
    assert len({row["case"] for row in rows}) == len(rows)
    for row in rows:
        assert row.keys() >= KEYS
        assert row["ours"] > 0
        assert json.loads(json.dumps(row)) == row
        if peer and compared(row):
            assert row["ratio_to_peer"] == pytest.approx(row["peer"] / row["ours"], rel=1e-6)
            assert row["loss_difference"] <= report.AGREEMENT
    report.as_table(rows)


@WITH_PEERS
@pytest.mark.usefixtures("low_ceilings")
def test_suite_mining(peer):
    rows = list(mining.run(dict.fromkeys(("hard", "semi_hard", "all"), ((32, 8),)), peer=peer))
    assert rows[0]["ratio_to_roofline"] == pytest.approx(2 * 32 * 32 * 8 / rows[0]["ours"])
    check(rows, peer, compared=lambda row: "semi_hard" not in row["case"])


@WITH_PEERS
@pytest.mark.usefixtures("low_ceilings")
def test_suite_head(peer, monkeypatch):
    ways = {
        "plain": head.WAYS["plain"],
        "chunked": dataclasses.replace(head.WAYS["chunked"], chunk=16),
        "sampled 10%": head.WAYS["sampled 10%"],
    }
    monkeypatch.setattr(head, "WAYS", ways)
    rows = list(head.run(dict.fromkeys(ways, (head.Size(50, 8, 4),)), peer=peer))
    assert rows[0]["peak_memory_bytes"] > 4 * 50 * 8
    check(rows, peer, compared=lambda row: "sampled" not in row["case"])


@WITH_PEERS
def test_suite_input(peer):
    rows = [input.decoding_row(input.Size(8, 64, 32, batch=4), peer=peer)]
    assert rows[0]["unit"] == "images/s"
    if peer:
        assert "mean pixels differ" in rows[0]["note"]
    check(rows, peer, compared=lambda row: False)


def test_training_and_embedding_from_files():
    case = files.Case("small_cnn", 16, batch=4, photos=12, width=32, steps=2)
    rows = [files.training_row(case), files.embedding_row(case)]
    check(rows, False, compared=lambda row: False)
    assert rows[0]["ratio_to_peer"] == pytest.approx(rows[0]["peer"] / rows[0]["ours"])
    assert rows[1]["unit"] == "images/s"


@WITH_PEERS
@pytest.mark.usefixtures("low_ceilings")
def test_search_and_reranking(peer):
    rows = [
        search.search_row(search.Search(200, 7, 8, 3), peer=peer),
        search.reranking_row(search.Reranking(10, 60, 8, 6), peer=peer),
    ]
    check(rows, peer, compared=lambda row: True)
    assert rows[1]["note"] == ("peer: NumPy as published, median of 3" if peer else None)


@WITH_PEERS
@pytest.mark.usefixtures("low_ceilings")
def test_suite_keyframes(peer):
    scorer = KeyframeScorer(
        width=8, depth=1, heads=2, head_dim=4, mlp=8, dual_head_dim=4, radius=3, hidden=8
    )
    epoch = keyframes.Epoch(videos=4, shortest=6, longest=30, clip=16, batch=2, features=5)
    sequence = keyframes.Sequence(frames=40, features=5)
    rows = keyframes.run(epoch, sequence, scorer, peer=peer, repeats=1)
    check(rows, peer, compared=lambda row: False)
    assert [row["unit"] for row in rows] == ["frames/s", "ms"]
    assert all(row["peak_memory_bytes"] > 0 for row in rows)
    if peer:
        assert rows[0]["ratio_to_peer"] == pytest.approx(rows[0]["ours"] / rows[0]["peer"])
        assert rows[1]["ratio_to_peer"] == pytest.approx(rows[1]["peer"] / rows[1]["ours"])
        assert all(row["loss_difference"] <= report.AGREEMENT for row in rows)


def test_a_report_is_measured_beside_embedding_its_photos(monkeypatch):
    pytest.importorskip("matplotlib")
    case = files.Case("small_cnn", 16, batch=4, photos=12, width=32)
    monkeypatch.setattr(files, "EMBEDDING", case)
    monkeypatch.setattr(files, "EMBEDDING_ELSEWHERE", case)
    size = evaluation.Size(60, 12, 8, files=5, width=40)
    (row,) = evaluation.run(size, peer=True)
    assert row.keys() >= KEYS
    assert row["case"] == "report of 60 photos, 12 individuals"
    assert row["ratio_to_peer"] == pytest.approx(row["peer"] / row["ours"])
    assert "peer timed on 20.00% of it, scaled" in row["note"]
