"""A transformer encoder over frames."""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp

from reid_jax.models.layers import Dropout, Dtype, widen
from reid_jax.models.temporal.attention import TemporalAttention


def layer_norm(x: jax.Array, name: str) -> jax.Array:
    """Layer norm in float32, the result in the dtype of `x`; call it in a compact method."""
    norm = nn.LayerNorm(epsilon=1e-6, use_fast_variance=False, name=name)
    return norm(widen(x)).astype(x.dtype)


class EncoderLayer(nn.Module):
    """Self-attention and a two-layer perceptron, each normalised first and on a residual branch.

    Attributes:
      heads, head_dim: of the attention.
      mlp: width inside the perceptron.
      dropout: on both branches.
    """

    heads: int
    head_dim: int
    mlp: int
    dropout: float = 0.0
    dtype: Dtype = jnp.float32
    axis_name: str | None = None

    @nn.compact
    def __call__(self, features: jax.Array, mask: jax.Array, *, train: bool = False) -> jax.Array:
        drop = partial(Dropout, self.dropout, not train, self.axis_name)
        attention = TemporalAttention(self.heads, self.head_dim, dtype=self.dtype, name="attention")
        normed = layer_norm(features, "norm1")
        features = features + drop()(attention(normed, mask, train=train))

        normed = layer_norm(features, "norm2")
        hidden = nn.gelu(nn.Dense(self.mlp, dtype=self.dtype, name="fc1")(normed))
        hidden = nn.Dense(features.shape[-1], dtype=self.dtype, name="fc2")(hidden)
        return features + drop()(hidden)


class TemporalEncoder(nn.Module):
    """`depth` layers of `EncoderLayer` and a last norm: (B, T, D), mask (B, T) -> (B, T, D).

    Vaswani et al. (NeurIPS 2017), section 3.1, with the norms before the branches (Xiong et al.,
    "On layer normalization in the transformer architecture", ICML 2020), which trains without
    warm-up. Masked frames are seen by no other frame.
    """

    depth: int
    heads: int
    head_dim: int
    mlp: int
    dropout: float = 0.0
    dtype: Dtype = jnp.float32
    axis_name: str | None = None

    @nn.compact
    def __call__(self, features: jax.Array, mask: jax.Array, *, train: bool = False) -> jax.Array:
        for number in range(self.depth):
            layer = EncoderLayer(
                self.heads,
                self.head_dim,
                self.mlp,
                self.dropout,
                self.dtype,
                self.axis_name,
                name=f"layer_{number}",
            )
            features = layer(features, mask, train=train)
        return layer_norm(features, "norm")
