"""TransNet V2 (Souček and Lokoč, arXiv 2008.04838): where does one shot of a video end?"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from reid_jax.ops.convolution.lax import conv_general_dilated

WIDTH, HEIGHT = 48, 27
"""Of the frames that the published weights were trained on."""

_DILATIONS = (1, 2, 4, 8)
_LOOKUP = 101  # frames that each frame is compared with, itself in the middle
_BINS = 8  # of the histogram, for each colour


class TransNetV2(nn.Module):
    """Frames uint8 (B, T, 27, 48, 3) -> logits (B, T, 2) float32, to be read by a sigmoid.

    The first of the two says whether a frame is the last before a cut, or the middle of a gradual
    transition; the second whether it belongs to a transition at all. It saw windows of 100 frames
    in training, of which it was asked about the middle 50. Inference only: no dropout, and batch
    norms by their running statistics.
    """

    @nn.compact
    def __call__(self, frames: jax.Array) -> jax.Array:
        batch, length = frames.shape[:2]
        x = frames.astype(jnp.float32) / 255.0
        pooled = []
        for i, filters in enumerate((16, 32, 64)):
            first = _DilatedBlock(filters, name=f"stack{i}_0")(x)
            first = nn.relu(first)
            second = nn.relu(_DilatedBlock(filters, name=f"stack{i}_1")(first))
            x = _halved(second + first)
            pooled.append(x.mean((2, 3)))
        described = nn.Dense(128, name="similarity_projection")(jnp.concatenate(pooled, -1))
        by_content = nn.Dense(128, name="similarity")(_compared(described))
        by_colour = nn.Dense(128, name="colour")(_compared(_histograms(frames)))
        flat = x.reshape(batch, length, -1)
        features = jnp.concatenate([nn.relu(by_colour), nn.relu(by_content), flat], -1)
        return nn.Dense(2, name="logits")(nn.relu(nn.Dense(1024, name="hidden")(features)))


class _DilatedBlock(nn.Module):
    """Four (2+1)D convolutions of different reach in time, side by side, and a batch norm.

    Their convolutions in space are one here, as they have the same input.
    """

    filters: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        batch, length, height, width, inputs = x.shape
        branches, between = len(_DILATIONS), 2 * self.filters
        init = nn.initializers.lecun_normal()
        spatial = self.param("spatial", init, (3, 3, inputs, branches * between))
        temporal = self.param("temporal", init, (branches, 3, between, self.filters))
        x = conv_general_dilated(
            x.reshape(-1, height, width, inputs),
            spatial,
            (1, 1),
            "SAME",
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )
        x = x.reshape(batch, length, height, width, branches, between)
        found = []
        for branch, dilation in enumerate(_DILATIONS):
            padded = jnp.pad(
                x[..., branch, :], [(0, 0), (dilation, dilation), (0, 0), (0, 0), (0, 0)]
            )
            taps = [
                lax.slice_in_dim(padded, tap * dilation, tap * dilation + length, axis=1)
                for tap in range(3)
            ]
            found.append(sum(t @ temporal[branch, i] for i, t in enumerate(taps)))
        return nn.BatchNorm(use_running_average=True, epsilon=1e-3, name="bn")(
            jnp.concatenate(found, -1)
        )


def _halved(x: jax.Array) -> jax.Array:
    """Means of 2 x 2 pixels; an odd last row is dropped."""
    batch, length, height, width, channels = x.shape
    x = x[:, :, : height // 2 * 2, : width // 2 * 2]
    return x.reshape(batch, length, height // 2, 2, width // 2, 2, channels).mean((3, 5))


def _histograms(frames: jax.Array) -> jax.Array:
    """Counts of 512 colours (B, T, 512) float32."""
    batch, length = frames.shape[:2]
    level = (frames // (256 // _BINS)).astype(jnp.int32).reshape(batch * length, -1, 3)
    colour = (level[..., 0] * _BINS + level[..., 1]) * _BINS + level[..., 2]
    count = jax.vmap(lambda c: jnp.zeros(_BINS**3, jnp.float32).at[c].add(1.0))
    return count(colour).reshape(batch, length, -1)


def _compared(x: jax.Array) -> jax.Array:
    """Cosine similarities (B, T, 101) of each frame to those around it, 0 beyond the ends."""
    norm = jnp.sqrt(jnp.maximum(jnp.sum(x * x, -1, keepdims=True), 1e-24))
    x = x / norm
    similar = jnp.einsum("btd,bsd->bts", x, x, precision=jax.lax.Precision.HIGHEST)
    reach = _LOOKUP // 2
    padded = jnp.pad(similar, [(0, 0), (0, 0), (reach, reach)])
    time = jnp.arange(x.shape[1])
    around = time[:, None] + jnp.arange(_LOOKUP)[None]
    return jnp.take_along_axis(padded, around[None], axis=2)
