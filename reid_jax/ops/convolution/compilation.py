"""How a network is compiled for the default backend."""

from reid_jax.compilations import target
from reid_jax.ops.convolution.lax import cpu_compiler_options


def compiler_options() -> dict[str, str]:
    """Options for `jax.jit(compiler_options=...)` of a network, the same as for its training."""
    return cpu_compiler_options() if target() == "cpu" else {}
