"""Eight CPU devices, strict dtype and rank promotion, for every test."""

import gc
import os
import sys
from pathlib import Path

from tests.devices import QUICK, xla_flags

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# What one test has compiled no other compiles again: not the next, nor one in the other worker, in
# a child or in the next session. Two thirds of the tests' time is the compiler's.
os.environ.setdefault(
    "JAX_COMPILATION_CACHE_DIR", str(Path(__file__).parents[1] / "build" / "compilations")
)
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
# Compiling takes longer than running here; `make acceptance` compiles and draws as users do.
if os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1") == "1":
    if QUICK not in os.environ.get("XLA_FLAGS", ""):
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {QUICK}"
    os.environ.setdefault("MATPLOTLIBRC", str(Path(__file__).with_name("matplotlibrc")))
os.environ["REID_JAX_CACHE_GB"] = "0"  # what an earlier program embedded says nothing of this one
if "xla_force_host_platform_device_count" not in os.environ.get("XLA_FLAGS", ""):
    os.environ["XLA_FLAGS"] = xla_flags(8)

import jax
import pytest

from reid_jax import console, files
from reid_jax.plan.memory import read_memory

# Galleries answer by the network alone, but for the tests that ask for `opencv`.
sys.modules["cv2"] = None  # type: ignore[assignment]
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")


@pytest.fixture(autouse=True)
def told():
    """A command's `-q` ends with its test."""
    yield
    console.be_quiet(False)


_MOST = 5e9  # bytes; what is compiled for all files of tests is twice as much


@pytest.fixture(scope="module", autouse=True)
def forgetful():
    """What was compiled for a file of tests is given back after it, where it has become much."""
    yield
    if (read_memory("VmRSS") or 0) > _MOST:
        jax.clear_caches()
        gc.collect()


@pytest.fixture(scope="module")
def opencv():
    """Local features can be found."""
    sys.modules.pop("cv2", None)
    yield pytest.importorskip("cv2", reason="OpenCV is not installed")
    sys.modules["cv2"] = None


@pytest.fixture
def cache(monkeypatch, tmp_path):
    """An empty folder in the place of the user's cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    files._cache.cache_clear()
    yield tmp_path / "cache"
    files._cache.cache_clear()


@pytest.fixture
def key() -> jax.Array:
    return jax.random.key(0)
