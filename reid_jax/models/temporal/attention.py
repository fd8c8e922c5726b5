"""Self-attention over frames: over the whole video or within a window, in linear memory."""

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp

from reid_jax.models.layers import Dtype

# Attention weights of one head that are held at a time; longer videos are attended in blocks.
_WEIGHTS = 2**22


def attend(query: jax.Array, key: jax.Array, value: jax.Array, valid: jax.Array) -> jax.Array:
    """softmax(q k' / sqrt(d)) v over the valid keys, with the softmax in float32.

    Vaswani et al., "Attention is all you need" (NeurIPS 2017), eq. 1.

    Args:
      query: (..., Q, H, d).
      key, value: (..., K, H, d).
      valid: bool (..., Q or 1, K). A query without a valid key gets zeros.

    Returns:
      (..., Q, H, d), the dtype of `value`.
    """
    scale = query.shape[-1] ** -0.5
    logits = jnp.einsum(
        "...qhd,...khd->...hqk", query * scale, key, preferred_element_type=jnp.float32
    )
    valid = valid[..., None, :, :]
    weights = jax.nn.softmax(jnp.where(valid, logits, -1e30))
    weights = jnp.where(valid, weights, 0.0).astype(value.dtype)
    return jnp.einsum("...hqk,...khd->...qhd", weights, value)


