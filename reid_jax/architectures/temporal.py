"""What the modules over time cost: parameters, multiply-adds, time."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from reid_jax.keyframes.net import KeyframeScorer
from reid_jax.models.temporal.registry import temporal_encoder, temporal_encoder_names
from reid_jax.reporting.cost import (
    Layer,
    forward_cost,
    layers_of,
    multiply_adds_of,
    number_of_parameters,
)
from reid_jax.reporting.table import Table

KEYFRAME_SCORER = "keyframe scorer"


def temporal_module_names() -> tuple[str, ...]:
    """The encoders of a video, and the scorer of its frames."""
    return (*temporal_encoder_names(), KEYFRAME_SCORER)


def summarize_temporal(
    name: str, *, frames: int = 256, features: int = 1280, speed: bool = False
) -> dict[str, Any]:
    """One row of the table, for one video.

    Multiply-adds are those of matrix products and convolutions in the program that XLA compiled,
    attention and padding included.

    Args:
      name: one of `temporal_module_names()`.
      frames, features: T and D.
      speed: also measure the default device, the best of three calls after compiling.

    Returns:
      name, frames, parameters, multiply_adds, milliseconds (None where not asked for).
    """
    module, inputs = _module(name), _inputs(frames, features)

    def init(features: jax.Array, mask: jax.Array) -> Any:
        return module.init(jax.random.key(0), features, mask, train=False)

    def apply(variables: Any, features: jax.Array, mask: jax.Array) -> jax.Array:
        out: Any = module.apply(variables, features, mask, train=False)
        return out

    shapes = jax.eval_shape(init, *inputs)
    return {
        "name": name,
        "frames": frames,
        "parameters": number_of_parameters(shapes),
        "multiply_adds": multiply_adds_of(apply, shapes, *inputs),
        "milliseconds": _milliseconds(apply, shapes, inputs) if speed else None,
    }


def temporal_layers(name: str, *, frames: int = 256, features: int = 1280) -> list[Layer]:
    """One of them layer by layer, for one video; see `layers_of`.

    The last row is what the compiled program multiplies beside the layers, as frames by frames.
    """
    module, inputs = _module(name), _inputs(frames, features)
    rows = layers_of(module, *inputs, train=False)
    whole = summarize_temporal(name, frames=frames, features=features)["multiply_adds"]
    beside = max(0, whole - sum(row.multiply_adds for row in rows))
    return [*rows, Layer("between frames", "products", (), 0, beside)]


def _inputs(frames: int, features: int) -> tuple[jax.ShapeDtypeStruct, jax.ShapeDtypeStruct]:
    return (
        jax.ShapeDtypeStruct((1, frames, features), np.float32),
        jax.ShapeDtypeStruct((1, frames), bool),
    )


def temporal_table(rows: list[dict[str, Any]]) -> Table:
    """A row for each of `summarize_temporal`'s."""
    return Table(
        ["module over time", "frames", "parameters", "multiply-adds", "ms"],
        [
            [
                row["name"],
                row["frames"],
                f"{row['parameters'] / 1e6:.2f} M",
                f"{row['multiply_adds'] / 1e9:.3f} G",
                "" if row["milliseconds"] is None else f"{row['milliseconds']:.1f}",
            ]
            for row in rows
        ],
    )


def _module(name: str) -> nn.Module:
    return KeyframeScorer() if name == KEYFRAME_SCORER else temporal_encoder(name)


def _milliseconds(apply: Any, shapes: Any, inputs: Any) -> float:
    arrays = jax.tree.map(lambda leaf: jnp.ones(leaf.shape, leaf.dtype), (shapes, *inputs))
    return 1e3 * forward_cost(apply, *arrays).seconds
