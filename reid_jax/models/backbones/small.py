"""Two small networks for small images."""

from __future__ import annotations

from collections.abc import Callable

import flax.linen as nn
import jax

from reid_jax.models.layers import Backbone, conv, widen
from reid_jax.models.pooling import average_pool
from reid_jax.ops.convolution.max_pool import max_pool


class TwoConv(Backbone):
    """The net of the Siamese tutorials on 28x28 digits (Hadsell, Chopra and LeCun 2006, in spirit).

    Two 5x5 convolutions (32 and 64 channels, no padding), each with 2x2 pooling, then dense layers
    of the widths `dense`; behind each PReLU, or ReLU without `prelu`. Its pooled features are the
    numbers of the last one, so the image size is fixed when the parameters are made.
    """

    has_residuals = False
    has_blocks = False

    dense: tuple[int, ...] = (256, 256)
    prelu: bool = True

    @nn.compact
    def __call__(
        self, images: jax.Array, train: bool = False, features_only: bool = False
    ) -> jax.Array | dict[str, jax.Array]:
        maps = {}
        x = images.astype(self.dtype)
        for i, features in enumerate((32, 64), start=1):
            x = conv(features, 5, padding=0, use_bias=True, dtype=self.dtype, name=f"conv{i}")(x)
            x = self._act(f"act{i}")(x)
            x = maps[f"conv{i}"] = max_pool(x, 2, 2)
        if features_only:
            return maps
        x = x.reshape(x.shape[0], -1)
        for i, width in enumerate(self.dense, start=1):
            x = nn.Dense(width, dtype=self.dtype, name=f"fc{i}")(x)
            x = self._act(f"fc_act{i}")(x)
        x = widen(x)
        return self.classify(x, train, "classifier") if self.num_classes else x

    def _act(self, name: str) -> Callable[[jax.Array], jax.Array]:
        return nn.PReLU(negative_slope_init=0.25, name=name) if self.prelu else nn.relu


class SmallCNN(Backbone):
    """Four blocks of 3x3 convolution, batch norm, ReLU and 2x2 pooling, then the average.

    The "Conv-4" of the few-shot literature (Vinyals et al. 2016; Snell et al. 2017): at 28 px the
    last map has one position, so the average is that literature's flattened vector. Maps too small
    to be halved are left as they are. `widths` are the channels of the blocks.
    """

    has_residuals = False
    has_blocks = False

    widths: tuple[int, int, int, int] = (64, 64, 64, 64)

    @nn.compact
    def __call__(
        self, images: jax.Array, train: bool = False, features_only: bool = False
    ) -> jax.Array | dict[str, jax.Array]:
        norm = self.batch_norm(train)
        maps = {}
        x = images.astype(self.dtype)
        for i, width in enumerate(self.widths, start=1):
            x = conv(width, 3, dtype=self.dtype, name=f"conv{i}")(x)
            x = norm(name=f"bn{i}")(x)
            x = max_pool(x, 2, 2, relu=True) if min(x.shape[1:3]) >= 2 else nn.relu(x)
            maps[f"block{i}"] = x
        if features_only:
            return maps
        pooled = average_pool(x)
        return self.classify(pooled, train, "classifier") if self.num_classes else pooled
