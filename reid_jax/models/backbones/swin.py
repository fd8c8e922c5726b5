"""Swin transformer (Liu et al., ICCV 2021): attention in windows that every second block shifts."""

from __future__ import annotations

from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from reid_jax.errors import UserError
from reid_jax.models.layers import Backbone, DropPath, Dtype, conv, widen
from reid_jax.models.pooling import average_pool
from reid_jax.ops.convolution.gradient_barrier import gradient_barrier

_INIT = nn.initializers.truncated_normal(0.02)
_norm = partial(nn.LayerNorm, epsilon=1e-5, use_fast_variance=False)
_dense = partial(nn.Dense, kernel_init=_INIT)
_APART = -100.0  # of attention's logits, between what the shift has made neighbours; the authors'


class SwinBlock(nn.Module):
    """Attention within windows and a two-layer perceptron, each on a residual branch: (B, H, W, C).

    A map that is no multiple of the window is padded with zeros below and right of it, which are
    attended to, as torchvision does.

    Attributes:
      window: side of a window, positions.
      shifted: windows begin half a window later, where there are several.
    """

    heads: int
    window: int
    shifted: bool
    drop_path: DropPath
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        batch, rows, columns, width = x.shape
        side = self.window
        y = _norm(dtype=self.dtype, name="norm1")(x)
        y = jnp.pad(y, ((0, 0), (0, -rows % side), (0, -columns % side), (0, 0)))
        high, wide = y.shape[1:3]
        shift = tuple(side // 2 if self.shifted and n > side else 0 for n in (high, wide))
        y = jnp.roll(y, (-shift[0], -shift[1]), (1, 2))
        y = _windows(y, side)
        y = self._attention(y, _regions((high, wide), shift, side))
        y = y.reshape(batch, high // side, wide // side, side, side, width)
        y = y.swapaxes(2, 3).reshape(batch, high, wide, width)
        y = jnp.roll(y, shift, (1, 2))[:, :rows, :columns]
        x = x + self.drop_path(gradient_barrier(y))

        y = _norm(dtype=self.dtype, name="norm2")(x)
        y = nn.gelu(_dense(4 * width, dtype=self.dtype, name="fc1")(y), approximate=False)
        y = _dense(width, dtype=self.dtype, name="fc2")(y)
        return x + self.drop_path(gradient_barrier(y))

    def _attention(self, x: jax.Array, regions: np.ndarray) -> jax.Array:
        """Windows (B, N, T, C) to the same; `regions` (N, T) int, which positions belong together.

        Equation 4 of the paper: the bias is looked up by where one position lies from the other.
        """
        batch, number, tokens, width = x.shape
        qkv = _dense(3 * width, dtype=self.dtype, name="qkv")(x)
        split = qkv.reshape(batch, number, tokens, 3, self.heads, -1)
        q, k, v = jnp.moveaxis(split, 3, 0)
        logits = widen(jnp.einsum("bnqhd,bnkhd->bnhqk", q * q.shape[-1] ** -0.5, k))
        shape = ((2 * self.window - 1) ** 2, self.heads)
        table = self.param("relative_position_bias_table", _INIT, shape, jnp.float32)
        bias = jnp.moveaxis(table[_offsets(self.window)], 2, 0)
        logits = logits + bias[None, None].astype(logits.dtype)
        if regions.any():
            apart = regions[:, None, :, None] != regions[:, None, None, :]
            logits = logits + jnp.where(apart, _APART, 0.0)[None].astype(logits.dtype)
        attention = nn.softmax(logits).astype(self.dtype)
        x = jnp.einsum("bnhqk,bnkhd->bnqhd", attention, v).reshape(batch, number, tokens, width)
        return _dense(width, dtype=self.dtype, name="proj")(x)


def _windows(x: jax.Array, side: int) -> jax.Array:
    """(B, H, W, C) to (B, N, side * side, C), row by row."""
    batch, high, wide, width = x.shape
    x = x.reshape(batch, high // side, side, wide // side, side, width)
    return x.swapaxes(2, 3).reshape(batch, -1, side * side, width)


def _regions(shape: tuple[int, int], shift: tuple[int, ...], side: int) -> np.ndarray:
    """(N, T) int: positions of a window that are neighbours in the map, too, have one number."""
    along = []
    for length, by in zip(shape, shift, strict=True):
        place = np.arange(length)
        along.append(
            (place >= length - side).astype(int) + (place >= length - by) if by else 0 * place
        )
    regions = 3 * along[0][:, None] + along[1][None, :]
    cut = regions.reshape(shape[0] // side, side, shape[1] // side, side)
    return cut.swapaxes(1, 2).reshape(-1, side * side)


def _offsets(side: int) -> np.ndarray:
    """(T, T) int: the row of the table of biases for each pair of a window's positions."""
    places = np.stack(np.meshgrid(np.arange(side), np.arange(side), indexing="ij"), -1)
    places = places.reshape(-1, 2)
    apart = places[:, None] - places[None, :] + side - 1
    return apart[..., 0] * (2 * side - 1) + apart[..., 1]


class PatchMerging(nn.Module):
    """Four neighbours become one with twice the width: (B, H, W, C) -> (B, H/2, W/2, 2 C)."""

    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        width = x.shape[-1]
        x = jnp.pad(x, ((0, 0), (0, x.shape[1] % 2), (0, x.shape[2] % 2), (0, 0)))
        corners = [x[:, row::2, column::2] for column in (0, 1) for row in (0, 1)]
        x = _norm(dtype=self.dtype, name="norm")(jnp.concatenate(corners, -1))
        return _dense(2 * width, use_bias=False, dtype=self.dtype, name="reduction")(x)


class SwinTransformer(Backbone):
    """Four stages over patches of four pixels. Maps: stage1 ... stage4, the last one layer-normed.

    Attributes:
      width: of the first stage; each later one has twice that of the one before.
      window: side of the windows, positions.
    """

    width: int
    depths: tuple[int, ...]
    heads: tuple[int, ...]
    window: int = 7

    @nn.compact
    def __call__(
        self, images: jax.Array, train: bool = False, features_only: bool = False
    ) -> jax.Array | dict[str, jax.Array]:
        if min(images.shape[1:3]) < 4:
            raise UserError("the images must have at least one patch of 4 pixels")
        x = conv(
            self.width,
            4,
            stride=4,
            padding=0,
            use_bias=True,
            dtype=self.dtype,
            kernel_init=nn.initializers.lecun_normal(),
            name="patch",
        )(images.astype(self.dtype))
        x = _norm(dtype=self.dtype, name="patch_norm")(x)
        maps = {}
        block = 0
        for stage, (depth, heads) in enumerate(zip(self.depths, self.heads, strict=True), start=1):
            if stage > 1:
                x = PatchMerging(self.dtype, name=f"merge{stage}")(x)
            for i in range(depth):
                drop_path = self.drop_path_layer(train, block, sum(self.depths))
                make = self.block(SwinBlock)
                name = f"stage{stage}_{i}"
                x = make(heads, self.window, i % 2 == 1, drop_path, self.dtype, name=name)(x)
                block += 1
            maps[f"stage{stage}"] = x
        x = maps[f"stage{len(self.depths)}"] = _norm(dtype=self.dtype, name="norm")(x)
        if features_only:
            return maps
        pooled = average_pool(x)
        return self.classify(pooled, train, "head") if self.num_classes else pooled


_SMALL, _LARGE = (2, 2, 6, 2), (2, 2, 18, 2)
SWINS: dict[str, dict[str, Any]] = {
    "swin_t": {"width": 96, "depths": _SMALL, "heads": (3, 6, 12, 24)},
    "swin_s": {"width": 96, "depths": _LARGE, "heads": (3, 6, 12, 24)},
    "swin_b": {"width": 128, "depths": _LARGE, "heads": (4, 8, 16, 32)},
}
SWINS_LARGE: dict[str, dict[str, Any]] = {
    "swin_base_patch4_window12_384": {**SWINS["swin_b"], "window": 12},
    "swin_large_patch4_window7_224": {"width": 192, "depths": _LARGE, "heads": (6, 12, 24, 48)},
    "swin_large_patch4_window12_384": {
        "width": 192,
        "depths": _LARGE,
        "heads": (6, 12, 24, 48),
        "window": 12,
    },
}
