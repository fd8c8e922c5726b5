"""DenseNet (Huang et al. 2017): every layer of a block sees the maps of all layers before it."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from reid_jax.models.layers import Backbone, Dtype, ModuleDef, conv
from reid_jax.models.pooling import average_pool, halved
from reid_jax.ops.convolution.max_pool import max_pool


class DenseLayer(nn.Module):
    """Norm, ReLU, 1x1 convolution to 4 x growth, norm, ReLU, 3x3 convolution, concatenation."""

    growth: int
    norm: ModuleDef
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        y = self.norm(name="norm1")(x, act=nn.relu)
        y = conv(4 * self.growth, 1, dtype=self.dtype, name="conv1")(y)
        y = self.norm(name="norm2")(y, act=nn.relu)
        y = conv(self.growth, 3, dtype=self.dtype, name="conv2")(y)
        return jnp.concatenate([x, y], axis=-1)


class Transition(nn.Module):
    """Norm, ReLU, 1x1 convolution to half the channels, 2x2 average."""

    norm: ModuleDef
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        y = self.norm(name="norm")(x, act=nn.relu)
        y = conv(x.shape[-1] // 2, 1, dtype=self.dtype, name="conv")(y)
        return halved(y)


class DenseNet(Backbone):
    """`blocks` dense blocks with transitions between. Maps: stem, block1 ... block4 (normed)."""

    has_residuals = False

    blocks: tuple[int, ...]
    growth: int = 32

    @nn.compact
    def __call__(
        self, images: jax.Array, train: bool = False, features_only: bool = False
    ) -> jax.Array | dict[str, jax.Array]:
        norm = self.batch_norm(train)
        x = conv(64, 7, stride=2, dtype=self.dtype, name="conv0")(images.astype(self.dtype))
        x = norm(name="norm0")(x)
        maps = {"stem": nn.relu(x)}
        x = max_pool(x, 3, 2, 1, relu=True)
        for block, layers in enumerate(self.blocks, start=1):
            for layer in range(1, layers + 1):
                x = self.block(DenseLayer)(
                    self.growth, norm, self.dtype, name=f"denseblock{block}_denselayer{layer}"
                )(x)
            if block == len(self.blocks):
                x = norm(name="norm5")(x, act=nn.relu)
            maps[f"block{block}"] = x
            if block < len(self.blocks):
                x = Transition(norm, self.dtype, name=f"transition{block}")(x)
        if features_only:
            return maps
        pooled = average_pool(x)
        return self.classify(pooled, train, "classifier") if self.num_classes else pooled


DENSENETS: dict[str, dict[str, Any]] = {
    "densenet121": {"blocks": (6, 12, 24, 16)},
    "densenet169": {"blocks": (6, 12, 32, 32)},
    "densenet201": {"blocks": (6, 12, 48, 32)},
}
