"""OSNet (Zhou et al., ICCV 2019) and OSNet-AIN (PAMI 2021): one block sees at four scales."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from reid_jax.errors import UserError
from reid_jax.models.layers import (
    Activation,
    Backbone,
    ConvNormAct,
    DropPath,
    Dtype,
    ModuleDef,
    SqueezeExcite,
    conv,
    widen,
)
from reid_jax.models.pooling import average_pool, halved
from reid_jax.ops.convolution.max_pool import max_pool

_SCALES = 4


class InstanceNorm(nn.Module):
    """Each channel of each image over its positions: (B, H, W, C), Ulyanov et al. 2016, eq. 7."""

    epsilon: float = 1e-5
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, *, act: Activation | None = None) -> jax.Array:
        features = (x.shape[-1],)
        scale = self.param("scale", nn.initializers.ones, features, jnp.float32)
        bias = self.param("bias", nn.initializers.zeros, features, jnp.float32)
        wide = widen(x)
        centred = wide - wide.mean((1, 2), keepdims=True)
        variance = jnp.square(centred).mean((1, 2), keepdims=True)
        y = centred * lax.rsqrt(variance + self.epsilon) * scale[None, None, None]
        y = y + bias[None, None, None]
        return (y if act is None else act(y)).astype(self.dtype)


class LightConv(nn.Module):
    """A linear 1x1 and a depthwise 3x3 convolution, batch norm, ReLU (figure 3b of the paper)."""

    features: int
    norm: ModuleDef
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = conv(self.features, 1, dtype=self.dtype, name="conv1")(x)
        x = conv(self.features, 3, groups=self.features, dtype=self.dtype, name="conv2")(x)
        return self.norm(name="bn")(x, act=nn.relu)


class OmniScaleBlock(nn.Module):
    """Streams of one to four light convolutions, summed by one gate, around a shortcut.

    Figure 4 and equation 3 of the paper. With `instance` the branch ends with instance norm
    instead of batch norm (OSNet-AIN).
    """

    features: int
    norm: ModuleDef
    drop_path: DropPath
    instance: bool = False
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        inner = self.features // 4
        start = ConvNormAct(inner, 1, self.norm, dtype=self.dtype, name="conv1")(x)
        gate = SqueezeExcite(inner // 16, dtype=self.dtype, name="gate")
        streams = []
        for depth in range(1, _SCALES + 1):
            y = start
            for i in range(depth):
                y = LightConv(inner, self.norm, self.dtype, name=f"stream{depth}_{i}")(y)
            streams.append(gate(y))
        y = sum(streams[1:], streams[0])
        if self.instance:
            y = conv(self.features, 1, dtype=self.dtype, name="conv3")(y)
            y = InstanceNorm(dtype=self.dtype, name="instance")(y)
        else:
            y = self._linear("conv3")(y)
        shortcut = x if x.shape == y.shape else self._linear("downsample")(x)
        return nn.relu(shortcut + self.drop_path(y))

    def _linear(self, name: str) -> ConvNormAct:
        return ConvNormAct(self.features, 1, self.norm, act=None, dtype=self.dtype, name=name)


class OSNet(Backbone):
    """Three stages of two blocks; pooled features are the 512 numbers of a layer behind the mean.

    Attributes:
      widths: channels of the stem and of each stage.
      instance: of each block, in order, whether it has instance norm; the stem has it where any
        block does. Empty for none.
      narrow: columns of an image that are averaged into one beforehand: with 2 a square of 256
        pixels is seen as the 256 x 128 that networks of people were trained on.

    Maps: stem, stage1, stage2, stage3, head.
    """

    widths: tuple[int, int, int, int]
    instance: tuple[bool, ...] = ()
    narrow: int = 1

    @nn.compact
    def __call__(
        self, images: jax.Array, train: bool = False, features_only: bool = False
    ) -> jax.Array | dict[str, jax.Array]:
        norm = self.batch_norm(train)
        x = narrowed(images, self.narrow).astype(self.dtype)
        any_instance = any(self.instance)
        first: ModuleDef = InstanceNorm if any_instance else norm
        x = conv(self.widths[0], 7, stride=2, dtype=self.dtype, name="stem_conv")(x)
        x = first(name="stem_norm", dtype=self.dtype)(x, act=nn.relu)
        maps = {"stem": x}
        x = max_pool(x, 3, 2, 1)
        for stage, features in enumerate(self.widths[1:], start=1):
            for i in range(2):
                block = 2 * (stage - 1) + i
                drop_path = self.drop_path_layer(train, block, 6)
                instance = any_instance and self.instance[block]
                make = self.block(OmniScaleBlock)
                name = f"stage{stage}_{i}"
                x = make(features, norm, drop_path, instance, self.dtype, name=name)(x)
            maps[f"stage{stage}"] = x
            if stage < 3:
                name = f"transition{stage}"
                x = ConvNormAct(features, 1, norm, dtype=self.dtype, name=name)(x)
                x = halved(x)
        x = ConvNormAct(self.widths[-1], 1, norm, dtype=self.dtype, name="head")(x)
        maps["head"] = x
        if features_only:
            return maps
        pooled = nn.Dense(512, name="fc_0")(average_pool(x))
        pooled = norm(name="fc_1", dtype=pooled.dtype)(pooled, act=nn.relu)
        return self.classify(pooled, train, "classifier") if self.num_classes else pooled


def narrowed(images: jax.Array, columns: int) -> jax.Array:
    """Means of so many neighbouring columns: (B, H, W, C) -> (B, H, W / columns, C).

    Raises:
      UserError: the width is no multiple of them.
    """
    batch, high, wide, channels = images.shape
    if columns == 1:
        return images
    if wide % columns:
        raise UserError(f"narrow is {columns}; images {wide} pixels wide cannot be divided by it")
    return images.reshape(batch, high, wide // columns, columns, channels).mean(3)


_AIN = (True, True, False, True, True, False)
OSNETS: dict[str, dict[str, Any]] = {
    "osnet_x1_0": {"widths": (64, 256, 384, 512)},
    "osnet_x0_25": {"widths": (16, 64, 96, 128)},
    "osnet_ain_x1_0": {"widths": (64, 256, 384, 512), "instance": _AIN},
}
