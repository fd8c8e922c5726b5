"""Colour, blur and erasing of one image (H, W, C), float32 in [0, 1]."""

import functools
import math

import chex
import jax
import jax.numpy as jnp
import numpy as np

_RGB_TO_YIQ = np.array(
    [[0.299, 0.587, 0.114], [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]]
)
LUMA = _RGB_TO_YIQ[0].astype(np.float32)  # ITU-R BT.601


def _in_rgb(yiq: list[list[float]]) -> np.ndarray:
    return (np.linalg.inv(_RGB_TO_YIQ) @ np.array(yiq) @ _RGB_TO_YIQ).astype(np.float32)


# A turn of the chroma plane by an angle, as a matrix on RGB: luma + cos * ... + sin * ...
_LUMA_PART = _in_rgb([[1, 0, 0], [0, 0, 0], [0, 0, 0]])
_COSINE_PART = _in_rgb([[0, 0, 0], [0, 1, 0], [0, 0, 1]])
_SINE_PART = _in_rgb([[0, 0, 0], [0, 0, -1], [0, 1, 0]])


def recolor(
    image: jax.Array,
    *,
    brightness: jax.Array | float = 1.0,
    contrast: jax.Array | float = 1.0,
    saturation: jax.Array | float = 1.0,
    hue: jax.Array | float = 0.0,
) -> jax.Array:
    """Colour changes, one after the other but in one pass; without clipping.

    Args:
      image: (H, W, C); saturation and hue need C = 3 and are passed over otherwise.
      brightness: factor of all values.
      contrast: factor of the distance to the image's mean luma.
      saturation: factor of the distance of each channel to the pixel's luma; 0 is grey.
      hue: rotation of the chroma plane of YIQ (1 is all the way round), which leaves luma as it is.
        Unlike a shift of HSV's hue it is linear, without seams at grey.
    """
    chex.assert_rank(image, 3)
    mean = brightness * jnp.mean(image, axis=(0, 1))
    if image.shape[2] != 3:
        return contrast * (brightness * image) + (1.0 - contrast) * jnp.mean(mean)
    offset = (1.0 - contrast) * jnp.sum(mean * LUMA)
    # Neither saturation nor hue changes a grey: what contrast adds to all channels can come last.
    angle = 2.0 * jnp.pi * jnp.asarray(hue, jnp.float32)
    cosine, sine = saturation * jnp.cos(angle), saturation * jnp.sin(angle)
    matrix = contrast * brightness * (_LUMA_PART + cosine * _COSINE_PART + sine * _SINE_PART)
    red, green, blue = (image[..., k : k + 1] * matrix[None, None, :, k] for k in range(3))
    return red + green + blue + offset


def gaussian_blur(image: jax.Array, sigma: jax.Array, radius: int) -> jax.Array:
    """Blur (H, W, C) with standard deviation `sigma` > 0 in pixels, cut off at `radius` pixels.

    Separable; beyond the border the nearest pixel. A sum of shifted images, because a convolution
    would need another kernel for each example.
    """
    chex.assert_rank([image, sigma], [3, 0])
    offset = jnp.arange(-radius, radius + 1, dtype=jnp.float32)
    weights = jnp.exp(-0.5 * jnp.square(offset / sigma))
    weights /= jnp.sum(weights)
    for axis in (0, 1):
        size = image.shape[axis]
        padding = [(radius, radius) if i == axis else (0, 0) for i in range(3)]
        # Without the barrier XLA computes all that led to the image again for every tap.
        padded = jax.lax.optimization_barrier(jnp.pad(image, padding, mode="edge"))
        image = functools.reduce(
            jnp.add,
            (
                weights[tap] * jax.lax.slice_in_dim(padded, tap, tap + size, axis=axis)
                for tap in range(2 * radius + 1)
            ),
        )
    return image


def noise(seed: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Bytes 0 ... 255, as uint32, of `shape`, from a `seed` (), uint32.

    The finaliser of MurmurHash3 (Appleby, public domain) on the number of each element: for filling
    pixels it is random enough, at a tenth of the price of the generator.
    """
    chex.assert_type(seed, jnp.uint32)
    bits = jax.lax.iota(jnp.uint32, math.prod(shape)) * np.uint32(0x9E3779B9) + seed
    bits = (bits ^ (bits >> 16)) * np.uint32(0x85EBCA6B)
    bits = (bits ^ (bits >> 13)) * np.uint32(0xC2B2AE35)
    return (bits >> 24).reshape(shape)


def erase(image: jax.Array, filling: jax.Array, box: jax.Array) -> jax.Array:
    """Put `filling` (H, W, C) into the rectangle `box` = (top, left, height, width) in pixels."""
    chex.assert_equal_shape([image, filling])
    chex.assert_shape(box, (4,))
    top, left, height, width = box
    y = jnp.arange(image.shape[0], dtype=box.dtype)[:, None, None]
    x = jnp.arange(image.shape[1], dtype=box.dtype)[None, :, None]
    inside = (y >= top) & (y < top + height) & (x >= left) & (x < left + width)
    return jnp.where(inside, filling, image)
