"""Vision transformer (Dosovitskiy et al. 2021), as DINOv2 too (Oquab et al. 2024)."""

from __future__ import annotations

from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from reid_jax.errors import UserError
from reid_jax.models.layers import Backbone, DropPath, Dtype, conv, widen
from reid_jax.ops.convolution.gradient_barrier import gradient_barrier

_norm = partial(nn.LayerNorm, epsilon=1e-6, use_fast_variance=False)
_dense = partial(nn.Dense, kernel_init=nn.initializers.xavier_uniform())


class EncoderBlock(nn.Module):
    """Pre-norm self-attention and a two-layer perceptron, each on a residual branch: (B, T, D).

    With `layer_scale` each branch is multiplied by a learned vector (Touvron et al. 2021, eq. 5),
    which begins with that number.
    """

    heads: int
    drop_path: DropPath
    dtype: Dtype = jnp.float32
    layer_scale: float = 0.0

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        batch, tokens, width = x.shape
        y = _norm(dtype=self.dtype, name="norm1")(x)
        qkv = _dense(3 * width, dtype=self.dtype, name="qkv")(y)
        q, k, v = jnp.moveaxis(qkv.reshape(batch, tokens, 3, self.heads, -1), 2, 0)
        logits = jnp.einsum("bqhd,bkhd->bhqk", q * q.shape[-1] ** -0.5, k)
        attention = nn.softmax(widen(logits)).astype(self.dtype)
        y = jnp.einsum("bhqk,bkhd->bqhd", attention, v).reshape(batch, tokens, width)
        y = self._scaled(_dense(width, dtype=self.dtype, name="proj")(y), "layer_scale1")
        x = x + self.drop_path(gradient_barrier(y))

        y = _norm(dtype=self.dtype, name="norm2")(x)
        y = nn.gelu(_dense(4 * width, dtype=self.dtype, name="fc1")(y), approximate=False)
        y = self._scaled(_dense(width, dtype=self.dtype, name="fc2")(y), "layer_scale2")
        return x + self.drop_path(gradient_barrier(y))

    def _scaled(self, y: jax.Array, name: str) -> jax.Array:
        if not self.layer_scale:
            return y
        init = nn.initializers.constant(self.layer_scale)
        scale = self.param(name, init, (y.shape[-1],), jnp.float32)
        return y * scale[None, None].astype(self.dtype)


class VisionTransformer(Backbone):
    """A transformer over patches; pooled features are the class token after the last norm.

    Attributes:
      grid: side, in patches, of the grid that the position embedding is made for; for images of
        another size it is interpolated. What is left over beyond whole patches is not seen.
      layer_scale: see `EncoderBlock`.
      registers: tokens beside those of the image (Darcet et al. 2024); with them the class token
        has no position.

    Maps (B, h, w, D) of the patch tokens: a quarter, half, three quarters of the depth, and the
    end, after the last norm.
    """

    width: int
    depth: int
    heads: int
    patch: int = 16
    grid: int = 14
    layer_scale: float = 0.0
    registers: int = 0

    @nn.compact
    def __call__(
        self, images: jax.Array, train: bool = False, features_only: bool = False
    ) -> jax.Array | dict[str, jax.Array]:
        if min(images.shape[1:3]) < self.patch:
            raise UserError(f"the images must have at least one patch of {self.patch} pixels")
        x = conv(
            self.width,
            self.patch,
            stride=self.patch,
            padding=0,
            use_bias=True,
            dtype=self.dtype,
            kernel_init=nn.initializers.lecun_normal(),
            name="patch",
        )(images.astype(self.dtype))
        batch, rows, columns, width = x.shape
        extra = [self._token("class_token", 1, batch)]
        x = x.reshape(batch, rows * columns, width)
        if self.registers:
            x = x + self._positions(rows, columns).astype(self.dtype)
            extra.append(self._token("registers", self.registers, batch))
            x = jnp.concatenate([*extra, x], axis=1)
        else:
            x = jnp.concatenate([*extra, x], axis=1)
            x = x + self._positions(rows, columns).astype(self.dtype)

        def patches(x: jax.Array) -> jax.Array:
            return x[:, 1 + self.registers :].reshape(batch, rows, columns, width)

        maps = {}
        for i in range(self.depth):
            drop_path = self.drop_path_layer(train, i, self.depth)
            make = self.block(EncoderBlock)
            x = make(self.heads, drop_path, self.dtype, self.layer_scale, name=f"block_{i}")(x)
            if (i + 1) % (self.depth // 4) == 0 and i + 1 < self.depth:
                maps[f"block{i + 1}"] = patches(x)
        x = _norm(dtype=self.dtype, name="norm")(x)
        maps[f"block{self.depth}"] = patches(x)
        if features_only:
            return maps
        pooled = widen(x[:, 0])
        return self.classify(pooled, train, "head") if self.num_classes else pooled

    def _token(self, name: str, number: int, batch: int) -> jax.Array:
        """(B, number, D), the same for each image."""
        token = self.param(name, nn.initializers.zeros, (1, number, self.width), jnp.float32)
        return jnp.broadcast_to(token.astype(self.dtype), (batch, number, self.width))

    def _positions(self, rows: int, columns: int) -> jax.Array:
        own = 0 if self.registers else 1
        shape = (1, own + self.grid**2, self.width)
        init = nn.initializers.normal(0.02)
        embedding = self.param("pos_embedding", init, shape, jnp.float32)
        if rows == columns == self.grid:
            return embedding
        token, grid = embedding[:, :own], embedding[:, own:]
        grid = grid.reshape(1, self.grid, self.grid, self.width)
        grid = jax.image.resize(grid, (1, rows, columns, self.width), "cubic")
        return jnp.concatenate([token, grid.reshape(1, rows * columns, self.width)], axis=1)


VITS: dict[str, dict[str, Any]] = {
    "vit_small_patch16_224": {"width": 384, "depth": 12, "heads": 6},
    "vit_b_16": {"width": 768, "depth": 12, "heads": 12},
}

_DINO = {"patch": 14, "grid": 37, "layer_scale": 1e-5}
_SIZES = {
    "small": {"width": 384, "depth": 12, "heads": 6},
    "base": {"width": 768, "depth": 12, "heads": 12},
    "large": {"width": 1024, "depth": 24, "heads": 16},
}
DINOS: dict[str, dict[str, Any]] = {
    f"vit_{size}_patch14_{kind}dinov2": {**shape, **_DINO, "registers": registers}
    for kind, registers in {"": 0, "reg4_": 4}.items()
    for size, shape in _SIZES.items()
}
