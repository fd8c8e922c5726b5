"""The renaming of modules of single families, see `reid_jax.weights.names`."""

from __future__ import annotations

import re
from typing import Protocol


class Network(Protocol):
    """What is asked of `reid_jax.weights.names.Network`."""

    @property
    def name(self) -> str:
        """Of the network."""

    @property
    def dialect(self) -> str:
        """Whose names are wanted."""

    @property
    def timm(self) -> bool:
        """Whether the names are timm's."""


def swin(network: Network, top: str, *rest: str) -> str:
    """Swin transformers, in torchvision, in timm, and as their authors published them."""
    torchvision = network.dialect == "torchvision"
    block = re.fullmatch(r"stage(\d)_(\d+)", top)
    if block:
        stage, number = int(block[1]), block[2]
        start = f"features.{2 * stage - 1}" if torchvision else f"layers.{stage - 1}.blocks"
        inner = rest[0]
        if inner in ("fc1", "fc2"):
            inner = f"mlp.{ {'fc1': '0', 'fc2': '3'}[inner] if torchvision else inner }"
        elif not inner.startswith("norm"):
            inner = f"attn.{inner}"
        return f"{start}.{number}.{inner}"
    if top.startswith("merge"):
        stage = int(top.removeprefix("merge"))
        if torchvision:
            return f"features.{2 * stage - 2}.{rest[0]}"
        # timm has it at the start of a stage, the authors at the end of the one before
        return f"layers.{stage - (1 if network.timm else 2)}.downsample.{rest[0]}"
    patch = ("features.0.0", "features.0.2")
    if not torchvision:
        patch = ("patch_embed.proj", "patch_embed.norm")
    head = "head.fc" if network.timm else "head"
    return {"patch": patch[0], "patch_norm": patch[1], "norm": "norm", "head": head}[top]


def osnet(network: Network, top: str, *rest: str) -> str:
    """OSNet and OSNet-AIN, in torchreid."""
    apart = "_ain_" in network.name  # whose streams and transitions have names of their own
    block = re.fullmatch(r"stage(\d)_(\d)", top)
    if block:
        start = f"conv{int(block[1]) + 1}.{block[2]}"
        if rest[0] == "instance":
            return f"{start}.IN"
        stream = re.fullmatch(r"stream(\d)_(\d)", rest[0])
        if stream:
            depth, number = int(stream[1]), stream[2]
            if apart:
                return f"{start}.conv2.{depth - 1}.layers.{number}.{rest[1]}"
            place = "" if depth == 1 else f".{number}"
            return f"{start}.conv2{'abcd'[depth - 1]}{place}.{rest[1]}"
        return f"{start}.{_conv_and_bn(*rest)}"
    if top.startswith("transition"):
        stage = int(top.removeprefix("transition")) + 1
        start = f"pool{stage}.0" if apart else f"conv{stage}.2.0"
        return f"{start}.{_conv_and_bn(*rest)}"
    if top == "head":
        return f"conv5.{_conv_and_bn(*rest)}"
    frame = {"stem_conv": "conv1.conv", "stem_norm": "conv1.bn", "fc_0": "fc.0", "fc_1": "fc.1"}
    return frame.get(top, top)


def _conv_and_bn(*modules: str) -> str:
    """Of a convolution with its batch norm: torchreid says bn, and conv of one alone, too."""
    if modules == ("conv3",):
        return "conv3.conv"
    return ".".join("bn" if module == "norm" else module for module in modules)
