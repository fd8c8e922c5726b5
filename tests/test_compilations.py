"""The platform that is compiled for decides, not the one that is there."""

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
