"""EfficientNet-B0 ... B7 by compound scaling (Tan and Le 2019), V2-S (2021) and Lite0 ... Lite2.

V2-rw-M is timm's own, drawn after the V2 paper's first figure.
"""

from __future__ import annotations

import math
from typing import Any

import flax.linen as nn

from reid_jax.models.backbones.inverted_residual import BlockSpec
from reid_jax.models.layers import make_divisible

# Table 1 of the paper: (kernel, stride, expansion, features, blocks)
_B0 = [
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
]
# Table 4 of the V2 paper: the same, with "fused" first
_V2_S = [
    (True, 3, 1, 1, 24, 2),
    (True, 3, 2, 4, 48, 4),
    (True, 3, 2, 4, 64, 4),
    (False, 3, 2, 4, 128, 6),
    (False, 3, 1, 6, 160, 9),
    (False, 3, 2, 6, 256, 15),
]


def _scaled(width: float, depth: float, **options: Any) -> dict[str, Any]:
    """Widths times `width`, rounded to 8, and numbers of blocks times `depth`, rounded up."""
    stages, inputs = [], make_divisible(32 * width)
    for kernel, stride, expansion, base, blocks in _B0:
        features = make_divisible(base * width)
        stage = []
        for i in range(math.ceil(blocks * depth)):
            spec = BlockSpec(
                kernel,
                stride if i == 0 else 1,
                make_divisible(inputs * expansion),
                features,
                nn.silu,
                reduced=max(1, inputs // 4),
                se_act=nn.silu,
            )
            stage.append(spec)
            inputs = features
        stages.append(tuple(stage))
    return {
        "stages": tuple(stages),
        "stem": make_divisible(32 * width),
        "head": 4 * inputs,
        "act": nn.silu,
        **options,
    }


def compound(phi: float) -> dict[str, Any]:
    """B0 scaled by the compound coefficient: widths 1.1^phi, depths 1.2^phi (eq. 3, section 5)."""
    return _scaled(1.1**phi, 1.2**phi)


def _lite(width: float, depth: float) -> dict[str, Any]:
    """No squeeze-excite, ReLU6, and stem, head and first and last stage are not scaled in depth.

    The stem and the head keep their widths too; TensorFlow's padding and epsilon.
    """
    stages, inputs = [], 32
    for s, (kernel, stride, expansion, base, blocks) in enumerate(_B0):
        features = make_divisible(base * width)
        repeats = blocks if s in (0, len(_B0) - 1) else math.ceil(blocks * depth)
        stage = []
        for i in range(repeats):
            spec = BlockSpec(
                kernel, stride if i == 0 else 1, inputs * expansion, features, nn.relu6
            )
            stage.append(spec)
            inputs = features
        stages.append(tuple(stage))
    return {
        "stages": tuple(stages),
        "stem": 32,
        "head": 1280,
        "act": nn.relu6,
        "padding": "SAME",
        "epsilon": 1e-3,
    }


def _v2(rows: list[tuple[bool, int, int, int, int, int]], stem: int, **options: Any) -> Any:
    projects = options.pop("projects", False)
    stages, inputs = [], stem
    for fused, kernel, stride, expansion, features, blocks in rows:
        stage = []
        for i in range(blocks):
            spec = BlockSpec(
                kernel,
                stride if i == 0 else 1,
                inputs * expansion,
                features,
                nn.silu,
                reduced=0 if fused else inputs // 4,
                se_act=nn.silu,
                fused=fused,
                projects=projects,
            )
            stage.append(spec)
            inputs = features
        stages.append(tuple(stage))
    return {"stages": tuple(stages), "stem": stem, "act": nn.silu, **options}


def _v2_rw_m() -> Any:
    """V2-S with 272 for its last 256 channels, 1.2 times as wide, 1.2 or 1.6 times as deep."""
    rows = []
    for stage, (fused, kernel, stride, expansion, features, blocks) in enumerate(_V2_S):
        features = make_divisible(1.2 * (272 if features == 256 else features))
        blocks = math.ceil(blocks * (1.2 if stage < 4 else 1.6))
        rows.append((fused, kernel, stride, expansion, features, blocks))
    return _v2(rows, make_divisible(1.2 * 24), head=make_divisible(1.2 * 1792), projects=True)


# B5 and larger have TensorFlow's epsilon and momentum in torchvision.
_LARGE = {"momentum": 0.99, "epsilon": 1e-3}

EFFICIENTNETS: dict[str, dict[str, Any]] = {
    "efficientnet_b0": _scaled(1.0, 1.0),
    "efficientnet_b1": _scaled(1.0, 1.1),
    "efficientnet_b2": _scaled(1.1, 1.2),
    "efficientnet_b3": _scaled(1.2, 1.4),
    "efficientnet_b4": _scaled(1.4, 1.8),
    "efficientnet_b5": _scaled(1.6, 2.2, **_LARGE),
    "efficientnet_b6": _scaled(1.8, 2.6, **_LARGE),
    "efficientnet_b7": _scaled(2.0, 3.1, **_LARGE),
    "efficientnet_v2_s": _v2(_V2_S, 24, head=1280, epsilon=1e-3),
    "efficientnetv2_rw_m": _v2_rw_m(),
}
EFFICIENTNETS_LITE: dict[str, dict[str, Any]] = {
    "tf_efficientnet_lite0": _lite(1.0, 1.0),
    "tf_efficientnet_lite1": _lite(1.0, 1.1),
    "tf_efficientnet_lite2": _lite(1.1, 1.2),
}
