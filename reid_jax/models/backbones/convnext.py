"""ConvNeXt (Liu et al. 2022)."""

from __future__ import annotations

from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from reid_jax.models.layers import Backbone, DropPath, Dtype, conv
from reid_jax.models.pooling import average_pool
from reid_jax.ops.convolution.gradient_barrier import gradient_barrier

_INIT = nn.initializers.truncated_normal(0.02)
_norm = partial(nn.LayerNorm, epsilon=1e-6, use_fast_variance=False)
_dense = partial(nn.Dense, kernel_init=_INIT)


class ConvNeXtBlock(nn.Module):
    """A depthwise 7x7 convolution, layer norm, and an inverted bottleneck of dense layers."""

    drop_path: DropPath
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        width = x.shape[-1]
        y = conv(
            width,
            7,
            groups=width,
            use_bias=True,
            dtype=self.dtype,
            kernel_init=_INIT,
            name="depthwise",
        )(x)
        y = _norm(dtype=self.dtype, name="norm")(y)
        y = _dense(4 * width, dtype=self.dtype, name="fc1")(y)
        y = nn.gelu(y, approximate=False)
        y = _dense(width, dtype=self.dtype, name="fc2")(y)
        scale = self.param("layer_scale", nn.initializers.constant(1e-6), (width,), jnp.float32)
        y = gradient_barrier(y)
        return x + self.drop_path(y * scale.astype(y.dtype).reshape(1, 1, 1, width))


class Downsample(nn.Module):
    """Layer norm and a strided convolution without overlap."""

    features: int
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = _norm(dtype=self.dtype, name="norm")(x)
        return conv(
            self.features,
            2,
            stride=2,
            padding=0,
            use_bias=True,
            dtype=self.dtype,
            kernel_init=_INIT,
            name="conv",
        )(x)


class ConvNeXt(Backbone):
    """Four stages. Maps: stage1 ... stage4; the pooled features are layer-normed after pooling."""

    depths: tuple[int, ...]
    widths: tuple[int, ...]

    @nn.compact
    def __call__(
        self, images: jax.Array, train: bool = False, features_only: bool = False
    ) -> jax.Array | dict[str, jax.Array]:
        x = conv(
            self.widths[0],
            4,
            stride=4,
            padding=0,
            use_bias=True,
            dtype=self.dtype,
            kernel_init=_INIT,
            name="stem_conv",
        )(images.astype(self.dtype))
        x = _norm(dtype=self.dtype, name="stem_norm")(x)
        maps = {}
        block = 0
        for stage, (depth, width) in enumerate(zip(self.depths, self.widths, strict=True), start=1):
            if stage > 1:
                x = Downsample(width, self.dtype, name=f"downsample{stage}")(x)
            for i in range(depth):
                drop_path = self.drop_path_layer(train, block, sum(self.depths))
                x = self.block(ConvNeXtBlock)(drop_path, self.dtype, name=f"stage{stage}_{i}")(x)
                block += 1
            maps[f"stage{stage}"] = x
        if features_only:
            return maps
        pooled = _norm(name="norm")(average_pool(x))
        return self.classify(pooled, train, "classifier") if self.num_classes else pooled


CONVNEXTS: dict[str, dict[str, Any]] = {
    "convnext_tiny": {"depths": (3, 3, 9, 3), "widths": (96, 192, 384, 768)},
}