def global_attention(
    query: jax.Array, key: jax.Array, value: jax.Array, mask: jax.Array
) -> jax.Array:
    """Every frame attends to every frame that exists; memory O(T), in the backward pass too.

    Long videos go block by block of queries, and the backward pass computes a block's weights
    again instead of keeping them.

    Args:
      query, key, value: (B, T, H, d).
      mask: bool (B, T), true where a frame exists.
    """
    _check(query, key, value, mask)
    batch, length, heads, dim = query.shape
    valid = mask[:, None, :]
    block = max(_WEIGHTS // max(length, 1), 1)
    if length <= block:
        return attend(query, key, value, valid)
    blocks = -(-length // block)
    query = _pad_time(query, 0, blocks * block - length)
    query = jnp.moveaxis(query.reshape(batch, blocks, block, heads, dim), 1, 0)
    rows = jax.lax.map(jax.checkpoint(lambda rows: attend(rows, key, value, valid)), query)
    return jnp.moveaxis(rows, 0, 1).reshape(batch, blocks * block, heads, dim)[:, :length]


def local_attention(
    query: jax.Array, key: jax.Array, value: jax.Array, mask: jax.Array, *, radius: int
) -> jax.Array:
    """Every frame attends to the frames at most `radius` away; time and memory O(T x radius).

    Sliding-window attention (Beltagy et al., "Longformer", arXiv 2004.05150, section 3.1), in
    blocks of `radius` queries that see the keys of their own block and of the two beside it.

    Args:
      query, key, value: (B, T, H, d).
      mask: bool (B, T), true where a frame exists.
      radius: frames on either side, at least 1.
    """
    _check(query, key, value, mask)
    batch, length, heads, dim = query.shape
    blocks = -(-length // radius)
    rest = blocks * radius - length
    query = _pad_time(query, 0, rest).reshape(batch, blocks, radius, heads, dim)

    def neighbourhoods(x: jax.Array) -> jax.Array:
        padded = _pad_time(x, radius, rest + radius)
        parts = padded.reshape(batch, blocks + 2, radius, *x.shape[2:])
        return jnp.concatenate([parts[:, :-2], parts[:, 1:-1], parts[:, 2:]], axis=2)

    distance = jnp.arange(3 * radius)[None, :] - jnp.arange(radius)[:, None] - radius
    band = jnp.abs(distance) <= radius
    valid = band[None, None] & neighbourhoods(mask)[:, :, None, :]
    result = attend(query, neighbourhoods(key), neighbourhoods(value), valid)
    return result.reshape(batch, blocks * radius, heads, dim)[:, :length]


def attention_map(query: jax.Array, key: jax.Array, mask: jax.Array) -> jax.Array:
    """What every frame attends to in `global_attention`, mean over heads: (B, T, T) float32.

    Args:
      query, key: (B, T, H, d).
      mask: bool (B, T), true where a frame exists.
    """
    _check(query, key, key, mask)
    scale = query.shape[-1] ** -0.5
    logits = jnp.einsum("bqhd,bkhd->bhqk", query * scale, key, preferred_element_type=jnp.float32)
    valid = mask[:, None, None, :]
    weights = jax.nn.softmax(jnp.where(valid, logits, -1e30))
    return jnp.where(valid, weights, 0.0).mean(axis=1)


class AttentionHeads(nn.Module):
    """The heads' outputs side by side: features (B, T, D), mask (B, T) -> (B, T, H d).

    Heads that see the whole video show what they attend to, `attention_map`, to who asks for
    Flax's "intermediates".

    Attributes:
      heads, head_dim: H and d.
      radius: frames on either side that a frame sees; 0 for the whole video.
    """

    heads: int
    head_dim: int
    radius: int = 0
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(self, features: jax.Array, mask: jax.Array) -> jax.Array:
        batch, length, _ = features.shape
        width = self.heads * self.head_dim
        qkv = nn.Dense(3 * width, dtype=self.dtype, name="qkv")(features)
        qkv = jnp.moveaxis(qkv.reshape(batch, length, 3, self.heads, self.head_dim), 2, 0)
        if self.radius:
            heads = local_attention(qkv[0], qkv[1], qkv[2], mask, radius=self.radius)
        else:
            heads = global_attention(qkv[0], qkv[1], qkv[2], mask)
            if self.is_mutable_collection("intermediates"):
                self.sow("intermediates", "attention", attention_map(qkv[0], qkv[1], mask))
        return heads.reshape(batch, length, width)


class TemporalAttention(nn.Module):
    """Multi-head self-attention over frames: features (B, T, D), mask (B, T) -> (B, T, D).

    `heads * head_dim` need not be D; the other attributes are those of `AttentionHeads`.
    """

    heads: int
    head_dim: int
    radius: int = 0
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(self, features: jax.Array, mask: jax.Array, *, train: bool = False) -> jax.Array:
        del train
        heads = AttentionHeads(self.heads, self.head_dim, self.radius, self.dtype, name="heads")
        return nn.Dense(features.shape[-1], dtype=self.dtype, name="out")(heads(features, mask))


class DualTemporalAttention(nn.Module):
    """What is near beside what is everywhere, weighed frame by frame: (B, T, D) -> (B, T, D).

    The heads of a window and those of the whole video are mixed by a gate that sees both:
    g = sigmoid(W [local, global]), out = W' (g local + (1 - g) global), channel by channel.
    """

    heads: int
    head_dim: int
    radius: int
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(self, features: jax.Array, mask: jax.Array, *, train: bool = False) -> jax.Array:
        del train
        size = (self.heads, self.head_dim)
        near = AttentionHeads(*size, self.radius, self.dtype, name="local")(features, mask)
        far = AttentionHeads(*size, 0, self.dtype, name="global")(features, mask)
        gate = nn.Dense(near.shape[-1], dtype=self.dtype, name="gate")
        share = nn.sigmoid(gate(jnp.concatenate([near, far], axis=-1)))
        mixed = share * near + (1 - share) * far
        return nn.Dense(features.shape[-1], dtype=self.dtype, name="out")(mixed)


def _pad_time(x: jax.Array, before: int, after: int) -> jax.Array:
    return jnp.pad(x, ((0, 0), (before, after)) + ((0, 0),) * (x.ndim - 2))


def _check(query: jax.Array, key: jax.Array, value: jax.Array, mask: jax.Array) -> None:
    chex.assert_rank([query, mask], [4, 2])
    chex.assert_equal_shape([query, key, value])
    chex.assert_equal_shape_prefix([query, mask], 2)
    chex.assert_type(mask, jnp.bool_)
