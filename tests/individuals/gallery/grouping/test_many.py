"""Fifty thousand photos whose embeddings are there, in a process of its own."""

import subprocess
import sys

import pytest

_WORK = """
import sys
import numpy as np
from reid_jax.individuals.gallery.grouping.grouped import group
from reid_jax.individuals.gallery.grouping.near import nearest
from reid_jax.plan.memory import read_memory
individuals = int(sys.argv[1])
rng = np.random.default_rng(0)
whose = np.repeat(np.arange(individuals), 10)
z = rng.normal(size=(individuals, 256)).astype(np.float32)[whose]
z += 0.3 * rng.normal(size=z.shape).astype(np.float32)
z /= np.linalg.norm(z, axis=1, keepdims=True)
none = np.zeros((0, 2), np.int64)
nobody = np.full(len(z), -1)
near = nearest(z, "cosine")
found = group(near, "none", metric="cosine", whose=nobody, apart=none, together=none)
assert np.array_equal(np.unique(found.groups.of[::10]), np.arange(individuals))
assert (found.groups.of.reshape(-1, 10) == found.groups.of[::10, None]).all()
print(read_memory("VmHWM"))  # what getrusage says includes the process that started it
"""


def peak_gigabytes(individuals: int) -> float:
    """Of a process that groups ten photos each, and finds each individual."""
    command = [sys.executable, "-c", _WORK, str(individuals)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return int(done.stdout) / 1e9


@pytest.mark.exhaustive
def test_thousands_are_grouped_exactly():
    assert peak_gigabytes(300) < 2


@pytest.mark.acceptance
def test_fifty_thousand_photos_stay_below_four_gigabytes():
    assert peak_gigabytes(5_000) < 4
