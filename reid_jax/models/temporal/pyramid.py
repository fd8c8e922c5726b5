"""A temporal pyramid: means over the whole video, its halves and its quarters."""

import jax
import jax.numpy as jnp

from reid_jax.models.temporal.frames import VideoEncoder


class PyramidEncoder(VideoEncoder):
    """Features (B, T, D) and mask (B, T) -> (B, embedding_dim).

    Spatial pyramid matching (Lazebnik, Schmid & Ponce, CVPR 2006) along time: each level divides
    the real frames into so many parts, and all parts' means are concatenated.
    """

    levels: tuple[int, ...] = (1, 2, 4)

    def video(self, features: jax.Array, mask: jax.Array, train: bool) -> jax.Array:
        x = self.projected(features, mask, train)
        means = [
            jnp.einsum("bpt,btd->bpd", part_weights(mask, parts), x).reshape(x.shape[0], -1)
            for parts in self.levels
        ]
        return jnp.concatenate(means, axis=-1)


def part_weights(mask: jax.Array, parts: int) -> jax.Array:
    """`mask` (B, T) -> (B, parts, T) float32: what each real frame counts in the mean of each part.

    Part j of n frames has those from floor(j n / parts) to ceil((j + 1) n / parts), so that parts
    overlap by a frame rather than be empty. Without frames all is 0.
    """
    order = jnp.cumsum(mask, axis=1, dtype=jnp.int32)[:, None, :] - 1
    number = jnp.sum(mask, axis=1, dtype=jnp.int32)[:, None, None]
    part = jnp.arange(parts, dtype=jnp.int32)[None, :, None]
    start, end = part * number // parts, ((part + 1) * number + parts - 1) // parts
    inside = mask[:, None, :] & (order >= start) & (order < end)
    counts = jnp.sum(inside, axis=2, keepdims=True).astype(jnp.float32)
    return inside.astype(jnp.float32) / jnp.maximum(counts, 1.0)
