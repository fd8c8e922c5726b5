"""What a frame is within its video: numbers that need no learning, from the frames' features."""

import chex
import jax
import jax.numpy as jnp

CHANGE_RADII = (1, 4, 16)
NEIGHBOUR_RADII = (8, 32)
SHARED_SIMILARITIES = (0.6, 0.8)
EDGES = (0.02, 0.05)
COLUMNS = 1 + len(EDGES) + len(CHANGE_RADII) + len(NEIGHBOUR_RADII) + 1 + len(SHARED_SIMILARITIES)
# Similarities that are held at a time.
_SIMILARITIES = 2**22


def frame_context(features: jax.Array, mask: jax.Array) -> jax.Array:
    """Descriptors (B, T, 11) float32 of frames within their video, standardised a video.

    In this order, x being features scaled to length 1:

    - closeness to the middle, 1 - (2 t / n - 1)^2 (the centre prior), and whether the frame is in
      the first or last 2%, and 5%, of the video;
    - change over 1, 4 and 16 frames: the distance between the mean of x in the window that ends
      here and in the one that begins here;
    - cosine to the mean of x over 8 and 32 frames on either side, and over the whole video;
    - how common the frame is: the share of the video's frames with a cosine above 0.6, and 0.8.

    Each has mean 0 and variance 1 over a video's frames, or is 0 where it does not vary. Memory
    is O(T D), and time O(T^2 D) for the last two.

    Args:
      features: (B, T, D) float32, as the backbone gives them.
      mask: (B, T) bool; the frames that exist come first. Where it is false, the result is 0.
    """
    chex.assert_rank([features, mask], [3, 2])
    chex.assert_equal_shape_prefix([features, mask], 2)
    return jax.lax.map(lambda video: _one(*video), (features, mask))


def _one(features: jax.Array, mask: jax.Array) -> jax.Array:
    length = mask.sum()
    count = jnp.maximum(length, 1).astype(jnp.float32)
    x = jnp.where(mask[:, None], features, 0.0)
    x *= jax.lax.rsqrt(jnp.maximum(jnp.square(x).sum(-1, keepdims=True), 1e-12))
    middle = jnp.square(2 * (jnp.arange(mask.shape[0]).astype(jnp.float32) + 0.5) / count - 1)
    edges = [(middle > (1 - 2 * share) ** 2).astype(jnp.float32) for share in EDGES]
    sums = jnp.concatenate([jnp.zeros_like(x[:1]), jnp.cumsum(x, axis=0)])

    def mean(first: jax.Array, last: jax.Array) -> jax.Array:
        """Means of x[first : last] within the video, (T, D); 0 where that is empty."""
        first, last = jnp.clip(first, 0, length), jnp.clip(last, 0, length)
        number = jnp.maximum(last - first, 1).astype(jnp.float32)
        return (sums[last] - sums[first]) / number[:, None]

    here = jnp.arange(mask.shape[0])
    changes = [
        jnp.linalg.norm(
            # The first frame has nothing before it and is compared with itself.
            mean(here - radius, jnp.maximum(here, 1)) - mean(here, here + radius),
            axis=-1,
        )
        for radius in CHANGE_RADII
    ]
    near = [_cosine(x, mean(here - radius, here + radius + 1)) for radius in NEIGHBOUR_RADII]
    whole = _cosine(x, jnp.broadcast_to(x.sum(0, keepdims=True) / count, x.shape))
    columns = [1 - middle, *edges, *changes, *near, whole, *_shared(x, mask, count)]
    return _standardised(jnp.stack(columns, axis=-1), mask, count)


def _cosine(x: jax.Array, other: jax.Array) -> jax.Array:
    norm = jnp.sqrt(jnp.maximum(jnp.square(other).sum(-1), 1e-12))
    return (x * other).sum(-1) / norm


def _shared(x: jax.Array, mask: jax.Array, count: jax.Array) -> list[jax.Array]:
    length = x.shape[0]
    block = max(_SIMILARITIES // length, 1)
    blocks, block = (1, length) if length <= block else (-(-length // block), block)
    rows = jnp.pad(x, ((0, blocks * block - length), (0, 0))).reshape(blocks, block, -1)

    def shares(rows: jax.Array) -> jax.Array:
        similar = jnp.matmul(rows, x.T, precision=jax.lax.Precision.HIGHEST)
        shared = [(similar > least) & mask[None, :] for least in SHARED_SIMILARITIES]
        return jnp.stack([one.sum(-1).astype(jnp.float32) for one in shared], axis=-1) / count

    return list(jax.lax.map(shares, rows).reshape(-1, len(SHARED_SIMILARITIES))[:length].T)


def _standardised(columns: jax.Array, mask: jax.Array, count: jax.Array) -> jax.Array:
    held = jnp.where(mask[:, None], columns, 0.0)
    centred = jnp.where(mask[:, None], held - held.sum(0, keepdims=True) / count, 0.0)
    variance = jnp.square(centred).sum(0, keepdims=True) / count
    return jnp.where(variance > 1e-10, centred * jax.lax.rsqrt(variance + 1e-10), 0.0)
