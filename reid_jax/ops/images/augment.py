"""Random augmentation on the device, inside the jitted training step, one PRNG key an example."""

import dataclasses
import functools
import math
from typing import Annotated

import chex
import jax
import jax.numpy as jnp

from reid_jax.fields import PROBABILITY, Bound, check
from reid_jax.ops.images import photometric, warp
from reid_jax.ops.images.underwater import JERLOV, attenuation, underwater, veil

_ELASTIC_GRID = 5
_ERASED_AREA = (0.02, 0.4)
_ERASED_RATIO = 0.3
_NO_BLUR = 1e-2
_PER_255 = 32897 / 2**23  # 1 / 255 in 16 bits


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """How strong each random change is; 0 switches it off, and everything is off by default.

    Random per example and independent of the others: switching one change on or off leaves what
    the others draw as it was.

    Example:
      >>> rj.Augmentation(flip=True, rotation=10.0, crop=0.3).brightness
      0.0
    """

    crop: Annotated[float, Bound(least=0, most=0.99)] = 0.0
    """Random resized crop: up to this fraction of the area is cut off, in [0, 1)."""
    crop_ratio: Annotated[float, Bound(least=1, most=10)] = 4.0 / 3.0
    """Largest change of the aspect ratio by the crop, either way; 1 keeps it."""
    flip: bool = False
    """Mirror left and right, every second time. Not where left and right sides differ."""
    rotation: Annotated[float, Bound(least=0, most=180)] = 0.0
    """Largest rotation, degrees, either way."""
    shear: Annotated[float, Bound(least=0, most=80)] = 0.0
    """Largest shear, degrees, either way."""
    scale: Annotated[float, Bound(least=0, most=10)] = 0.0
    """Scale by up to 1 + this, or down to 1 / (1 + this)."""
    translation: Annotated[float, PROBABILITY] = 0.0
    """Largest shift, as a fraction of the side, either way."""
    elastic: Annotated[float, Bound(least=0, most=0.5)] = 0.0
    """Largest local displacement of a smooth random deformation, as a fraction of the side."""
    border: warp.Border = "reflect"
    """What is seen beyond the photo's border: its mirror image, or its edge drawn out."""
    underwater: Annotated[float, PROBABILITY] = 0.0
    """Probability of looking through more water; colour photos only."""
    underwater_metres: Annotated[float, Bound(least=0, most=100)] = 5.0
    """Largest distance and depth in the water."""
    brightness: Annotated[float, Bound(least=0, most=10)] = 0.0
    """Multiply by a factor within 1 ± this."""
    contrast: Annotated[float, Bound(least=0, most=10)] = 0.0
    """Contrast by a factor within 1 ± this."""
    saturation: Annotated[float, Bound(least=0, most=10)] = 0.0
    """Saturation by a factor within 1 ± this; colour photos only."""
    hue: Annotated[float, Bound(least=0, most=0.5)] = 0.0
    """Largest turn of the hue, either way, as a fraction of the circle; colour photos only."""
    blur: Annotated[float, PROBABILITY] = 0.0
    """Probability of a Gaussian blur."""
    blur_sigma: Annotated[float, Bound(least=0, most=10)] = 2.0
    """Largest standard deviation of the blur, pixels."""
    erasing: Annotated[float, PROBABILITY] = 0.0
    """Probability of random erasing: 2 to 40 % of the area."""

    def __post_init__(self) -> None:
        check(self, whose=True)


def example_keys(key: jax.Array, positions: jax.Array) -> jax.Array:
    """One key for each example (B,), from its `positions` (B,) in the global batch.

    A device that holds a part of the batch passes the positions of that part and so draws what one
    device would have drawn for the same examples.

    Example:
      >>> rj.example_keys(jax.random.key(0), jnp.arange(4)).shape
      (4,)
    """
    chex.assert_rank(positions, 1)
    return jax.vmap(lambda position: jax.random.fold_in(key, position))(positions)


