"""The barrier changes how a gradient is computed on a CPU, not the gradient."""

import jax
import jax.numpy as jnp
import numpy as np

from reid_jax.ops.convolution.gradient_barrier import gradient_barrier


def f(x: jax.Array) -> jax.Array:
    return jnp.sum(jnp.sin(gradient_barrier(jnp.square(x))))


def test_values_and_gradients_are_those_without_it(key: jax.Array) -> None:
    x = jax.random.normal(key, (3, 4))
    np.testing.assert_array_equal(gradient_barrier(x), x)
    expected = 2 * x * jnp.cos(jnp.square(x))
    np.testing.assert_allclose(jax.jit(jax.grad(f))(x), expected, rtol=1e-6)
    np.testing.assert_allclose(jax.vmap(jax.grad(f))(x), expected, rtol=1e-6)


def test_only_a_cpu_is_held_up() -> None:
    traced = jax.jit(jax.grad(f)).trace(jnp.ones((3, 4)))
    assert "optimization_barrier" in traced.lower(lowering_platforms=("cpu",)).as_text()
    for other in ("cuda", "tpu"):
        assert "optimization_barrier" not in traced.lower(lowering_platforms=(other,)).as_text()
