"""Networks that say how alike two videos are, from the features of their frames or from these."""

from collections.abc import Callable

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp

from reid_jax.models.temporal.frames import features_of, masked_mean
from reid_jax.models.temporal.registry import temporal_encoder
from reid_jax.ops.distances import normalize


class PairHead(nn.Module):
    """A learned similarity of two embeddings (..., E) of length 1 -> (...) logits; symmetric.

    Their cosine, scaled, and a correction from |a - b| and a b, which starts at zero (Koch et al.
    2015, "Siamese neural networks for one-shot image recognition", section 3.1, has the former).
    """

    width: int = 64

    @nn.compact
    def __call__(self, a: jax.Array, b: jax.Array) -> jax.Array:
        chex.assert_equal_shape([a, b])
        # Products of unit vectors of E numbers are of the order of 1 / E.
        size = float(a.shape[-1])
        x = jnp.concatenate([jnp.abs(a - b) * size**0.5, a * b * size], axis=-1)
        hidden = nn.gelu(nn.Dense(self.width)(x))
        correction = nn.Dense(1, kernel_init=nn.initializers.zeros)(hidden)[..., 0]
        scale = self.param("scale", nn.initializers.constant(10.0), ())
        return scale * jnp.sum(a * b, axis=-1) + correction


class VideoSimilarityNet(nn.Module):
    """One encoder for both videos, and where wanted a learned similarity of their embeddings.

    An embedding is the mean over frames plus what the encoder says, which a gate weighs that starts
    at zero (Bachlechner et al., UAI 2021, "ReZero"): on features under which clips of one video are
    close already, training can only start from there.

    Attributes:
      encoder: (features (B, T, D), mask (B, T), *, train) -> (B, D).
      head: how alike two embeddings are, or None: then their cosine says it.
      backbone: images (N, H, W, C) -> features (N, F); None where features come as they are.
    """

    encoder: nn.Module
    head: nn.Module | None = None
    backbone: nn.Module | None = None

    def setup(self) -> None:
        """The gate, shut at the start."""
        self.gate = self.param("gate", nn.initializers.zeros, ())

    def __call__(
        self,
        frames: jax.Array,
        mask: jax.Array,
        *,
        train: bool = False,
        prepare: Callable[[jax.Array, jax.Array], jax.Array] = lambda features, mask: features,
    ) -> jax.Array:
        """Embeddings of features (B, T, D), or with a backbone of images (B, T, H, W, C).

        While training, masked images take part in the backbone's batch statistics.

        Args:
          prepare: what the encoder gets of the backbone's features and the mask.
        """
        if self.backbone is not None:
            frames = prepare(self.features(frames, train=train), mask)
        return self.embedded(frames, mask, train=train)

    def features(self, images: jax.Array, *, train: bool = False) -> jax.Array:
        """Backbone features (B, T, F) of images (B, T, H, W, C), normalised float."""
        assert self.backbone is not None
        return features_of(self.backbone, images, train=train)

    def embedded(self, features: jax.Array, mask: jax.Array, *, train: bool = False) -> jax.Array:
        """Features (B, T, D) and mask (B, T) -> embeddings (B, D) float32 of length 1."""
        correction = self.encoder(features, mask, train=train)
        embeddings = normalize(masked_mean(features, mask) + self.gate * correction)
        if self.is_initializing() and self.head is not None:
            self.head(embeddings, embeddings)
        return embeddings

    def similarity(self, a: jax.Array, b: jax.Array) -> jax.Array:
        """How alike embeddings are, (..., D) each -> (...): a logit of the head, or the cosine."""
        if self.head is None:
            return jnp.sum(a * b, axis=-1)
        return self.head(a, b)


def siamese(
    encoder: str, embedding_dim: int, width: int, dropout: float, **options: int
) -> VideoSimilarityNet:
    """A shared encoder and a learned similarity head on the pair (Bromley et al., NIPS 1993)."""
    return VideoSimilarityNet(
        _encoder(encoder, embedding_dim, width, dropout, **options), PairHead()
    )


def triplet(
    encoder: str, embedding_dim: int, width: int, dropout: float, **options: int
) -> VideoSimilarityNet:
    """Embeddings of length 1, compared by their cosine (Schroff et al., CVPR 2015)."""
    return VideoSimilarityNet(_encoder(encoder, embedding_dim, width, dropout, **options))


def attention_siamese(embedding_dim: int, width: int, dropout: float) -> VideoSimilarityNet:
    """A Siamese network that pools frames by multi-head attention."""
    return siamese("attention", embedding_dim, width, dropout)


def _encoder(
    name: str, embedding_dim: int, width: int, dropout: float, **options: int
) -> nn.Module:
    sizes = {"embedding_dim": embedding_dim, "width": width, **options}
    return temporal_encoder(name, dropout=dropout, **sizes)
