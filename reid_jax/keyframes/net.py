"""How important is each frame of a video: frame features, or frames, in; scores in (0, 1) out."""

from collections.abc import Callable

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp

from reid_jax.models.layers import Dropout, Dtype
from reid_jax.models.temporal.attention import DualTemporalAttention
from reid_jax.models.temporal.encoder import TemporalEncoder, layer_norm
from reid_jax.models.temporal.frames import features_of
from reid_jax.models.temporal.positions import sinusoidal_positions
from reid_jax.ops.smoothing import smooth_over_time


class KeyframeScorer(nn.Module):
    """Features (B, T, D) and mask (B, T) -> scores (B, T) float32 in (0, 1), 0 where masked.

    Projection, sinusoidal positions, a transformer encoder, attention to a window beside attention
    to the whole video (`DualTemporalAttention`), and a head of two layers with a sigmoid. A masked
    frame changes no other frame's score, whatever its features are. Among Flax's "intermediates" is
    "projected", what is behind the projection.

    Attributes:
      width: of the frames' representation.
      depth, heads, head_dim, mlp: of the encoder.
      dual_head_dim: of each of the `heads` in either half of the dual attention.
      radius: frames on either side that the local attention sees.
      hidden: units between the head's layers.
      dropout: after the projection, on residual branches and in the head.
      skip: adds a linear function of the features to the logit. The head's last layer then starts
        at zero, so that the network starts as that linear function and learns to correct it.
      smoothing: standard deviation, in frames, of a Gaussian over the logits; 0 for none.
    """

    width: int = 512
    depth: int = 3
    heads: int = 8
    head_dim: int = 16
    mlp: int = 256
    dual_head_dim: int = 8
    radius: int = 16
    hidden: int = 128
    dropout: float = 0.0
    skip: bool = False
    smoothing: float = 0.0
    dtype: Dtype = jnp.float32
    axis_name: str | None = None

    @nn.compact
    def __call__(self, features: jax.Array, mask: jax.Array, *, train: bool = False) -> jax.Array:
        chex.assert_rank([features, mask], [3, 2])
        chex.assert_equal_shape_prefix([features, mask], 2)

        def drop(x: jax.Array) -> jax.Array:
            return Dropout(self.dropout, not train, self.axis_name)(x)

        # What is not there may hold anything, and 0 x NaN is NaN.
        features = jnp.where(mask[..., None], features, jnp.zeros_like(features))
        x = nn.Dense(self.width, dtype=self.dtype, name="projection")(features.astype(self.dtype))
        self.sow("intermediates", "projected", x)
        positions = sinusoidal_positions(features.shape[1], self.width).astype(self.dtype)
        x = drop(x + positions[None])
        x = TemporalEncoder(
            self.depth,
            self.heads,
            self.head_dim,
            self.mlp,
            self.dropout,
            self.dtype,
            self.axis_name,
            name="encoder",
        )(x, mask, train=train)
        dual = DualTemporalAttention(
            self.heads, self.dual_head_dim, self.radius, self.dtype, name="dual"
        )
        x = layer_norm(x + drop(dual(x, mask, train=train)), "norm")
        hidden = nn.gelu(nn.Dense(self.hidden, dtype=self.dtype, name="hidden")(x))
        highest = jax.lax.Precision.HIGHEST
        zeros_or_default = nn.initializers.zeros if self.skip else nn.linear.default_kernel_init
        score = nn.Dense(1, kernel_init=zeros_or_default, precision=highest, name="score")
        logits = score(drop(hidden).astype(jnp.float32))[..., 0]
        if self.skip:
            linear = nn.Dense(
                1, use_bias=False, kernel_init=nn.initializers.zeros, precision=highest, name="skip"
            )
            logits += linear(drop(features.astype(jnp.float32)))[..., 0]
        if self.smoothing:
            logits = smooth_over_time(logits, mask, sigma=self.smoothing)
        return jnp.where(mask, nn.sigmoid(logits), 0.0)


class KeyframeNet(nn.Module):
    """A scorer, and under it a backbone where frames come as images.

    Attributes:
      scorer: a `KeyframeScorer`.
      backbone: images (N, H, W, C) -> features (N, D); None where features come as they are.
    """

    scorer: nn.Module
    backbone: nn.Module | None = None

    def __call__(
        self,
        frames: jax.Array,
        mask: jax.Array,
        *,
        train: bool = False,
        prepare: Callable[[jax.Array, jax.Array], jax.Array] = lambda features, mask: features,
    ) -> jax.Array:
        """Scores (B, T) of features (B, T, D), or with a backbone of images (B, T, H, W, C).

        While training, masked images take part in the backbone's batch statistics; in evaluation
        they change nothing.

        Args:
          prepare: what the scorer gets of the backbone's features and the mask.
        """
        if self.backbone is not None:
            frames = prepare(self.features(frames, train=train), mask)
        return self.scorer(frames, mask, train=train)

    def features(self, images: jax.Array, *, train: bool = False) -> jax.Array:
        """Backbone features (B, T, D) of images (B, T, H, W, C), normalised float."""
        assert self.backbone is not None
        return features_of(self.backbone, images, train=train)

    def score(self, features: jax.Array, mask: jax.Array) -> jax.Array:
        """Scores (B, T) of features (B, T, D), whether or not there is a backbone."""
        return self.scorer(features, mask, train=False)
