"""A fixture for files of tests that compile a lot: import it, and it is used."""

import jax
import pytest


@pytest.fixture(scope="module", autouse=True)
def quick_compilations(tmp_path_factory):
    """Compiles less well and, what another test of the file has compiled, not again."""
    changed = {
        "jax_disable_most_optimizations": True,
        "jax_compilation_cache_dir": str(tmp_path_factory.mktemp("compilations")),
        "jax_persistent_cache_min_compile_time_secs": 0.0,
    }
    before = {name: jax.config.values[name] for name in changed}
    for name, value in changed.items():
        jax.config.update(name, value)
    yield
    for name, value in before.items():
        jax.config.update(name, value)
