"""The encoders from the frames of a video to one vector, by name."""

from collections.abc import Callable
from typing import Any

import flax.linen as nn

from reid_jax.errors import UserError
from reid_jax.models.temporal.attention_pooling import AttentionEncoder
from reid_jax.models.temporal.bottleneck import BottleneckEncoder
from reid_jax.models.temporal.fusion import FusionEncoder
from reid_jax.models.temporal.graph import GraphEncoder
from reid_jax.models.temporal.hierarchical import HierarchicalEncoder
from reid_jax.models.temporal.mean import MeanEncoder
from reid_jax.models.temporal.multi_scale import MultiScaleEncoder
from reid_jax.models.temporal.pyramid import PyramidEncoder
from reid_jax.models.temporal.self_attention import SelfAttentionEncoder
from reid_jax.models.temporal.skip import SkipEncoder
from reid_jax.models.temporal.tcn import TcnEncoder

_ENCODERS: dict[str, Callable[..., nn.Module]] = {
    "mean": MeanEncoder,
    "attention": AttentionEncoder,
    "self_attention": SelfAttentionEncoder,
    "tcn": TcnEncoder,
    "bottleneck": BottleneckEncoder,
    "skip": SkipEncoder,
    "multi_scale": MultiScaleEncoder,
    "pyramid": PyramidEncoder,
    "hierarchical": HierarchicalEncoder,
    "graph": GraphEncoder,
    "fusion": FusionEncoder,
}


def temporal_encoder_names() -> tuple[str, ...]:
    """All names that `temporal_encoder` knows."""
    return tuple(_ENCODERS)


def temporal_encoder(name: str, **options: Any) -> nn.Module:
    """An encoder `(features (B, T, D), mask (B, T), *, train) -> (B, embedding_dim)`.

    Padded frames change nothing. A video without frames gives a constant.

    Args:
      name: one of `temporal_encoder_names()`.
      **options: `embedding_dim`, `width`, `dropout` for all of them, and `axis_name`, over which
        devices share a batch; each class says what else.

    Raises:
      UserError: for a name that there is not.
    """
    if name not in _ENCODERS:
        known = ", ".join(_ENCODERS)
        raise UserError(f"There is no temporal encoder {name!r}; there are {known}.")
    return _ENCODERS[name](**options)
