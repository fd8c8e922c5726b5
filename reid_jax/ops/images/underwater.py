"""What a stretch of water does to a photo: it takes away red first, and adds a bluish veil.

Image formation after McGlamery (1980) and Jaffe (1990), in the form that Akkaynak & Treibitz, "A
revised underwater image formation model" (CVPR 2018), start from:

    I_c = J_c exp(-b_c z) + B_c (1 - exp(-b_c z))

Coefficients: Jerlov, "Marine Optics" (1976), table XXVII: the diffuse attenuation of downwelling
light in the water types I, IA, IB, II, III (open ocean, clear to turbid), 1C and 3C (coast), at
600, 525 and 475 nm, about where cameras' red, green and blue peak.

What is approximated:
- One wavelength stands for each broad channel, and the image is used as if it were linear light.
- Diffuse attenuation stands for the beam attenuation along the line of sight, which is larger
  (absorption and scattering of the types: Solonenko & Mobley, Applied Optics 54, 2015): a metre
  here is less than a metre in the sea.
- Akkaynak & Treibitz show that the direct signal and the backscatter have different coefficients,
  both changing with distance; here they are one constant, as in the older model.
- One distance z for all of the photo, and no blur by forward scattering.
- The veil is b E_c(depth) / b_c with a scattering b that is equal for all channels, scaled to a
  given brightness.
"""

import chex
import jax
import jax.numpy as jnp
import numpy as np

# 1/m at 600, 525, 475 nm. Type by type: I, IA, IB, II, III, 1C, 3C.
JERLOV = np.array(
    [
        [0.235, 0.043, 0.018],
        [0.240, 0.048, 0.025],
        [0.245, 0.054, 0.033],
        [0.260, 0.076, 0.062],
        [0.295, 0.116, 0.116],
        [0.300, 0.130, 0.170],
        [0.330, 0.200, 0.290],
    ],
    np.float32,
)


def attenuation(water_type: jax.Array) -> jax.Array:
    """Position among the water types, from 0 (type I) to 6 (3C), any fraction -> (3,) 1/m."""
    chex.assert_rank(water_type, 0)
    # The weights of linear interpolation; a search among the types would be a loop on a device.
    types = jnp.arange(len(JERLOV), dtype=jnp.float32)
    weights = jnp.maximum(1.0 - jnp.abs(water_type - types), 0.0)
    return jnp.sum(weights[:, None] * JERLOV, axis=0)


def veil(attenuation: jax.Array, depth: jax.Array, brightness: jax.Array) -> jax.Array:
    """Colour (3,) of far water `depth` metres below the surface; its strongest channel is
    `brightness`."""
    color = jnp.exp(-attenuation * depth) / attenuation
    return brightness * color / jnp.max(color)


def underwater(
    image: jax.Array, attenuation: jax.Array, veil: jax.Array, distance: jax.Array
) -> jax.Array:
    """`image` (H, W, 3) in [0, 1] seen through `distance` metres of water -> (H, W, 3) in [0, 1].

    `attenuation` (3,) in 1/m and `veil` (3,) in [0, 1]; a distance of 0 is the identity.

    Raises AssertionError on wrong ranks or an image that is not in colour.
    """
    chex.assert_rank([image, attenuation, veil, distance], [3, 1, 1, 0])
    chex.assert_axis_dimension(image, 2, 3)
    transmitted = jnp.exp(-attenuation * distance)[None, None, :]
    return image * transmitted + veil[None, None, :] * (1.0 - transmitted)
