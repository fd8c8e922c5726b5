"""A temporal convolutional network (Bai, Kolter & Koltun 2018, arXiv:1803.01271)."""

import flax.linen as nn
import jax

from reid_jax.models.layers import Dropout
from reid_jax.models.temporal.frames import FrameConvolution, FrameProjection, masked_mean


class TcnEncoder(nn.Module):
    """Features (B, T, D) and mask (B, T) -> (B, embedding_dim).

    Residual blocks of two convolutions whose dilation doubles from block to block (Bai et al.,
    section 3.3). A whole clip is there, so the convolutions look both ways; LayerNorm stands in the
    place of weight normalisation.
    """

    embedding_dim: int = 128
    width: int = 256
    dropout: float = 0.0
    axis_name: str | None = None
    blocks: int = 3

    @nn.compact
    def __call__(self, features: jax.Array, mask: jax.Array, *, train: bool) -> jax.Array:
        x = FrameProjection(self.width, self.dropout, self.axis_name)(features, mask, train=train)
        for block in range(self.blocks):
            y = x
            for _ in range(2):
                y = nn.gelu(
                    FrameConvolution(self.width, dilation=2**block)(nn.LayerNorm()(y), mask)
                )
                y = Dropout(self.dropout, not train, self.axis_name)(y)
            x = x + y
        return nn.Dense(self.embedding_dim)(masked_mean(x, mask))
