"""The suites that train: small, with their peers where these are installed. No time is asserted."""

import gzip

import numpy as np
import pytest

from reid_jax.errors import UserError
from scripts.bench import epoch, fashion_mnist, startup, step
from scripts.bench.beside import ROOT

PEERS = (ROOT / ".venv-peers" / "bin" / "python").is_file()
needs_peers = pytest.mark.skipif(not PEERS, reason="make peers has not been run")
TINY = step.Case("small_cnn", 16, 1, "triplet", 8)


@pytest.fixture
def clothes(tmp_path, monkeypatch):
    """A few random photos in the format of the real files."""
    random = np.random.default_rng(0)
    for split, number in (("train", 256), ("t10k", 40)):
        for kind, shape in (("images-idx3", (number, 28, 28)), ("labels-idx1", (number,))):
            values = random.integers(0, 256 if len(shape) > 1 else 10, shape, np.uint8)
            head = bytes([0, 0, 8, len(shape)]) + np.array(shape, ">i4").tobytes()
            path = tmp_path / f"{split}-{kind}-ubyte.gz"
            path.write_bytes(gzip.compress(head + values.tobytes()))
    monkeypatch.setenv("FASHION_MNIST", str(tmp_path))


@pytest.mark.exhaustive
def test_a_step_is_measured():
    (row,) = step.run((TINY,), repeats=1)
    assert row["ours"] > 0
    assert row["peak_memory_bytes"] > 0
    assert row["share_not_network"] < 1
    assert "not the network" in row["note"]


@needs_peers
@pytest.mark.parametrize(
    "case", [TINY, step.Case("small_cnn", 16, 3, "arcface", 8)], ids=["triplet", "arcface"]
)
def test_the_peer_finds_the_same_loss_with_the_same_weights(case):
    (row,) = step.run((case,), peer=True, repeats=1)
    assert row["peer"] > 0, row["note"]
    assert row["loss_difference"] < 1e-4


def test_epochs_are_measured(clothes, monkeypatch):
    monkeypatch.setattr(epoch, "PAIRS", 32)
    (row,) = epoch.run(peer=PEERS)
    assert row["ours"] > 0
    assert 0 <= row["quality"] <= 1
    if PEERS:
        assert row["peer"] > 0, row["note"]


def test_neighbours_vote():
    gallery = np.array([[0.0, 0.0]] * 3 + [[1.0, 0.0]] * 3 + [[9.0, 9.0]], np.float32)
    train = fashion_mnist.Clothes(np.zeros((7, 1)), np.array([2, 2, 2, 5, 5, 5, 7], np.int32))
    test = np.array([[0.1, 0.0], [0.9, 0.0]], np.float32)
    trained = epoch.Trained((), 0.0, 0, test, gallery)
    right = fashion_mnist.Clothes(np.zeros((2, 1)), np.array([2, 5], np.int32))
    wrong = fashion_mnist.Clothes(np.zeros((2, 1)), np.array([5, 5], np.int32))
    assert epoch.neighbours_agree(trained, train, right) == 1.0
    assert epoch.neighbours_agree(trained, train, wrong) == 0.5


def test_missing_files_are_named(tmp_path, monkeypatch):
    monkeypatch.setenv("FASHION_MNIST", str(tmp_path))
    with pytest.raises(UserError, match=r"train-images-idx3-ubyte\.gz is not there"):
        fashion_mnist.load_clothes("train")


@pytest.mark.exhaustive
def test_a_start_is_faster_from_the_cache_in_what_it_compiles():
    cold, cached = startup.run((TINY,), repeats=1)
    assert cold["case"].endswith("cold")
    assert cached["case"].endswith("cached")
    assert 0 < cached["compile_seconds"] < cold["compile_seconds"]
