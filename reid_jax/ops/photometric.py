"""Colour, blur and erasing of one image (H, W, C), float32 in [0, 1]."""

import chex
import jax
import jax.numpy as jnp
import numpy as np

LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601
_RGB_TO_YIQ = np.array(
    [[0.299, 0.587, 0.114], [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]]
)
_YIQ_TO_RGB = np.linalg.inv(_RGB_TO_YIQ)


def adjust_brightness(image: jax.Array, factor: jax.Array) -> jax.Array:
    """Multiply by `factor`."""
    return image * factor


def adjust_contrast(image: jax.Array, factor: jax.Array) -> jax.Array:
    """Spread the values around the image's mean luma by `factor`."""
    mean = jnp.mean(luma(image))
    return mean + factor * (image - mean)


def adjust_saturation(image: jax.Array, factor: jax.Array) -> jax.Array:
    """Spread the channels of each pixel around its luma by `factor`; 0 is grey."""
    grey = luma(image)
    return grey + factor * (image - grey)


def adjust_hue(image: jax.Array, turns: jax.Array) -> jax.Array:
    """Rotate the chroma plane of YIQ by `turns` (1 is all the way round): luma stays.

    Linear, unlike a shift of HSV's hue, so it has no seams at grey and costs one 3 x 3 product.
    """
    chex.assert_axis_dimension(image, 2, 3)
    angle = 2.0 * jnp.pi * turns
    cosine, sine = jnp.cos(angle), jnp.sin(angle)
    one, zero = jnp.ones_like(angle), jnp.zeros_like(angle)
    rotation = jnp.stack(
        [
            jnp.stack([one, zero, zero]),
            jnp.stack([zero, cosine, -sine]),
            jnp.stack([zero, sine, cosine]),
        ]
    )
    matrix = _multiply(_multiply(jnp.float32(_YIQ_TO_RGB), rotation), jnp.float32(_RGB_TO_YIQ))
    return _multiply(image, matrix.T)


def gaussian_blur(image: jax.Array, sigma: jax.Array) -> jax.Array:
    """Blur with standard deviation `sigma` > 0 in pixels; at the border the weights are rescaled.

    Two matrix products, because `sigma` differs between examples: a convolution would need a kernel
    for each of them.
    """
    chex.assert_rank([image, sigma], [3, 0])
    rows, columns = (_blur_matrix(size, sigma) for size in image.shape[:2])
    precision = jax.lax.Precision.HIGHEST
    image = jnp.einsum("hk,kwc->hwc", rows, image, precision=precision)
    return jnp.einsum("wk,hkc->hwc", columns, image, precision=precision)


def erase(image: jax.Array, filling: jax.Array, box: jax.Array) -> jax.Array:
    """Put `filling` (H, W, C) into the rectangle `box` = (top, left, height, width) in pixels."""
    chex.assert_equal_shape([image, filling])
    chex.assert_shape(box, (4,))
    top, left, height, width = box
    y = jnp.arange(image.shape[0], dtype=box.dtype)[:, None, None]
    x = jnp.arange(image.shape[1], dtype=box.dtype)[None, :, None]
    inside = (y >= top) & (y < top + height) & (x >= left) & (x < left + width)
    return jnp.where(inside, filling, image)


def luma(image: jax.Array) -> jax.Array:
    """(H, W, C) -> (H, W, 1) brightness of colour (C = 3) or the mean of the channels."""
    chex.assert_rank(image, 3)
    if image.shape[2] != 3:
        return jnp.mean(image, axis=2, keepdims=True)
    return jnp.sum(image * LUMA[None, None, :], axis=2, keepdims=True)


def _multiply(a: jax.Array, b: jax.Array) -> jax.Array:
    return jnp.matmul(a, b, precision=jax.lax.Precision.HIGHEST)


def _blur_matrix(size: int, sigma: jax.Array) -> jax.Array:
    position = jnp.arange(size, dtype=jnp.float32)
    offset = position[:, None] - position[None, :]
    weights = jnp.exp(-0.5 * jnp.square(offset / sigma))
    return weights / jnp.sum(weights, axis=1, keepdims=True)