def augment(keys: jax.Array, images: jax.Array, spec: Augmentation) -> jax.Array:
    """`images` uint8 (B, H, W, C) with typed `keys` (B,) -> float32 (B, H, W, C) in [0, 1].

    Crop, flip, affine map and elastic deformation are one bilinear resampling; then water, colour,
    blur and erasing, in this order. `spec` is static: what is off is not in the program, and with
    everything off the result is images / 255 exactly.

    Raises AssertionError if the images are not uint8 of rank 4, or the keys are not one for each.

    Example:
      >>> keys = rj.example_keys(jax.random.key(0), jnp.arange(2))
      >>> images = jnp.zeros((2, 32, 32, 3), jnp.uint8)
      >>> rj.augment(keys, images, rj.Augmentation(flip=True, rotation=10.0)).shape
      (2, 32, 32, 3)
    """
    chex.assert_rank([keys, images], [1, 4])
    chex.assert_type(images, jnp.uint8)
    chex.assert_equal_shape_prefix([keys, images], 1)
    return jax.vmap(functools.partial(_augment_one, spec=spec))(keys, images)


def augment_alike(key: jax.Array, images: jax.Array, spec: Augmentation) -> jax.Array:
    """`augment`, with one typed `key` () for all `images`: what each gets is computed once.

    Raises AssertionError if the images are not uint8 of rank 4, or there is not one key.
    """
    chex.assert_rank([key, images], [0, 4])
    chex.assert_type(images, jnp.uint8)
    return jax.vmap(functools.partial(_augment_one, key, spec=spec))(images)


def _augment_one(key: jax.Array, image: jax.Array, spec: Augmentation) -> jax.Array:
    is_color = image.shape[2] == 3
    # All draws of an example at once: calls of the generator cost more than its numbers.
    draws_key, elastic_key, noise_key = jax.random.split(key, 3)
    for_warp, for_water, for_color, for_blur, for_box = jnp.split(
        jax.random.uniform(draws_key, (26,)), (10, 15, 19, 21)
    )
    result = _to_unit(_warp(for_warp, elastic_key, image, spec))
    if spec.underwater and is_color:
        result = _underwater(for_water, result, spec)
    if spec.brightness or spec.contrast or (is_color and (spec.saturation or spec.hue)):
        result = _recolor(for_color, result, spec)
    if spec.blur:
        result = _blur(for_blur, result, spec)
    if spec.erasing:
        result = _erase(for_box, noise_key, result, spec)
    return result


def _to_unit(pixels: jax.Array) -> jax.Array:
    # XLA turns x / 255 into x * (1 / 255), which is not the same in the last bit. The first product
    # here is exact for whole pixel values, the second far below the rounding of the sum.
    return pixels * _PER_255 + pixels * (1.0 / 255.0 - _PER_255)


def _warp(
    draws: jax.Array, elastic_key: jax.Array, image: jax.Array, spec: Augmentation
) -> jax.Array:
    flip = draws[0] < 0.5 if spec.flip else False
    affine = spec.rotation or spec.shear or spec.scale or spec.translation
    if not (affine or spec.crop or spec.elastic):
        mirrored = jnp.where(flip, image[:, ::-1], image) if spec.flip else image
        return mirrored.astype(jnp.float32)

    geometry = warp.Geometry(flip=flip)
    if affine:
        rotation, shear, scale, shift_y, shift_x = _either_way(draws[1:6])
        geometry = geometry._replace(
            rotation=math.radians(spec.rotation) * rotation if spec.rotation else 0.0,
            shear=math.radians(spec.shear) * shear if spec.shear else 0.0,
            scale=jnp.exp(math.log1p(spec.scale) * scale),
            shift_y=spec.translation * shift_y,
            shift_x=spec.translation * shift_x,
        )
    if spec.crop:
        area, ratio, top, left = draws[6:10]
        area = 1.0 - spec.crop * area
        ratio = jnp.exp(math.log(spec.crop_ratio) * _either_way(ratio))
        geometry = geometry._replace(
            crop_height=jnp.minimum(jnp.sqrt(area / ratio), 1.0),
            crop_width=jnp.minimum(jnp.sqrt(area * ratio), 1.0),
            crop_top=top,
            crop_left=left,
        )
    height, width = image.shape[:2]
    displacement = None
    if spec.elastic:
        shape = (_ELASTIC_GRID, _ELASTIC_GRID, 2)
        noise = jax.random.uniform(elastic_key, shape, minval=-1.0, maxval=1.0)
        sides = jnp.asarray([height, width], jnp.float32)[None, None, :]
        displacement = warp.smooth_displacement(spec.elastic * sides * noise, height, width)
    y, x = warp.coordinates(geometry, height, width, displacement)
    return warp.resample(image, y, x, spec.border)


