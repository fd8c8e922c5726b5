"""The objectives of an embedding network, as values that a configuration can name.

An objective is a frozen dataclass. `init` makes its parameters (class centres; empty for the losses
that look inside the batch only), `terms` applies it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Literal, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from reid_jax.errors import UserError
from reid_jax.ops.losses.batch import (
    angular_loss,
    multi_similarity_loss,
    n_pair_loss,
    supervised_contrastive_loss,
)
from reid_jax.ops.losses.contrastive import pair_contrastive_loss
from reid_jax.ops.losses.large_softmax import chunked_margin_softmax_loss, sample_classes
from reid_jax.ops.losses.margin_softmax import margin_softmax_loss
from reid_jax.ops.losses.ranges import above_0, not_below_0, require
from reid_jax.ops.losses.triplet import triplet_loss
from reid_jax.training.question import Term, Tree


class Objective(Protocol):
    """`outputs` has "embedding" (B, D), what is compared, and "neck" (B, D), what is classified."""

    def init(self, key: jax.Array, num_classes: int, dimension: int) -> Tree: ...

    def terms(
        self,
        params: Tree,
        outputs: Mapping[str, jax.Array],
        labels: jax.Array,
        mask: jax.Array | None,
        axis_name: str | None,
    ) -> dict[str, Term]: ...


class _InBatch:
    """An objective without parameters of its own."""

    def init(self, key: jax.Array, num_classes: int, dimension: int) -> Tree:
        del key, num_classes, dimension
        return {}


@dataclass(frozen=True)
class Contrastive(_InBatch):
    """Contrastive loss on pairs (Hadsell et al. 2006); needs the sampler `pairs`."""

    margin: float = 1.0
    """Distance beyond which a pair of two individuals costs nothing."""
    halved: bool = False
    """Halve the loss, as in the paper's equation; without it, as in most tutorials."""

    def __post_init__(self) -> None:
        require(self, margin=above_0(self.margin))

    def terms(self, params, outputs, labels, mask, axis_name):
        loss = pair_contrastive_loss(
            outputs["embedding"],
            labels,
            margin=self.margin,
            halved=self.halved,
            mask=mask,
            axis_name=axis_name,
        )
        return {"contrastive": Term(*loss)}


@dataclass(frozen=True)
class Triplet(_InBatch):
    """Triplet loss, mined in the global batch (Schroff et al. 2015, Hermans et al. 2017)."""

    margin: float = 0.3
    """By how much another individual must be farther than the same one (unused if soft)."""
    mining: Literal["all", "hard", "semi_hard"] = "hard"
    """Which triplets: all of them, the hardest of each anchor, or FaceNet's semi-hard ones."""
    soft: bool = False
    """Soft margin log(1 + exp(x)) instead of the hinge."""

    def __post_init__(self) -> None:
        require(self, margin=not_below_0(self.margin))
        if self.soft and self.mining == "semi_hard":
            raise UserError("loss.soft has no margin for loss.mining semi_hard; use all or hard.")

    def terms(self, params, outputs, labels, mask, axis_name):
        loss = triplet_loss(
            outputs["embedding"],
            labels,
            margin=None if self.soft else self.margin,
            mining=self.mining,
            mask=mask,
            axis_name=axis_name,
        )
        return {"triplet": Term(*loss)}


@dataclass(frozen=True)
class NPair(_InBatch):
    """Multi-class N-pair loss (Sohn 2016)."""

    def terms(self, params, outputs, labels, mask, axis_name):
        loss = n_pair_loss(outputs["embedding"], labels, mask=mask, axis_name=axis_name)
        return {"n_pair": Term(*loss)}


@dataclass(frozen=True)
class Angular(_InBatch):
    """Angular loss (Wang et al. 2017)."""

    angle: float = 45.0
    """Upper bound of the angle at the negative, in degrees; at most 60."""

    def __post_init__(self) -> None:
        require(self, angle=(0 < self.angle <= 60, "above 0 and at most 60"))

    def terms(self, params, outputs, labels, mask, axis_name):
        loss = angular_loss(
            outputs["embedding"], labels, angle=self.angle, mask=mask, axis_name=axis_name
        )
        return {"angular": Term(*loss)}


