"""MobileNetV1 (Howard et al. 2017), V2 (Sandler et al. 2018) and V3 (Howard et al. 2019)."""

from __future__ import annotations

from typing import Any

import flax.linen as nn

from reid_jax.models.backbones.inverted_residual import BlockSpec, MobileNet
from reid_jax.models.layers import make_divisible


class MobileNetV1(MobileNet):
    """Depthwise separable blocks without shortcuts."""

    has_residuals = False


def _v1() -> dict[str, Any]:
    # (features, blocks, stride of the first)
    table = [(64, 1, 1), (128, 2, 2), (256, 2, 2), (512, 6, 2), (1024, 2, 2)]
    stages, inputs = [], 32
    for features, blocks, stride in table:
        stage = []
        for i in range(blocks):
            spec = BlockSpec(
                3,
                stride if i == 0 else 1,
                inputs,
                features,
                nn.relu6,
                residual=False,
                separable=True,
            )
            stage.append(spec)
            inputs = features
        stages.append(tuple(stage))
    return {"stages": tuple(stages), "stem": 32, "head": 0, "act": nn.relu6}


def _v2() -> dict[str, Any]:
    # Table 2 of the paper: (expansion, features, blocks, stride of the first)
    table = [
        (1, 16, 1, 1),
        (6, 24, 2, 2),
        (6, 32, 3, 2),
        (6, 64, 4, 2),
        (6, 96, 3, 1),
        (6, 160, 3, 2),
        (6, 320, 1, 1),
    ]
    stages, inputs = [], 32
    for expansion, features, blocks, stride in table:
        stage = []
        for i in range(blocks):
            spec = BlockSpec(3, stride if i == 0 else 1, expansion * inputs, features, nn.relu6)
            stage.append(spec)
            inputs = features
        stages.append(tuple(stage))
    return {"stages": tuple(stages), "stem": 32, "head": 1280, "act": nn.relu6}


# Tables 1 and 2 of the V3 paper: (kernel, expanded, features, squeeze-excite, hard-swish, stride),
# a new stage with each resolution or width.
_V3_LARGE = [
    [(3, 16, 16, False, False, 1)],
    [(3, 64, 24, False, False, 2), (3, 72, 24, False, False, 1)],
    [(5, 72, 40, True, False, 2), (5, 120, 40, True, False, 1), (5, 120, 40, True, False, 1)],
    [
        (3, 240, 80, False, True, 2),
        (3, 200, 80, False, True, 1),
        (3, 184, 80, False, True, 1),
        (3, 184, 80, False, True, 1),
    ],
    [(3, 480, 112, True, True, 1), (3, 672, 112, True, True, 1)],
    [(5, 672, 160, True, True, 2), (5, 960, 160, True, True, 1), (5, 960, 160, True, True, 1)],
]
_V3_SMALL = [
    [(3, 16, 16, True, False, 2)],
    [(3, 72, 24, False, False, 2), (3, 88, 24, False, False, 1)],
    [(5, 96, 40, True, True, 2), (5, 240, 40, True, True, 1), (5, 240, 40, True, True, 1)],
    [(5, 120, 48, True, True, 1), (5, 144, 48, True, True, 1)],
    [(5, 288, 96, True, True, 2), (5, 576, 96, True, True, 1), (5, 576, 96, True, True, 1)],
]


def _v3(table: list[list[tuple[int, int, int, bool, bool, int]]], hidden: int) -> dict[str, Any]:
    stages = tuple(
        tuple(
            BlockSpec(
                kernel,
                stride,
                expanded,
                features,
                nn.hard_swish if hard_swish else nn.relu,
                reduced=make_divisible(expanded // 4) if squeeze else 0,
                se_gate=nn.hard_sigmoid,
            )
            for kernel, expanded, features, squeeze, hard_swish, stride in stage
        )
        for stage in table
    )
    return {
        "stages": stages,
        "stem": 16,
        "head": 6 * stages[-1][-1].features,
        "act": nn.hard_swish,
        "hidden": hidden,
        "momentum": 0.99,
        "epsilon": 1e-3,
    }


MOBILENETS: dict[str, dict[str, Any]] = {
    "mobilenet_v2": _v2(),
    "mobilenet_v3_small": _v3(_V3_SMALL, hidden=1024),
    "mobilenet_v3_large": _v3(_V3_LARGE, hidden=1280),
}
MOBILENETS_V1: dict[str, dict[str, Any]] = {"mobilenetv1_100": _v1()}