def _underwater(draws: jax.Array, image: jax.Array, spec: Augmentation) -> jax.Array:
    chosen, water_type, distance, depth, brightness = draws
    coefficients = attenuation((len(JERLOV) - 1) * water_type)
    far = veil(coefficients, spec.underwater_metres * depth, 0.3 + 0.5 * brightness)
    distance = jnp.where(chosen < spec.underwater, spec.underwater_metres * distance, 0.0)
    return underwater(image, coefficients, far, distance)


def _recolor(draws: jax.Array, image: jax.Array, spec: Augmentation) -> jax.Array:
    brightness, contrast, saturation, hue = _either_way(draws)
    recolored = photometric.recolor(
        image,
        brightness=_factor(spec.brightness, brightness),
        contrast=_factor(spec.contrast, contrast),
        saturation=_factor(spec.saturation, saturation),
        hue=spec.hue * hue,
    )
    return jnp.clip(recolored, 0.0, 1.0)


def _blur(draws: jax.Array, image: jax.Array, spec: Augmentation) -> jax.Array:
    chosen, amount = draws
    # Far below a pixel the weights are exactly 1 and 0.
    sigma = jnp.where(chosen < spec.blur, spec.blur_sigma * amount, 0.0)
    radius = math.ceil(3.0 * spec.blur_sigma)
    blurred = photometric.gaussian_blur(image, jnp.maximum(sigma, _NO_BLUR), radius)
    return jnp.clip(blurred, 0.0, 1.0)


def _erase(
    draws: jax.Array, noise_key: jax.Array, image: jax.Array, spec: Augmentation
) -> jax.Array:
    """Zhong et al., "Random erasing data augmentation" (arXiv 1708.04896), algorithm 1.

    Filled with noise, the paper's best choice. Instead of drawing until the rectangle fits, its
    aspect ratio is drawn among those that fit, uniformly on a log scale.
    """
    chosen, area, ratio, top, left = draws
    sides = jnp.asarray(image.shape[:2], jnp.float32)
    area = _ERASED_AREA[0] + (_ERASED_AREA[1] - _ERASED_AREA[0]) * area
    widest = jnp.minimum(-jnp.log(area), -math.log(_ERASED_RATIO))
    half_log_ratio = 0.5 * widest * _either_way(ratio)
    size = jnp.round(jnp.sqrt(area) * sides * jnp.exp(jnp.stack([half_log_ratio, -half_log_ratio])))
    size = jnp.where(chosen < spec.erasing, size, 0.0)
    corner = jnp.floor((sides - size + 1.0) * jnp.stack([top, left]))
    noise = photometric.noise(jax.random.bits(noise_key), image.shape).astype(jnp.float32)
    return photometric.erase(image, _to_unit(noise), jnp.concatenate([corner, size]))


def _either_way(draws: jax.Array) -> jax.Array:
    return 2.0 * draws - 1.0


def _factor(strength: float, draw: jax.Array) -> jax.Array:
    return jnp.maximum(1.0 + strength * draw, 0.0)
