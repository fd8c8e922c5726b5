"""Names of the networks, how each is built, and what its published weights expect as input."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from reid_jax.errors import UserError
from reid_jax.models.backbones.resnet import RESNETS, ResNet
from reid_jax.models.backbones.small import SmallCNN, TwoConv

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclasses.dataclass(frozen=True)
class BackboneInfo:
    """One network of the registry.

    Attributes:
      build: the module class; `options` are its arguments.
      input_size: side in pixels that the published weights are evaluated at (any size works).
      mean, std: of the pixels in [0, 1], what `(x - mean) / std` takes before the network.
      reference: whose names the weights have, "torchvision" or "timm"; "" for nets of our own.
      hub: Hugging Face repository with weights of exactly this network, "" where there is none.
    """

    name: str
    build: Callable[..., Any]
    options: Mapping[str, Any]
    input_size: int = 224
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    reference: str = "torchvision"
    hub: str = ""


def _small() -> list[BackboneInfo]:
    common = {"mean": (0.5,), "std": (0.5,), "reference": ""}
    return [
        BackboneInfo("two_conv", TwoConv, {}, input_size=28, **common),
        BackboneInfo("small_cnn", SmallCNN, {}, input_size=64, **common),
    ]


def _resnets() -> list[BackboneInfo]:
    hub = {name: f"timm/{name}.tv_in1k" for name in RESNETS}
    hub["seresnet50"] = "timm/seresnet50.ra2_in1k"
    return [
        BackboneInfo(
            name,
            ResNet,
            options,
            reference="timm" if name == "seresnet50" else "torchvision",
            hub=hub[name],
        )
        for name, options in RESNETS.items()
    ]


_REGISTRY: dict[str, BackboneInfo] = {
    info.name: info for family in (_small(), _resnets()) for info in family
}


def backbone_names() -> tuple[str, ...]:
    """All names that `create_backbone` takes, family by family."""
    return tuple(_REGISTRY)


def backbone_info(name: str) -> BackboneInfo:
    """The registry's entry; raises `UserError` with the closest names for an unknown one."""
    if name in _REGISTRY:
        return _REGISTRY[name]
    close = difflib.get_close_matches(name.lower(), _REGISTRY, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(close)}?" if close else f"there are {', '.join(_REGISTRY)}"
    raise UserError(f"no network is called {name!r}: {hint}")


def create_backbone(
    name: str,
    num_classes: int = 0,
    *,
    dtype: Any = jnp.float32,
    drop_path: float = 0.0,
    axis_name: str | None = None,
    **options: Any,
) -> nn.Module:
    """The network `name` as a Linen module (see `reid_jax.models.layers.Backbone` for its call).

    Args:
      num_classes: 0 for pooled features (B, F), otherwise logits (B, num_classes), both float32.
      dtype: of the computation; parameters and batch statistics are float32 always.
      drop_path: rate of stochastic depth at the last residual block (0 at the first).
      axis_name: mapped axis over which batch norms and dropout masks are shared.
      options: of the network's class, e.g. `width` of "small_cnn".

    Raises:
      UserError: for an unknown name or option.
    """
    info = backbone_info(name)
    allowed = {f.name for f in dataclasses.fields(info.build)} - {"parent", "name"}  # type: ignore[arg-type]
    for option in options:
        if option not in allowed:
            raise UserError(f"{name} has no option {option!r}: it has {', '.join(sorted(allowed))}")
    arguments = {**info.options, **options}
    return info.build(
        num_classes=num_classes, dtype=dtype, drop_path=drop_path, axis_name=axis_name, **arguments
    )


@cache
def block_names(name: str) -> tuple[str, ...]:
    """Top-level keys of the pooled network's parameters, from the input to the output.

    Freezing all but the last N of them leaves the last N layers or blocks to be trained.
    """
    info = backbone_info(name)
    order: list[str] = []

    def init(key: jax.Array) -> None:
        images = jnp.zeros((1, info.input_size, info.input_size, len(info.mean)))
        order.extend(create_backbone(name).init(key, images)["params"])

    jax.eval_shape(init, jax.random.key(0))
    return tuple(order)
