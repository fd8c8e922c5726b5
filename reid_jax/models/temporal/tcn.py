"""A temporal convolutional network (Bai, Kolter & Koltun 2018, arXiv:1803.01271)."""

import flax.linen as nn
import jax

from reid_jax.models.layers import Dropout
from reid_jax.models.temporal.frames import FrameConvolution, VideoEncoder, masked_mean


class TcnEncoder(VideoEncoder):
    """Features (B, T, D) and mask (B, T) -> (B, embedding_dim).

    Residual blocks of two convolutions whose dilation doubles from block to block (Bai et al.,
    section 3.3). A whole clip is there, so the convolutions look both ways; LayerNorm stands in the
    place of weight normalisation.
    """

    blocks: int = 3

    def video(self, features: jax.Array, mask: jax.Array, train: bool) -> jax.Array:
        x = self.projected(features, mask, train)
        for block in range(self.blocks):
            y = x
            for _ in range(2):
                y = nn.gelu(
                    FrameConvolution(self.width, dilation=2**block)(nn.LayerNorm()(y), mask)
                )
                y = Dropout(self.dropout, not train, self.axis_name)(y)
            x = x + y
        return masked_mean(x, mask)
