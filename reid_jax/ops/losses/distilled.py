"""A loss by labels and what a teacher knows, added up: the objective of a student."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

import jax
import jax.numpy as jnp

from reid_jax.fields import NOT_NEGATIVE, check
from reid_jax.ops.losses.distillation import (
    cosine_loss,
    relational_angle_loss,
    relational_distance_loss,
    similarity_preserving_loss,
)
from reid_jax.ops.losses.term import Objective, Sampling, Term, Tree

TAUGHT = "taught"
"""What the teacher makes of a batch, (B, T): its name among what an objective wants."""
_PROJECTION = "to_teacher"


@dataclass(frozen=True)
class Agreement:
    """How much each kind of agreement with a teacher counts; 0 switches it off."""

    task: Annotated[float, NOT_NEGATIVE] = 1.0
    """With a teacher, the weight of the loss by names; with 0 they are not looked at."""
    similarity: Annotated[float, NOT_NEGATIVE] = 0.0
    """Weight of similarity-preserving distillation (Tung and Mori 2019, who take 3000)."""
    distance: Annotated[float, NOT_NEGATIVE] = 1.0
    """Weight of relational distillation by distances (Park et al. 2019)."""
    angle: Annotated[float, NOT_NEGATIVE] = 2.0
    """Weight of relational distillation by angles (Park et al. 2019)."""
    cosine: Annotated[float, NOT_NEGATIVE] = 1.0
    """Weight of 1 - cosine of the embedding, through a projection, and the teacher's."""

    def __post_init__(self) -> None:
        check(self, "distill")

    def init(self, key: jax.Array, dimension: int, taught: int) -> Tree:
        """The projection of embeddings (B, dimension) to the teacher's (B, taught), if any."""
        if not self.cosine:
            return {}
        draw = jax.nn.initializers.glorot_uniform()
        return {_PROJECTION: draw(key, (dimension, taught), jnp.float32)}

    def terms(
        self,
        params: Tree,
        student: jax.Array,
        teacher: jax.Array,
        mask: jax.Array | None,
        axis_name: str | None,
    ) -> dict[str, Term]:
        """The weighted terms of embeddings (B, S) and the teacher's (B, T) of the same photos."""
        between = {
            "similarity": similarity_preserving_loss,
            "distance": relational_distance_loss,
            "angle": relational_angle_loss,
        }
        found = {}
        for name, loss in between.items():
            if weight := getattr(self, name):
                total = loss(student, teacher, mask=mask, axis_name=axis_name)
                found[f"teacher_{name}"] = Term(*total, weight)
        if self.cosine:
            highest = jax.lax.Precision.HIGHEST
            projected = jnp.matmul(student, params[_PROJECTION], precision=highest)
            found["teacher_cosine"] = Term(*cosine_loss(projected, teacher, mask=mask), self.cosine)
        return found


@dataclass(frozen=True)
class Distilled:
    """An objective beside the agreement with a teacher; see `Objective`.

    Attributes:
      objective: by labels; with a weight of 0 it takes no part, and has no parameters.
      agreement: the weights.
      taught: numbers of a teacher's embedding.
    """

    objective: Objective
    taught: int
    agreement: Agreement = field(default_factory=Agreement)

    @property
    def wants(self) -> tuple[str, ...]:
        """See `Objective`; "taught" beside what the objective wants, (B, T)."""
        return (*(self.objective.wants if self.agreement.task else ()), TAUGHT)

    def init(self, key: jax.Array, num_classes: int, dimension: int) -> Tree:
        own_key, key = jax.random.split(key)
        own = self.objective.init(own_key, num_classes, dimension) if self.agreement.task else {}
        return {**own, **self.agreement.init(key, dimension, self.taught)}

    @property
    def sampling(self) -> Sampling | None:
        found = self.objective.sampling if self.agreement.task else None
        return found and found._replace(objective=replace(self, objective=found.objective))

    def for_batches(self, positives: int) -> "Distilled":
        return replace(self, objective=self.objective.for_batches(positives))

    def terms(
        self,
        params: Tree,
        outputs: Mapping[str, jax.Array],
        labels: jax.Array,
        mask: jax.Array | None,
        axis_name: str | None,
    ) -> dict[str, Term]:
        student, teacher = outputs["embedding"], outputs[TAUGHT]
        found = self.agreement.terms(params, student, teacher, mask, axis_name)
        if not (weight := self.agreement.task):
            return found
        by_labels: Any = self.objective.terms(params, outputs, labels, mask, axis_name)
        weighted = {
            name: term._replace(weight=term.weight * weight) for name, term in by_labels.items()
        }
        return weighted | found
