"""Compiled programs: the platform asked for decides, and caches are shared in silence."""

import os
import subprocess
import sys

import jax
import jax.numpy as jnp

from reid_jax.compilations import compiling_for, target


def test_what_was_traced_for_one_platform_is_not_taken_for_another():
    @jax.jit
    def number(x):
        return x + {"cpu": 1, "gpu": 2}[target()]

    assert target() == jax.default_backend() == "cpu"
    assert number(0) == 1
    with compiling_for("gpu"):
        assert number(0) == 2
        assert jax.jit(lambda x: number(x))(0) == 2
        assert jax.vmap(number)(jnp.zeros(2, int)).tolist() == [2, 2]
    assert number(0) == 1


HALVES = """
import os, pathlib, jax
from reid_jax.compilations import keep_compilations
keep_compilations()
for _ in range(2):
    print(jax.jit(lambda x: x + 1)(1.0))
    jax.clear_caches()
    for entry in pathlib.Path(os.environ["JAX_COMPILATION_CACHE_DIR"]).glob("*-cache"):
        os.truncate(entry, 50)
        print("half")
"""


def test_what_another_process_has_written_half_is_compiled_and_not_warned_of(tmp_path):
    environment = {**os.environ, "JAX_COMPILATION_CACHE_DIR": str(tmp_path)}
    words, both = [sys.executable, "-c", HALVES], subprocess.STDOUT
    said = subprocess.check_output(words, stderr=both, env=environment, text=True)
    assert {"2.0", "half"} <= set(said.split())
    assert "UserWarning:" not in said  # libraries of absent devices may say something, too