@dataclass(frozen=True)
class MultiSimilarity(_InBatch):
    """Multi-similarity loss with its pair mining (Wang et al. 2019)."""

    alpha: float = 2.0
    """Sharpness of the weighting of positives."""
    beta: float = 50.0
    """Sharpness of the weighting of negatives."""
    base: float = 0.5
    """Similarity at which a pair counts half."""
    epsilon: float = 0.1
    """Slack of the mining."""

    def __post_init__(self) -> None:
        require(
            self,
            alpha=above_0(self.alpha),
            beta=above_0(self.beta),
            epsilon=not_below_0(self.epsilon),
        )

    def terms(self, params, outputs, labels, mask, axis_name):
        loss = multi_similarity_loss(
            outputs["embedding"],
            labels,
            alpha=self.alpha,
            beta=self.beta,
            base=self.base,
            epsilon=self.epsilon,
            mask=mask,
            axis_name=axis_name,
        )
        return {"multi_similarity": Term(*loss)}


@dataclass(frozen=True)
class SupervisedContrastive(_InBatch):
    """Supervised contrastive loss, L_out (Khosla et al. 2020)."""

    temperature: float = 0.1
    """Divides the cosine similarities."""

    def __post_init__(self) -> None:
        require(self, temperature=above_0(self.temperature))

    def terms(self, params, outputs, labels, mask, axis_name):
        loss = supervised_contrastive_loss(
            outputs["embedding"],
            labels,
            temperature=self.temperature,
            mask=mask,
            axis_name=axis_name,
        )
        return {"supervised_contrastive": Term(*loss)}


@dataclass(frozen=True)
class MarginSoftmax:
    """Classification of the training individuals by angle, with a margin.

    ArcFace (Deng et al. 2019), CosFace (Wang et al. 2018); several centres an individual make it
    sub-center ArcFace (Deng et al. 2020).
    """

    kind: Literal["arcface", "cosface"] = "arcface"
    """Margin on the angle (arcface) or on its cosine (cosface)."""
    scale: float = 64.0
    """Multiplies the cosines before the softmax."""
    margin: float = 0.5
    """Radians for arcface (0.5), cosine for cosface (0.35)."""
    centers: int = 1
    """Centres an individual; the closest one counts."""
    sampled: float = 1.0
    """Share of the individuals that a batch is classified against (Partial FC, An et al. 2021)."""
    chunk: int = 0
    """Individuals whose logits are held at a time, to save memory; 0 for all."""

    def __post_init__(self) -> None:
        require(
            self,
            scale=above_0(self.scale),
            margin=(0 <= self.margin < 1.58, "at least 0 and below 1.58"),
            centers=(self.centers >= 1, "1 or more"),
            sampled=(0 < self.sampled <= 1, "above 0 and at most 1"),
            chunk=not_below_0(self.chunk),
        )

    def init(self, key: jax.Array, num_classes: int, dimension: int) -> Tree:
        shape = (num_classes, self.centers, dimension)
        return {"centers": jax.random.normal(key, shape, jnp.float32) * dimension**-0.5}

    def terms(self, params, outputs, labels, mask, axis_name):
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
            margin=self.margin,
            mask=mask,
        )
        return {self.kind: Term(*loss)}

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


@dataclass(frozen=True)
class Joint:
    """A triplet loss before the neck and a margin softmax after it (Luo et al. 2019)."""

    triplet: Triplet = field(default_factory=Triplet)
    """The metric part."""
    softmax: MarginSoftmax = field(default_factory=lambda: MarginSoftmax(scale=30.0, margin=0.3))
    """The classification part."""
    softmax_weight: float = 1.0
    """Weight of the classification beside the metric part."""

    def __post_init__(self) -> None:
        require(self, softmax_weight=not_below_0(self.softmax_weight))

    def init(self, key: jax.Array, num_classes: int, dimension: int) -> Tree:
        return self.softmax.init(key, num_classes, dimension)

    def terms(self, params, outputs, labels, mask, axis_name):
        metric = self.triplet.terms({}, outputs, labels, mask, axis_name)
        softmax = self.softmax.terms(params, outputs, labels, mask, axis_name)
        return metric | {
            name: term._replace(weight=self.softmax_weight) for name, term in softmax.items()
        }


AnyObjective = (
    Contrastive
    | Triplet
    | NPair
    | Angular
    | MultiSimilarity
    | SupervisedContrastive
    | MarginSoftmax
    | Joint
)
