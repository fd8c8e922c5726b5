"""Softmax over individuals with a margin on the own one: ArcFace, CosFace, AdaFace, ElasticFace."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated

import chex
import jax
import jax.numpy as jnp
import numpy as np

from reid_jax.fields import NOT_NEGATIVE, POSITIVE, Auto, Bound, check
from reid_jax.ops.losses.large_softmax import chunked_margin_softmax_loss, sample_classes
from reid_jax.ops.losses.margins import (
    MARGIN,
    Kind,
    center_cosines,
    margin_logits,
    new_centers,
    own_entries,
)
from reid_jax.ops.losses.term import Sampling, Term, Tree
from reid_jax.ops.mining.in_batch import as_labels


def margin_softmax_loss(
    embeddings: jax.Array,
    centers: jax.Array,
    labels: jax.Array,
    *,
    kind: Kind = "arcface",
    scale: float = 64.0,
    margin: float | jax.Array | None = None,
    quality: jax.Array | None = None,
    mask: jax.Array | None = None,
) -> tuple[jax.Array, jax.Array]:
    """Sum over examples of the cross-entropy of margin softmax, and the number of examples.

    Args:
      embeddings: (B, D) floating point; normalised here.
      centers: (C, D), or (C, K, D) for K sub-centres per class; normalised here.
      labels: (B,) integer in [0, C).
      kind, scale, margin, quality: as `margin_logits`.
      mask: (B,) bool, False for padding.

    Returns:
      (sum, count): float32 scalars. Nothing but padding gives (0, 0).

    Raises:
      AssertionError: on wrong ranks or lengths that differ.
      UserError: on an unknown kind.

    Example:
      >>> z = jnp.array([[0.0, 0.2], [0.0, 1.0], [0.5, 0.1], [0.6, 1.0]])
      >>> labels = jnp.array([0, 0, 1, 1])
      >>> centers = jnp.eye(2)  # (C, D), trained beside the network
      >>> loss, count = rj.losses.margin_softmax(z, centers, labels, kind="arcface", scale=30.0)
      >>> f"{loss / count:.3f} over {count:.0f} photos"
      '31.989 over 4 photos'
    """
    labels = as_labels(labels, embeddings)
    chex.assert_equal_shape_prefix([embeddings, labels], 1)
    cosines = center_cosines(embeddings, centers)
    logits = margin_logits(cosines, labels, kind=kind, scale=scale, margin=margin, quality=quality)
    own = own_entries(logits, labels)[:, 0]
    cost = jax.nn.logsumexp(logits, axis=1) - own
    if mask is None:
        mask = jnp.ones(labels.shape, bool)
    chex.assert_equal_shape([mask, labels])
    return jnp.sum(jnp.where(mask, cost, 0.0)), jnp.sum(mask.astype(jnp.float32))


@dataclass(frozen=True)
class MarginSoftmax:
    """Classification of the training individuals by angle, with a margin.

    ArcFace (Deng et al. 2019), CosFace (Wang et al. 2018), AdaFace (Kim et al. 2022); several
    centres an individual make it sub-center ArcFace (Deng et al. 2020), margins that are drawn
    ElasticFace (Boutros et al. 2022).
    """

    kind: Kind = "arcface"
    """Margin on the angle (arcface), on its cosine (cosface), or more of one or the other by how
    good a photo seems, from the length of its embedding (adaface)."""
    scale: Annotated[float, POSITIVE] = 64.0
    """Multiplies the cosines before the softmax."""
    margin: Annotated[float, MARGIN, Auto(-1.0)] = 0.5
    """Radians for arcface (0.5), cosine for cosface (0.35), both for adaface (0.4)."""
    deviation: Annotated[float, NOT_NEGATIVE] = 0.0
    """Standard deviation of the margin, drawn anew for each photo and step (ElasticFace: 0.05); 0
    for one margin."""
    concentration: Annotated[float, POSITIVE] = 0.333
    """How much an embedding's length says of its photo, for adaface."""
    centers: Annotated[int, Bound(least=1)] = 1
    """Centres an individual; the closest one counts."""
    sampled: Annotated[float, Bound(above=0, most=1)] = 1.0
    """Share of the individuals that a batch is classified against (Partial FC, An et al. 2021); in
    training the centres of the others stay as they are, and so do their momentum and average."""
    chunk: Annotated[int, NOT_NEGATIVE] = 0
    """Individuals whose logits are held at a time, to save memory; 0 for all."""

    def __post_init__(self) -> None:
        check(self, "loss", whose=True)

    def init(self, key: jax.Array, num_classes: int, dimension: int) -> Tree:
        return {"centers": new_centers(key, num_classes, dimension, self.centers)}

    @property
    def wants(self) -> tuple[str, ...]:
        """See `Objective`."""
        adaptive = ("standing",) if self.kind == "adaface" else ()
        return (*adaptive, "lot") if self.deviation else adaptive

    @property
    def sampling(self) -> Sampling | None:
        if self.sampled == 1:
            return None
        return Sampling(self._sample, replace(self, sampled=1.0))

    def for_batches(self, positives: int) -> "MarginSoftmax":
        """Itself: it does not compare examples."""
        del positives
        return self

    def terms(
        self,
        params: Tree,
        outputs: Mapping[str, jax.Array],
        labels: jax.Array,
        mask: jax.Array | None,
        axis_name: str | None,
    ) -> dict[str, Term]:
        centers = params["centers"]
        if self.sampled < 1:
            classes, labels = self._sample(len(centers), labels, mask, axis_name)
            centers = centers[classes]
        function: Callable[..., tuple[jax.Array, jax.Array]] = margin_softmax_loss
        if 0 < self.chunk < len(centers):
            function = partial(chunked_margin_softmax_loss, chunk=self.chunk)
        loss = function(
            outputs["neck"],
            centers,
            labels,
            kind=self.kind,
            scale=self.scale,
            margin=self.margin + self.deviation * outputs["lot"] if self.deviation else self.margin,
            quality=self._quality(outputs) if self.kind == "adaface" else None,
            mask=mask,
        )
        return {self.kind: Term(*loss)}

    def _quality(self, outputs: Mapping[str, jax.Array]) -> jax.Array:
        return jnp.clip(self.concentration * outputs["standing"], -1.0, 1.0)

    def _sample(
        self, num_classes: int, labels: jax.Array, mask: jax.Array | None, axis_name: str | None
    ) -> tuple[jax.Array, jax.Array]:
        """The draw follows from the labels of the global batch, which differ from step to step."""
        rows = labels.shape[0]
        places = jnp.arange(rows, dtype=jnp.uint32)
        if axis_name is not None:
            places += jax.lax.axis_index(axis_name).astype(jnp.uint32) * np.uint32(rows)
            rows *= jax.lax.axis_size(axis_name)
        mixed = jnp.sum((2 * places + 1) * (labels.astype(jnp.uint32) + 1), dtype=jnp.uint32)
        if axis_name is not None:
            mixed = jax.lax.psum(mixed, axis_name)
        return sample_classes(
            jax.random.fold_in(jax.random.key(0), mixed),
            labels,
            num_classes,
            min(num_classes, max(rows, round(self.sampled * num_classes))),
            mask=mask,
            axis_name=axis_name,
        )
