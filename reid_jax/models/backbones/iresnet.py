"""IResNet: residual networks of faces, as ArcFace was published with (Deng et al., CVPR 2019)."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from reid_jax.models.layers import Backbone, Dropout, DropPath, Dtype, ModuleDef, conv, widen
from reid_jax.models.pooling import adaptive_average_pool

_SIDE = 7  # of the last map of a face of 112 pixels, each position of which is kept


class PReLU(nn.Module):
    """max(x, 0) + slope * min(x, 0), a slope a channel (He et al. 2015, eq. 1): (B, H, W, C)."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        init = nn.initializers.constant(0.25)
        slope = self.param("scale", init, (x.shape[-1],), jnp.float32)[None, None, None]
        return jnp.where(x >= 0, x, x * slope.astype(x.dtype))


class ImprovedBlock(nn.Module):
    """Batch norm before, between and behind two 3x3 convolutions; nothing follows the sum."""

    planes: int
    norm: ModuleDef
    drop_path: DropPath
    stride: int = 1
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        y = self.norm(name="bn1")(x)
        y = self.norm(name="bn2")(conv(self.planes, 3, dtype=self.dtype, name="conv1")(y))
        y = PReLU(name="prelu")(y)
        second = conv(self.planes, 3, stride=self.stride, dtype=self.dtype, name="conv2")
        y = self.norm(name="bn3")(second(y))
        shortcut = x
        if self.stride > 1:
            projection = conv(
                self.planes, 1, stride=self.stride, dtype=self.dtype, name="downsample_0"
            )
            shortcut = self.norm(name="downsample_1")(projection(x))
        return shortcut + self.drop_path(y)


class IResNet(Backbone):
    """Four stages; pooled features are 512 numbers of a dense layer over all positions.

    Maps of other images than of 112 pixels are averaged into 7 x 7 bins for that layer.

    Attributes:
      stages: numbers of blocks.

    Maps: stem, layer1 ... layer4, the last one after its batch norm.
    """

    stages: tuple[int, int, int, int]

    @nn.compact
    def __call__(
        self, images: jax.Array, train: bool = False, features_only: bool = False
    ) -> jax.Array | dict[str, jax.Array]:
        norm = self.batch_norm(train)
        x = norm(name="bn1")(conv(64, 3, dtype=self.dtype, name="conv1")(images.astype(self.dtype)))
        x = PReLU(name="prelu")(x)
        maps = {"stem": x}
        block = 0
        for stage, blocks in enumerate(self.stages):
            for i in range(blocks):
                drop_path = self.drop_path_layer(train, block, sum(self.stages))
                x = self.block(ImprovedBlock)(
                    64 * 2**stage,
                    norm,
                    drop_path,
                    2 if i == 0 else 1,
                    self.dtype,
                    name=f"layer{stage + 1}_{i}",
                )(x)
                block += 1
            maps[f"layer{stage + 1}"] = x
        x = maps["layer4"] = norm(name="bn2")(x)
        if features_only:
            return maps
        if x.shape[1:3] != (_SIDE, _SIDE):
            x = adaptive_average_pool(x, _SIDE)
        # the published layer has flattened (C, H, W)
        x = widen(x.transpose(0, 3, 1, 2).reshape(x.shape[0], -1))
        x = Dropout(self.dropout, not train, self.axis_name)(x)
        pooled = norm(name="features", dtype=x.dtype)(nn.Dense(512, name="fc")(x))
        return self.classify(pooled, train, "classifier") if self.num_classes else pooled


IRESNETS: dict[str, dict[str, Any]] = {
    "iresnet18": {"stages": (2, 2, 2, 2)},
    "iresnet50": {"stages": (3, 4, 14, 3)},
    "iresnet100": {"stages": (3, 13, 30, 3)},
}
