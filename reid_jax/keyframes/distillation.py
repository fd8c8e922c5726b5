"""What a scorer learns from a larger one: its scores, its features, what it attends to."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any

import jax
import jax.numpy as jnp

from reid_jax.errors import UserError
from reid_jax.fields import HIDDEN, NOT_NEGATIVE, OFTEN, TEACHERS, check
from reid_jax.ops.losses.frame_distillation import attention_map_loss, frame_features_loss
from reid_jax.training.task import Batch, Term, Tree

SCORES, FEATURES, ATTENTION = "scores", "features", "attention"
"""What a scorer gives: (B, T) of frames, (B, T, F) behind its projection, and (B, T, T), what a
frame attends to in the whole video, mean over heads."""
INSIDE = "intermediates"  # Flax's name for what a network shows of its inside
PROJECTION = "to_teacher"


def taught(name: str) -> str:
    """What a batch calls that which the teacher gives."""
    return f"taught_{name}"


def seen_inside(scores: jax.Array, inside: Mapping[str, Any]) -> dict[str, jax.Array]:
    """The three by their names, out of what the network shows.

    Args:
      inside: the collection `INSIDE` of a `KeyframeNet`.
    """
    scorer = inside["scorer"]
    return {
        SCORES: scores,
        FEATURES: scorer["projected"][0].astype(jnp.float32),
        ATTENTION: scorer["dual"]["global"]["attention"][0],
    }


@dataclass(frozen=True)
class ScorerDistillation:
    """What the scorer learns from another one, its teacher."""

    teacher: Annotated[str, TEACHERS, OFTEN] = ""
    """Runs whose scorer it learns to agree with; several, separated by commas, count as their mean.
    They score whole videos, once."""
    task: Annotated[float, NOT_NEGATIVE] = 1.0
    """With a teacher, the weight of the loss by the annotators."""
    squared: Annotated[float, NOT_NEGATIVE] = 1.0
    """Weight of the squared difference of scores."""
    rank: Annotated[float, NOT_NEGATIVE] = 1.0
    """Weight of the loss of the teacher's order, that of loss.order."""
    features: Annotated[float, NOT_NEGATIVE] = 0.1
    """Weight of the features behind the projection, through a linear map (Romero et al. 2015)."""
    attention: Annotated[float, NOT_NEGATIVE] = 0.1
    """Weight of the maps of attention to the whole video (Wang et al. 2020)."""
    fingerprints: Annotated[str, HIDDEN] = ""
    """Which networks the teachers are, as the run found them."""

    def __post_init__(self) -> None:
        check(self, "distill")

    @property
    def beside_scores(self) -> bool:
        """Whether it asks for what is inside a network."""
        return bool(self.features or self.attention)

    def init(self, width: int, wide: int) -> Tree:
        """The map of features (.., width) to the teacher's (.., wide), all zeros: their mean."""
        return {PROJECTION: jnp.zeros((width, wide))} if self.features else {}

    def terms(
        self, params: Tree, outputs: Mapping[str, jax.Array], batch: Batch, loss: Any
    ) -> dict[str, Term]:
        """The weighted terms of a student's outputs, beside what the batch has of the teacher.

        Args:
          loss: the `KeyframeLoss` by the annotators, whose order and temperature hold here, too.
        """
        mask, found = batch["mask"], dict[str, Term]()
        if self.squared or self.rank:
            by_scores = replace(loss, squared=self.squared, rank=self.rank)
            terms = by_scores.terms(outputs[SCORES], batch[taught(SCORES)], mask)
            found |= {f"teacher_{name}": term for name, term in terms.items()}
        if self.features:
            highest = jax.lax.Precision.HIGHEST
            ours = jnp.matmul(outputs[FEATURES], params[PROJECTION], precision=highest)
            total = frame_features_loss(ours, batch[taught(FEATURES)], mask)
            found["teacher_features"] = Term(*total, self.features)
        if self.attention:
            total = attention_map_loss(outputs[ATTENTION], batch[taught(ATTENTION)], mask)
            found["teacher_attention"] = Term(*total, self.attention)
        return found


def check_distillation(distill: ScorerDistillation) -> None:
    """Refuses what teaches nothing.

    Raises:
      UserError: naming the field.
    """
    if not distill.teacher and not distill.task:
        raise UserError("distill.task is 0, but nobody teaches: name a run by --distill.")
    weights = (distill.squared, distill.rank, distill.features, distill.attention)
    if distill.teacher and not any(weights):
        raise UserError(
            "distill.squared, rank, features and attention are all 0, so that nothing is learnt "
            "from distill.teacher; set one of them above 0."
        )
