"""Eight CPU devices, strict dtype and rank promotion, for every test."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
if "xla_force_host_platform_device_count" not in os.environ.get("XLA_FLAGS", ""):
    os.environ["XLA_FLAGS"] = (
        os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=8"
    )

import jax
import pytest

from reid_jax import files

jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")


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
