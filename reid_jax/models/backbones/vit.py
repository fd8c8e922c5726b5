"""Vision transformer (Dosovitskiy et al. 2021)."""

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
    """Pre-norm self-attention and a two-layer perceptron, each on a residual branch: (B, T, D)."""

    heads: int
    drop_path: DropPath
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        batch, tokens, width = x.shape
        y = _norm(dtype=self.dtype, name="norm1")(x)
        qkv = _dense(3 * width, dtype=self.dtype, name="qkv")(y)
        q, k, v = jnp.moveaxis(qkv.reshape(batch, tokens, 3, self.heads, -1), 2, 0)
        logits = jnp.einsum("bqhd,bkhd->bhqk", q * q.shape[-1] ** -0.5, k)
        attention = nn.softmax(widen(logits)).astype(self.dtype)
        y = jnp.einsum("bhqk,bkhd->bqhd", attention, v).reshape(batch, tokens, width)
        y = _dense(width, dtype=self.dtype, name="proj")(y)
        x = x + self.drop_path(gradient_barrier(y))

        y = _norm(dtype=self.dtype, name="norm2")(x)
        y = nn.gelu(_dense(4 * width, dtype=self.dtype, name="fc1")(y), approximate=False)
        y = _dense(width, dtype=self.dtype, name="fc2")(y)
        return x + self.drop_path(gradient_barrier(y))


class VisionTransformer(Backbone):
    """A transformer over patches; pooled features are the class token after the last norm.

    Attributes:
      grid: side, in patches, of the grid that the position embedding is made for; for images of
        another size it is interpolated. What is left over beyond whole patches is not seen.

    Maps (B, h, w, D) of the patch tokens: a quarter, half, three quarters of the depth, and the
    end, after the last norm.
    """

    width: int
    depth: int
    heads: int
    patch: int = 16
    grid: int = 14

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
        token = self.param("class_token", nn.initializers.zeros, (1, 1, width), jnp.float32)
        token = jnp.broadcast_to(token.astype(self.dtype), (batch, 1, width))
        x = jnp.concatenate([token, x.reshape(batch, rows * columns, width)], axis=1)
        x = x + self._positions(rows, columns).astype(self.dtype)

        def patches(x: jax.Array) -> jax.Array:
            return x[:, 1:].reshape(batch, rows, columns, width)

        maps = {}
        for i in range(self.depth):
            drop_path = self.drop_path_layer(train, i, self.depth)
            x = self.block(EncoderBlock)(self.heads, drop_path, self.dtype, name=f"block_{i}")(x)
            if (i + 1) % (self.depth // 4) == 0 and i + 1 < self.depth:
                maps[f"block{i + 1}"] = patches(x)
        x = _norm(dtype=self.dtype, name="norm")(x)
        maps[f"block{self.depth}"] = patches(x)
        if features_only:
            return maps
        pooled = widen(x[:, 0])
        return self.classify(pooled, train, "head") if self.num_classes else pooled

    def _positions(self, rows: int, columns: int) -> jax.Array:
        shape = (1, 1 + self.grid**2, self.width)
        init = nn.initializers.normal(0.02)
        embedding = self.param("pos_embedding", init, shape, jnp.float32)
        if rows == columns == self.grid:
            return embedding
        token, grid = embedding[:, :1], embedding[:, 1:]
        grid = grid.reshape(1, self.grid, self.grid, self.width)
        grid = jax.image.resize(grid, (1, rows, columns, self.width), "cubic")
        return jnp.concatenate([token, grid.reshape(1, rows * columns, self.width)], axis=1)


VITS: dict[str, dict[str, Any]] = {
    "vit_small_patch16_224": {"width": 384, "depth": 12, "heads": 6},
    "vit_b_16": {"width": 768, "depth": 12, "heads": 12},
}
