"""ResNet, ResNeXt, Wide ResNet and SE-ResNet.

He et al. 2016 (with the stride on the 3x3 convolution, as in torchvision), Xie et al. 2017,
Zagoruyko and Komodakis 2016, Hu et al. 2018 (SE-ResNet as in timm).
"""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp

from reid_jax.models.layers import (
    Backbone,
    DropPath,
    Dtype,
    ModuleDef,
    SqueezeExcite,
    conv,
    make_divisible,
)
from reid_jax.models.pooling import average_pool
from reid_jax.ops.convolution.max_pool import max_pool


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions, or the bottleneck 1x1 - 3x3 - 1x1, around a shortcut."""

    planes: int
    norm: ModuleDef
    drop_path: DropPath
    bottleneck: bool
    stride: int = 1
    groups: int = 1
    base_width: int = 64
    squeeze_excite: bool = False
    reduction: int = 16
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        if self.bottleneck:
            width = self.planes * self.base_width // 64 * self.groups
            # (features, kernel, stride, groups) of each convolution
            layers = [
                (width, 1, 1, 1),
                (width, 3, self.stride, self.groups),
                (self.planes * 4, 1, 1, 1),
            ]
        else:
            layers = [(self.planes, 3, self.stride, 1), (self.planes, 3, 1, 1)]

        y = x
        for i, (features, kernel, stride, groups) in enumerate(layers, start=1):
            layer = conv(
                features, kernel, stride=stride, groups=groups, dtype=self.dtype, name=f"conv{i}"
            )
            y = layer(y)
            if i < len(layers):
                y = self.norm(name=f"bn{i}")(y, act=nn.relu)
        # A branch that starts at zero makes the block an identity (Goyal et al. 2017, 5.1).
        last = self.norm(name=f"bn{len(layers)}", scale_init=nn.initializers.zeros)
        shortcut = x
        if y.shape != x.shape:
            projection = conv(
                y.shape[-1], 1, stride=self.stride, dtype=self.dtype, name="downsample_0"
            )
            shortcut = self.norm(name="downsample_1")(projection(x))
        if not self.squeeze_excite and self.drop_path.rate == 0:
            return last(y, act=nn.relu, shortcut=shortcut)
        y = last(y)
        if self.squeeze_excite:
            reduced = make_divisible(y.shape[-1] / self.reduction)
            y = SqueezeExcite(reduced, dtype=self.dtype, name="se")(y)
        return nn.relu(shortcut + self.drop_path(y))


class ResNet(Backbone):
    """A residual network; `stages` are the numbers of blocks. Maps: stem, layer1 ... layer4.

    With `last_stride` 1 the last map keeps the resolution of the one before (Luo et al. 2019, 3.4).
    """

    stages: tuple[int, int, int, int]
    bottleneck: bool
    groups: int = 1
    base_width: int = 64
    squeeze_excite: bool = False
    reduction: int = 16
    last_stride: int = 2

    @nn.compact
    def __call__(
        self, images: jax.Array, train: bool = False, features_only: bool = False
    ) -> jax.Array | dict[str, jax.Array]:
        norm = self.batch_norm(train)
        x = conv(64, 7, stride=2, dtype=self.dtype, name="conv1")(images.astype(self.dtype))
        x = norm(name="bn1")(x)
        maps = {"stem": nn.relu(x)}
        x = max_pool(x, 3, 2, 1, relu=True)

        block, strides = 0, (1, 2, 2, self.last_stride)
        for stage, blocks in enumerate(self.stages):
            for i in range(blocks):
                x = self.block(ResidualBlock)(
                    planes=64 * 2**stage,
                    norm=norm,
                    drop_path=self.drop_path_layer(train, block, sum(self.stages)),
                    bottleneck=self.bottleneck,
                    stride=strides[stage] if i == 0 else 1,
                    groups=self.groups,
                    base_width=self.base_width,
                    squeeze_excite=self.squeeze_excite,
                    reduction=self.reduction,
                    dtype=self.dtype,
                    name=f"layer{stage + 1}_{i}",
                )(x)
                block += 1
            maps[f"layer{stage + 1}"] = x
        if features_only:
            return maps
        pooled = average_pool(x)
        return self.classify(pooled, train, "fc") if self.num_classes else pooled


def _resnet(*stages: int, bottleneck: bool = True, **options: object) -> dict[str, object]:
    return {"stages": stages, "bottleneck": bottleneck, **options}


DEPTHS: dict[int, dict[str, object]] = {
    18: _resnet(2, 2, 2, 2, bottleneck=False),
    34: _resnet(3, 4, 6, 3, bottleneck=False),
    50: _resnet(3, 4, 6, 3),
    101: _resnet(3, 4, 23, 3),
    152: _resnet(3, 8, 36, 3),
}

RESNETS: dict[str, dict[str, object]] = {
    **{f"resnet{depth}": options for depth, options in DEPTHS.items()},
    "resnext50_32x4d": _resnet(3, 4, 6, 3, groups=32, base_width=4),
    "resnext101_32x8d": _resnet(3, 4, 23, 3, groups=32, base_width=8),
    "wide_resnet50_2": _resnet(3, 4, 6, 3, base_width=128),
    "seresnet50": _resnet(3, 4, 6, 3, squeeze_excite=True),
}
