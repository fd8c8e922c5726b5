"""Where a frame is in time, as numbers a network can add to its features."""

import jax
import jax.numpy as jnp


def sinusoidal_positions(length: int, width: int) -> jax.Array:
    """Sines and cosines of geometrically growing wavelengths, (length, width) float32.

    Vaswani et al., "Attention is all you need" (NeurIPS 2017), section 3.5: column 2i is
    sin(t / 10000^(2i / width)), column 2i + 1 the cosine. Defined for every length.
    """
    columns = jnp.arange(width)
    wavelengths = 10_000.0 ** ((columns - columns % 2).astype(jnp.float32) / width)
    angles = jnp.arange(length, dtype=jnp.float32)[:, None] / wavelengths[None, :]
    return jnp.where((columns % 2 == 0)[None, :], jnp.sin(angles), jnp.cos(angles))
