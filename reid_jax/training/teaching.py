"""What a teacher says of each example of a batch: kept from before, or said in the step.

Either way the step reads it as one more array of the batch, so that a loss, several devices and a
batch in several passes need not know where it comes from.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from reid_jax.ops.keys import step_key
from reid_jax.ops.losses.distilled import TAUGHT
from reid_jax.training.parallel import Layout
from reid_jax.training.step import TrainStep
from reid_jax.training.task import Batch, Tree, batch_rows, positions_in_batch

TEACHER = "teacher"
"""The teacher's variables, in a batch on its way to the step."""


@dataclass(frozen=True)
class Teacher:
    """A trained network, or several, from which another learns.

    Attributes:
      width: numbers T that it says of an example.
      kept: (N, T) what it says of each training example, where it always sees the same of it.
      variables: else its variables, which every device holds.
      says: `(variables, batch, key, positions)` gives (B, T) of a batch's examples at these
        `positions` of the global one; the key is that which the student's augmentation divides.
      validated: (M, T) what it says of the validation's examples, where these are judged by it.
    """

    width: int
    kept: np.ndarray | None = None
    variables: Tree = None
    says: Callable[[Tree, Batch, jax.Array, jax.Array], jax.Array] | None = None
    validated: np.ndarray | None = None

    @property
    def shared(self) -> dict[str, Any]:
        """What every call of the step reads, beside the examples."""
        return {TEACHER: self.variables} if self.kept is None else {TAUGHT: self.kept}


def beside(shared: Mapping[str, Any], rows: jax.Array) -> dict[str, Any]:
    """What a batch of the examples at `rows` (B,) has of a teacher; nothing without one."""
    if TAUGHT in shared:
        return {TAUGHT: jax.numpy.take(shared[TAUGHT], rows, axis=0, mode="clip")}
    return {TEACHER: shared[TEACHER]} if TEACHER in shared else {}


def taught(
    train_step: TrainStep, teacher: Teacher | None, layout: Layout, *, seed: int, streams: int
) -> TrainStep:
    """The step of batches that bring a teacher's variables; each device asks it of its own rows."""
    if teacher is None or teacher.says is None:
        return train_step
    says = teacher.says

    def said(shared: Any, batch: Batch, axis_name: str | None) -> tuple[jax.Array]:
        variables, key = shared
        positions = positions_in_batch(batch_rows(batch), axis_name)
        return (jax.lax.stop_gradient(says(variables, batch, key, positions)),)

    def taught_step(state: Any, batch: Batch, *, axis_name: str | None = None) -> Any:
        examples = {name: rows for name, rows in batch.items() if name != TEACHER}
        key, _ = jax.random.split(step_key(seed, state.step, streams))  # as `DividedLoss` does
        (rows,) = layout.on_each_device(said, ("rows",))((batch[TEACHER], key), examples, axis_name)
        return train_step(state, {**examples, TAUGHT: rows}, axis_name=axis_name)

    return taught_step
