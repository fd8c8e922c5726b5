"""The mean over frames."""

import flax.linen as nn
import jax

from reid_jax.models.temporal.frames import FrameProjection, masked_mean


class MeanEncoder(nn.Module):
    """Features (B, T, D) and mask (B, T) -> (B, embedding_dim): project, average, project."""

    embedding_dim: int = 128
    width: int = 256
    dropout: float = 0.0
    axis_name: str | None = None

    @nn.compact
    def __call__(self, features: jax.Array, mask: jax.Array, *, train: bool) -> jax.Array:
        x = FrameProjection(self.width, self.dropout, self.axis_name)(features, mask, train=train)
        return nn.Dense(self.embedding_dim)(masked_mean(x, mask))
