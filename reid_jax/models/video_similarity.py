"""Networks that say how alike two videos are, from the features of their frames."""

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp

from reid_jax.models.temporal.registry import temporal_encoder
from reid_jax.ops.distances import normalize


class PairHead(nn.Module):
    """A learned similarity of two embeddings (..., E) each -> (...) logits; symmetric.

    It sees |a - b| and a b, as Koch et al. (2015), "Siamese neural networks for one-shot image
    recognition", section 3.1, with the product beside the difference.
    """

    width: int = 64

    @nn.compact
    def __call__(self, a: jax.Array, b: jax.Array) -> jax.Array:
        chex.assert_equal_shape([a, b])
        # Products of unit vectors of E numbers are of the order of 1 / E.
        scale = float(a.shape[-1]) ** 0.5
        x = jnp.concatenate([jnp.abs(a - b) * scale, a * b * scale**2], axis=-1)
        return nn.Dense(1)(nn.gelu(nn.Dense(self.width)(x)))[..., 0]


class VideoSimilarityNet(nn.Module):
    """One encoder for both videos, and where wanted a learned similarity of their embeddings.

    Attributes:
      encoder: (features (B, T, D), mask (B, T), *, train) -> (B, E).
      head: how alike two embeddings are, or None: then their cosine says it.
    """

    encoder: nn.Module
    head: nn.Module | None = None

    def __call__(self, features: jax.Array, mask: jax.Array, *, train: bool = False) -> jax.Array:
        """Features (B, T, D) and mask (B, T) -> embeddings (B, E) float32 of length 1."""
        embeddings = normalize(self.encoder(features, mask, train=train))
        if self.is_initializing() and self.head is not None:
            self.head(embeddings, embeddings)
        return embeddings

    def similarity(self, a: jax.Array, b: jax.Array) -> jax.Array:
        """How alike embeddings are, (..., E) each -> (...): a logit of the head, or the cosine."""
        if self.head is None:
            return jnp.sum(a * b, axis=-1)
        return self.head(a, b)


def siamese(encoder: str, embedding_dim: int, width: int, dropout: float) -> VideoSimilarityNet:
    """A shared encoder and a learned similarity head on the pair (Bromley et al., NIPS 1993)."""
    return VideoSimilarityNet(_encoder(encoder, embedding_dim, width, dropout), PairHead())


def triplet(encoder: str, embedding_dim: int, width: int, dropout: float) -> VideoSimilarityNet:
    """Embeddings of length 1, compared by their cosine (Schroff et al., CVPR 2015)."""
    return VideoSimilarityNet(_encoder(encoder, embedding_dim, width, dropout))


def attention_siamese(embedding_dim: int, width: int, dropout: float) -> VideoSimilarityNet:
    """A Siamese network that pools frames by multi-head attention."""
    return siamese("attention", embedding_dim, width, dropout)


def _encoder(name: str, embedding_dim: int, width: int, dropout: float) -> nn.Module:
    return temporal_encoder(name, embedding_dim=embedding_dim, width=width, dropout=dropout)
