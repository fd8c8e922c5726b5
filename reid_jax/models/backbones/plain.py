"""AlexNet and VGG: plain stacks of convolutions.

Krizhevsky 2014 ("one weird trick", the single-column AlexNet of torchvision) and Simonyan and
Zisserman 2015, with and without batch norm. Their pooled features are the average of the last map;
their classifiers see that map averaged into 6x6 or 7x7 bins.
"""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax

from reid_jax.models.layers import Backbone, conv, widen
from reid_jax.models.pooling import adaptive_average_pool, average_pool
from reid_jax.ops.convolution.max_pool import max_pool


class _Plain(Backbone):
    has_residuals = False
    has_blocks = False

    def classifier(
        self, x: jax.Array, bins: int, hidden: tuple[int, int], last: int, train: bool
    ) -> jax.Array:
        """Two dense layers of 4096 and the output, called `classifier_{i}` as in torchvision."""
        x = adaptive_average_pool(x, bins)
        # torchvision flattens (C, H, W): the same order here keeps the weights' order.
        x = widen(x.transpose(0, 3, 1, 2).reshape(x.shape[0], -1))
        for i in hidden:
            x = nn.relu(self.classify(x, train, f"classifier_{i}", 4096))
        return nn.Dense(self.num_classes, name=f"classifier_{last}")(x)


class AlexNet(_Plain):
    """Five convolutions. Maps: conv1 ... conv5, the last after its pooling."""

    @nn.compact
    def __call__(
        self, images: jax.Array, train: bool = False, features_only: bool = False
    ) -> jax.Array | dict[str, jax.Array]:
        # (index in torchvision's sequence, features, kernel, stride, padding, pooled after)
        layers = [
            (0, 64, 11, 4, 2, True),
            (3, 192, 5, 1, 2, True),
            (6, 384, 3, 1, 1, False),
            (8, 256, 3, 1, 1, False),
            (10, 256, 3, 1, 1, True),
        ]
        x = images.astype(self.dtype)
        maps = {}
        for i, (index, features, kernel, stride, padding, pooled) in enumerate(layers, start=1):
            layer = conv(
                features,
                kernel,
                stride=stride,
                padding=padding,
                use_bias=True,
                dtype=self.dtype,
                name=f"features_{index}",
            )
            x = max_pool(layer(x), 3, 2, relu=True) if pooled else nn.relu(layer(x))
            maps[f"conv{i}"] = x
        if features_only:
            return maps
        if not self.num_classes:
            return average_pool(x)
        return self.classifier(x, 6, (1, 4), 6, train)


class VGG(_Plain):
    """Stages of 3x3 convolutions, each followed by 2x2 pooling. Maps: stage1 ... stage5, pooled."""

    stages: tuple[int, ...]
    with_batch_norm: bool = False

    @nn.compact
    def __call__(
        self, images: jax.Array, train: bool = False, features_only: bool = False
    ) -> jax.Array | dict[str, jax.Array]:
        norm = self.batch_norm(train)
        x = images.astype(self.dtype)
        maps = {}
        index = 0
        for stage, (layers, features) in enumerate(
            zip(self.stages, (64, 128, 256, 512, 512), strict=True), start=1
        ):
            for _ in range(layers):
                layer = conv(features, 3, use_bias=True, dtype=self.dtype, name=f"features_{index}")
                x = layer(x)
                if self.with_batch_norm:
                    x = norm(name=f"features_{index + 1}")(x)
                x = nn.relu(x)
                index += 3 if self.with_batch_norm else 2
            x = maps[f"stage{stage}"] = max_pool(x, 2, 2)
            index += 1
        if features_only:
            return maps
        if not self.num_classes:
            return average_pool(x)
        return self.classifier(x, 7, (0, 3), 6, train)


_VGG_STAGES = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}

VGGS: dict[str, dict[str, Any]] = {
    f"vgg{depth}{suffix}": {"stages": stages, "with_batch_norm": bool(suffix)}
    for depth, stages in _VGG_STAGES.items()
    for suffix in ("", "_bn")
}
