"""Crop, flip, affine map and elastic deformation of an image, in one bilinear resampling."""

from typing import Literal, NamedTuple

import chex
import jax
import jax.numpy as jnp

Border = Literal["reflect", "edge"]


class Geometry(NamedTuple):
    """Where each pixel of the result comes from; scalars, float32. The default is the identity.

    A pixel's offset from the centre of the result, plus `displacement`, goes through the affine
    map (the picture seems scaled by `scale`, sheared, rotated, then moved), the flip, and the crop.
    """

    rotation: jax.Array | float = 0.0  # radians, counter-clockwise
    shear: jax.Array | float = 0.0  # radians
    scale: jax.Array | float = 1.0
    shift_y: jax.Array | float = 0.0  # fraction of the height
    shift_x: jax.Array | float = 0.0  # fraction of the width
    flip: jax.Array | bool = False
    crop_height: jax.Array | float = 1.0  # fraction of the height
    crop_width: jax.Array | float = 1.0
    crop_top: jax.Array | float = 0.5  # 0: topmost crop, 1: lowest
    crop_left: jax.Array | float = 0.5


def coordinates(
    geometry: Geometry, height: int, width: int, displacement: jax.Array | None = None
) -> tuple[jax.Array, jax.Array]:
    """Source row and column, float32, of each pixel of the result: (H, W) both.

    They are (H, 1) and (1, W) where rotation and shear are left at the number 0.0 and there is no
    `displacement`, as nothing then mixes rows and columns.

    `displacement` (H, W, 2), in pixels (rows, columns), is the elastic deformation.
    """
    y = jnp.arange(height, dtype=jnp.float32)[:, None] - (height - 1) / 2
    x = jnp.arange(width, dtype=jnp.float32)[None, :] - (width - 1) / 2
    if displacement is not None:
        chex.assert_shape(displacement, (height, width, 2))
        y, x = y + displacement[..., 0], x + displacement[..., 1]

    y, x = y - geometry.shift_y * height, x - geometry.shift_x * width
    if not _is_zero(geometry.rotation):
        cosine, sine = jnp.cos(geometry.rotation), jnp.sin(geometry.rotation)
        y, x = cosine * y + sine * x, cosine * x - sine * y
    if not _is_zero(geometry.shear):
        x = x - jnp.tan(geometry.shear) * y
    y, x = y / geometry.scale, x / geometry.scale
    x = jnp.where(geometry.flip, -x, x)

    spare_y, spare_x = (1.0 - geometry.crop_height) * height, (1.0 - geometry.crop_width) * width
    y = geometry.crop_height * y + spare_y * (geometry.crop_top - 0.5)
    x = geometry.crop_width * x + spare_x * (geometry.crop_left - 0.5)
    y, x = y + (height - 1) / 2, x + (width - 1) / 2
    if _is_zero(geometry.rotation) and _is_zero(geometry.shear) and displacement is None:
        return y, x
    return jnp.broadcast_to(y, (height, width)), jnp.broadcast_to(x, (height, width))


def _is_zero(angle: jax.Array | float) -> bool:
    return isinstance(angle, float) and angle == 0.0


def resample(image: jax.Array, y: jax.Array, x: jax.Array, border: Border = "reflect") -> jax.Array:
    """`image` (H, W, C), any dtype, at rows `y` and columns `x` -> (h, w, C) float32.

    `y` and `x` are (h, w) both, or (h, 1) and (1, w): then a TPU, where each gathered pixel costs
    a loop's turn, takes two matrix products instead, equal to float32's accuracy.

    Bilinear. Outside of the image, its mirror image ("reflect") or its nearest pixel ("edge").

    Raises AssertionError on wrong ranks.
    """
    chex.assert_rank([image, y, x], [3, 2, 2])
    y, x = _inside(y, image.shape[0], border), _inside(x, image.shape[1], border)
    if y.shape[1] == x.shape[0] == 1:
        return jax.lax.platform_dependent(image, y, x, tpu=_products, default=_gathers)
    # Kept, or each of four gathers computes them again, or keeps more.
    return _gathers(image, *jax.lax.optimization_barrier((y, x)))


def _gathers(image: jax.Array, y: jax.Array, x: jax.Array) -> jax.Array:
    height, width, channels = image.shape
    top, bottom, down = _neighbours(y, height)
    left, right, along = _neighbours(x, width)
    pixels = image.reshape(height * width, channels)

    def at(row: jax.Array, column: jax.Array) -> jax.Array:
        return pixels[row * width + column].astype(jnp.float32)

    upper = at(top, left) * (1.0 - along) + at(top, right) * along
    lower = at(bottom, left) * (1.0 - along) + at(bottom, right) * along
    return upper * (1.0 - down) + lower * down


def _products(image: jax.Array, y: jax.Array, x: jax.Array) -> jax.Array:
    """Each row of a matrix holds the two weights of a position."""
    matrices = [
        jnp.maximum(1.0 - jnp.abs(at[:, None] - jnp.arange(size, dtype=jnp.float32)[None, :]), 0.0)
        for at, size in ((y[:, 0], image.shape[0]), (x[0], image.shape[1]))
    ]
    pixels = image.astype(jnp.float32)
    pixels = jnp.einsum("hH,HWc->hWc", matrices[0], pixels, precision="highest")
    return jnp.einsum("wW,hWc->hwc", matrices[1], pixels, precision="highest")


def smooth_displacement(noise: jax.Array, height: int, width: int) -> jax.Array:
    """`noise` (G, G, 2) on a coarse grid -> (H, W, 2), interpolated smoothly (cubic)."""
    return jax.image.resize(noise, (height, width, 2), "cubic")


def _inside(position: jax.Array, size: int, border: Border) -> jax.Array:
    """Positions within the image, where border pixels stand for what is beyond."""
    last = size - 1
    if border == "reflect":
        position = last - jnp.abs(jnp.mod(position, max(2 * last, 1)) - last)
    return jnp.clip(position, 0.0, last)


def _neighbours(position: jax.Array, size: int) -> tuple[jax.Array, jax.Array, jax.Array]:
    below = jnp.floor(position)
    index = below.astype(jnp.int32)
    return index, jnp.minimum(index + 1, size - 1), (position - below)[..., None]
