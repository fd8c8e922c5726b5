"""Self-attention between the frames of a clip (Vaswani et al., NeurIPS 2017), then their mean."""

import jax

from reid_jax.models.temporal.encoder import TemporalEncoder
from reid_jax.models.temporal.frames import VideoEncoder, masked_mean


class SelfAttentionEncoder(VideoEncoder):
    """Features (B, T, D) and mask (B, T) -> (B, embedding_dim).

    Every frame attends to every other by eight heads, which `AttentionPooling` does not: there
    learned queries attend to frames. Frames have no positions, so that their order says nothing.
    """

    heads: int = 8
    depth: int = 1

    def video(self, features: jax.Array, mask: jax.Array, train: bool) -> jax.Array:
        x = self.projected(features, mask, train)
        encoder = TemporalEncoder(
            self.depth,
            self.heads,
            max(self.width // self.heads, 1),
            self.width,
            self.dropout,
            axis_name=self.axis_name,
            name="encoder",
        )
        return masked_mean(encoder(x, mask, train=train), mask)
