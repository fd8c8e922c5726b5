"""The renaming of modules of single families, see `reid_jax.weights.names`."""

from __future__ import annotations

import re
from typing import Protocol


class Network(Protocol):
    """What is asked of `reid_jax.weights.names.Network`."""

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
