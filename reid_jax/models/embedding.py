"""A backbone with a pooling, a projection, a BNNeck and a normalisation: images to embeddings."""

from __future__ import annotations

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp

from reid_jax.models.layers import BatchNorm, Dropout
from reid_jax.models.pooling import GeM
from reid_jax.models.standing import Standing
from reid_jax.ops.distances import normalize


class EmbeddingNet(nn.Module):
    """Embeds images (B, H, W, C) float32, normalised -> dict of two (B, D) float32 arrays.

    Whatever the backbone computes in, its features are projected and normalised in float32.

    Attributes:
      embedding_dim: size D of a linear projection, or None for the pooled features themselves.
      pooling: "avg" takes the backbone's own pooling (for a transformer its class token), "gem"
        pools the last feature map (`reid_jax.models.pooling.GeM`), "flatten" keeps each of its
        positions, which fixes the image size.
      normalize: scale "embedding" to length one.
      bnneck: Luo et al. 2019 (section 3.5): a batch norm without bias between the features of the
        metric loss and those of the classification loss.
      neck_bias: the neck has a bias, as in networks that were published so.
      standing: gives "standing" (B,), too, in training: how long "neck" is, before it is scaled to
        length one, beside others (`reid_jax.models.standing.Standing`).
      hidden: width of a layer with ReLU between the pooled features and the projection, or 0.
      dropout: share of what the projection gets that is left out in training.

    Returns:
      "embedding": what is compared. With a BNNeck the features before the batch norm in training
        and after it in evaluation.
      "neck": what a classifier sees: the features after the batch norm; the same array as
        "embedding" without BNNeck.

    Example:
      >>> network = rj.models.EmbeddingNet(rj.models.create_backbone("small_cnn"), embedding_dim=8)
      >>> images = jnp.zeros((2, 32, 32, 3))
      >>> variables = network.init(jax.random.key(0), images)
      >>> network.apply(variables, images)["embedding"].shape
      (2, 8)
    """

    backbone: nn.Module
    embedding_dim: int | None = None
    pooling: str = "avg"
    normalize: bool = True
    bnneck: bool = False
    neck_bias: bool = False
    standing: bool = False
    hidden: int = 0
    dropout: float = 0.0
    axis_name: str | None = None

    @nn.compact
    def __call__(self, images: jax.Array, train: bool = False) -> dict[str, jax.Array]:
        if self.pooling == "gem":
            maps = self.backbone(images, train=train, features_only=True)
            features = GeM(name="pool")(list(maps.values())[-1])
        elif self.pooling == "flatten":
            maps = self.backbone(images, train=train, features_only=True)
            last = list(maps.values())[-1]
            features = last.reshape(last.shape[0], -1)
        elif self.pooling == "avg":
            features = self.backbone(images, train=train)
        else:
            raise ValueError(f'pooling must be "avg", "gem" or "flatten", not {self.pooling!r}')
        features = features.astype(jnp.float32)
        # A product of rounded numbers would round each embedding, and swap near neighbours.
        dense = partial(nn.Dense, precision=jax.lax.Precision.HIGHEST)
        if self.hidden:
            features = nn.relu(dense(self.hidden, name="hidden")(features))
        if self.dropout:
            features = Dropout(self.dropout, not train, self.axis_name)(features)
        if self.embedding_dim is not None:
            features = dense(self.embedding_dim, name="projection")(features)
        neck = embedding = features
        if self.bnneck:
            norm = BatchNorm(
                use_running_average=not train,
                use_bias=self.neck_bias,
                axis_name=self.axis_name,
                groups=getattr(self.backbone, "norm_groups", 0),
                name="neck",
            )
            neck = norm(features)
            embedding = features if train else neck
        beside = {}
        if self.standing:
            found = Standing(axis_name=self.axis_name, name="standing")(neck, train)
            beside = {"standing": found} if train else {}
        if self.normalize:
            embedding = normalize(embedding)
        return {"embedding": embedding, "neck": neck if self.bnneck else embedding, **beside}
