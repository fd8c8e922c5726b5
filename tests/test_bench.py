"""Benchmarks: the rows, and that what is timed finds the same. No time is asserted."""

import json

import jax
import numpy as np
import pytest

from reid_jax import UserError
from reid_jax.bench import measure, peers_numpy, report, retrieval, run_suite

TINY = (24, 90, 16, 7, 3)
KEYS = {"suite", "case", "device", "ours", "peer", "ratio_to_peer", "ratio_to_roofline"}
KEYS |= {"peak_memory_bytes", "compile_seconds", "unit", "spread", "date", "versions"}


def test_rows_beside_the_peers(monkeypatch):
    monkeypatch.setattr(retrieval, "PLAIN_QUERIES", 6)
    rows = retrieval.run(TINY, peer=True)
    assert len(rows) == 3
    for row in rows:
        assert row.keys() >= KEYS
        assert row["ratio_to_peer"] == pytest.approx(row["peer"] / row["ours"])
        assert row["map_difference"] <= retrieval.TOLERANCE
    assert [row["note"] for row in rows] == ["peer timed on 25.00% of it, scaled", None, None]
    lines = report.as_table(rows).splitlines()
    assert len(lines) == 2 + len(rows)
    assert len({len(line) for line in lines[1:]}) == 1


def test_what_was_not_measured_is_null():
    (row,) = retrieval.run(TINY)
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
        retrieval.run(TINY, peer=True)


def test_measure_takes_new_inputs_and_sees_memory_and_compilation():
    double = jax.jit(lambda x: x * 2.0 + np.float32(0.125))

    def call(inputs):
        np.ones(2**23)  # 64 MiB
        return double(inputs)

    measured = measure.measure(call, lambda seed: np.full(3, seed, np.float32))
    assert [float(result[0]) for result in measured.results] == [2 * i + 0.125 for i in range(6)]
    assert measured.compile_seconds > 0
    assert measured.peak_memory_bytes is None or measured.peak_memory_bytes > 60 * 2**20


def test_kept_rows_replace_those_of_their_suite_only(tmp_path):
    file = tmp_path / "bench.json"
    report.keep([{"suite": "a", "ours": 1}, {"suite": "b", "ours": 2}], file)
    report.keep([{"suite": "a", "ours": 3}], file)
    assert json.loads(file.read_text()) == [{"suite": "b", "ours": 2}, {"suite": "a", "ours": 3}]
    file.write_text('{"suite": 1}')
    with pytest.raises(UserError, match="no list of benchmark rows"):
        report.keep([{"suite": "a"}], file)


def test_an_unknown_suite_is_named():
    with pytest.raises(UserError, match="no suite 'retrievel': use one of retrieval"):
        run_suite("retrievel", peer=False)
