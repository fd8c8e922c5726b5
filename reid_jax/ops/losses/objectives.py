"""The objectives of an embedding network, as values that a configuration can name.

Each stands beside its function; a new one is named in `AnyObjective`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

import jax

from reid_jax.fields import NOT_NEGATIVE, check
from reid_jax.ops.losses.batch import (
    Angular,
    Circle,
    MultiSimilarity,
    NPair,
    SupervisedContrastive,
)
from reid_jax.ops.losses.contrastive import Contrastive
from reid_jax.ops.losses.margin_softmax import MarginSoftmax
from reid_jax.ops.losses.proxy_anchor import ProxyAnchor
from reid_jax.ops.losses.term import Objective, Sampling, Term, Tree
from reid_jax.ops.losses.triplet import Triplet

__all__ = [
    "Angular",
    "AnyObjective",
    "Circle",
    "Contrastive",
    "Joint",
    "MarginSoftmax",
    "MultiSimilarity",
    "NPair",
    "Objective",
    "ProxyAnchor",
    "SupervisedContrastive",
    "Triplet",
]


@dataclass(frozen=True)
class Joint:
    """A triplet loss before the neck and a margin softmax after it (Luo et al. 2019)."""

    triplet: Triplet = field(default_factory=Triplet)
    """The metric part."""
    softmax: MarginSoftmax = field(default_factory=lambda: MarginSoftmax(scale=30.0, margin=0.3))
    """The classification part."""
    softmax_weight: Annotated[float, NOT_NEGATIVE] = 1.0
    """Weight of the classification beside the metric part."""

    def __post_init__(self) -> None:
        check(self, "loss", whose=True)

    def init(self, key: jax.Array, num_classes: int, dimension: int) -> Tree:
        return self.softmax.init(key, num_classes, dimension)

    @property
    def wants(self) -> tuple[str, ...]:
        """See `Objective`."""
        return self.softmax.wants

    @property
    def sampling(self) -> Sampling | None:
        sampling = self.softmax.sampling
        if sampling is None:
            return None
        softmax: Any = sampling.objective
        return sampling._replace(objective=replace(self, softmax=softmax))

    def for_batches(self, positives: int) -> "Joint":
        return replace(self, triplet=self.triplet.for_batches(positives))

    def terms(
        self,
        params: Tree,
        outputs: Mapping[str, jax.Array],
        labels: jax.Array,
        mask: jax.Array | None,
        axis_name: str | None,
    ) -> dict[str, Term]:
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
    | Circle
    | SupervisedContrastive
    | ProxyAnchor
    | MarginSoftmax
    | Joint
)
