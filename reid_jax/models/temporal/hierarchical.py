"""Attention over frames, then over shots (after Yang et al., NAACL 2016, for words, sentences)."""

import flax.linen as nn
import jax

from reid_jax.models.temporal.attention_pooling import AttentionPooling
from reid_jax.models.temporal.frames import VideoEncoder, split_windows


class HierarchicalEncoder(VideoEncoder):
    """Features (B, T, D) and mask (B, T) -> (B, embedding_dim).

    Frames are pooled by attention into shots of `shot` frames each, shots by attention into the
    video (Yang et al. 2016, "Hierarchical attention networks for document classification").
    """

    heads: int = 4
    shot: int = 4

    def video(self, features: jax.Array, mask: jax.Array, train: bool) -> jax.Array:
        x = self.projected(features, mask, train)
        frames, real = split_windows(x, mask, self.shot)
        batch, shots = real.shape[:2]
        within = AttentionPooling(self.heads, name="frames")
        pooled = within(frames.reshape(-1, *frames.shape[2:]), real.reshape(-1, self.shot))
        pooled = nn.gelu(nn.LayerNorm()(pooled)).reshape(batch, shots, self.width)
        video = AttentionPooling(self.heads, name="shots")(pooled, real.any(axis=-1))
        return video
