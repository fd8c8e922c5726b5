"""The mean over frames."""

import jax

from reid_jax.models.temporal.frames import VideoEncoder, masked_mean


class MeanEncoder(VideoEncoder):
    """Features (B, T, D) and mask (B, T) -> (B, embedding_dim): project, average, project."""

    def video(self, features: jax.Array, mask: jax.Array, train: bool) -> jax.Array:
        x = self.projected(features, mask, train)
        return masked_mean(x, mask)
