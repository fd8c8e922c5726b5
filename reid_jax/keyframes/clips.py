"""Clips of videos, drawn and disturbed on the device, one PRNG key a clip."""

import dataclasses
from typing import Annotated

import chex
import jax
import jax.numpy as jnp

from reid_jax.fields import PROBABILITY, Bound, check


@dataclasses.dataclass(frozen=True)
class ClipAugmentation:
    """How clips differ from the videos they are from; 0 switches a change off."""

    speed: Annotated[float, Bound(least=0, most=4)] = 0.0
    """Play a clip faster or slower, by a factor of up to 1 + this either way."""
    jitter: Annotated[float, Bound(least=0, most=100)] = 0.0
    """Largest shift of each frame in time, in frames, either way."""
    drop: Annotated[float, Bound(least=0, most=0.99)] = 0.0
    """Probability that a frame is missing."""
    noise: Annotated[float, Bound(least=0, most=10)] = 0.0
    """Standard deviation of noise on features, relative to that of each feature."""
    mix: Annotated[float, PROBABILITY] = 0.0
    """Probability that a clip of features is averaged with another, the targets likewise."""

    def __post_init__(self) -> None:
        check(self, "augment")


def draw_clips(
    keys: jax.Array, lengths: jax.Array, size: int, spec: ClipAugmentation
) -> tuple[jax.Array, jax.Array]:
    """Which frames of a video make a clip.

    A clip starts anywhere such that it lies within the video, or at its first frame where the video
    is shorter. Temporal jitter moves each frame by itself; frames keep their order.

    Args:
      keys: typed (B,), one a clip.
      lengths: int32 (B,), frames of each clip's video, at least 1.
      size: frames T of a clip.

    Returns:
      int32 (B, T), rising, below the video's length; and bool (B, T), false where the video has
      ended or the frame is dropped. At least one frame a clip exists.
    """
    chex.assert_rank([keys, lengths], [1, 1])

    def one(key: jax.Array, length: jax.Array) -> tuple[jax.Array, jax.Array]:
        start_key, speed_key, jitter_key, drop_key = jax.random.split(key, 4)
        span = jnp.log1p(spec.speed)
        speed = jnp.exp(jax.random.uniform(speed_key, (), minval=-span, maxval=span))
        length_f = length.astype(jnp.float32)
        room = jnp.maximum(length_f - speed * size, 0.0)
        start = jnp.floor(jax.random.uniform(start_key) * (room + 1.0))
        shift = jax.random.uniform(jitter_key, (size,), minval=-1.0, maxval=1.0) * spec.jitter
        times = start + speed * jnp.arange(size, dtype=jnp.float32)
        exists = jnp.round(times) < length_f
        frames = jnp.clip(jnp.sort(jnp.round(times + shift)), 0.0, length_f - 1.0)
        kept = exists & (jax.random.uniform(drop_key, (size,)) >= spec.drop)
        kept = kept.at[0].set(kept[0] | ~kept.any())
        return frames.astype(jnp.int32), kept

    return jax.vmap(one)(keys, lengths)
