"""Attention over frames, then over shots (after Yang et al., NAACL 2016, for words, sentences)."""

import flax.linen as nn
import jax

from reid_jax.models.temporal.attention_pooling import AttentionPooling
from reid_jax.models.temporal.frames import FrameProjection, split_windows


class HierarchicalEncoder(nn.Module):
    """Features (B, T, D) and mask (B, T) -> (B, embedding_dim).

    Frames are pooled by attention into shots of `shot` frames each, shots by attention into the
    video (Yang et al. 2016, "Hierarchical attention networks for document classification").
    """

    embedding_dim: int = 128
    width: int = 256
    dropout: float = 0.0
    axis_name: str | None = None
    heads: int = 4
    shot: int = 4

    @nn.compact
    def __call__(self, features: jax.Array, mask: jax.Array, *, train: bool) -> jax.Array:
        x = FrameProjection(self.width, self.dropout, self.axis_name)(features, mask, train=train)
        frames, real = split_windows(x, mask, self.shot)
        batch, shots = real.shape[:2]
        within = AttentionPooling(self.heads, name="frames")
        pooled = within(frames.reshape(-1, *frames.shape[2:]), real.reshape(-1, self.shot))
        pooled = nn.gelu(nn.LayerNorm()(pooled)).reshape(batch, shots, self.width)
        video = AttentionPooling(self.heads, name="shots")(pooled, real.any(axis=-1))
        return nn.Dense(self.embedding_dim)(video)
