"""What the trainer knows of a task: its parameters, its loss and its evaluation."""

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np

from reid_jax.ops.losses.term import Term, Tree

Batch = Mapping[str, Any]  # arrays


class Task(Protocol):
    """Something that can be trained. A new task is one new file that provides these five."""

    @property
    def monitor(self) -> str:
        """The validation metric that decides which checkpoint is the best (higher is better)."""
        ...

    def init(self, key: jax.Array, batch: Batch) -> tuple[Tree, Tree]:
        """Parameters and non-trained state (BatchNorm statistics) for batches shaped as `batch`."""
        ...

    def loss(
        self, params: Tree, model_state: Tree, batch: Batch, key: jax.Array, axis_name: str | None
    ) -> tuple[dict[str, Term], Tree]:
        """The loss terms of this device's share of the batch, and the updated model state."""
        ...

    def predict(self, params: Tree, model_state: Tree, batch: Batch) -> jax.Array:
        """What the trained network says of each example, without augmentation: (B, ...) float32."""
        ...

    def evaluate(
        self, predictions: np.ndarray, examples: Mapping[str, np.ndarray]
    ) -> dict[str, float]:
        """Metrics of the predictions (N, ...) for the N examples described by `examples`."""
        ...


@runtime_checkable
class DividedTask(Task, Protocol):
    """A task whose loss is a network applied to examples, then terms over what it gives for all.

    Its gradient can be accumulated over parts of a batch (`reid_jax.training.accumulate`).
    """

    def outputs(
        self,
        params: Tree,
        model_state: Tree,
        batch: Batch,
        positions: jax.Array,
        keys: tuple[jax.Array, jax.Array],
        axis_name: str | None,
    ) -> tuple[Tree, Tree]:
        """What the network gives in training, arrays (B, ...), and the updated model state.

        `positions` (B,) of the examples in the global batch. The first key is folded with them to
        draw what an example's own changes are, the second draws the network's noise (dropout).
        """
        ...

    def terms(
        self, params: Tree, outputs: Tree, batch: Batch, axis_name: str | None
    ) -> dict[str, Term]:
        """The loss terms of all of this device's examples."""
        ...


class DividedLoss:
    """The `loss` of a `DividedTask`: what its network gives for the batch, then the terms."""

    def loss(
        self: DividedTask,
        params: Tree,
        model_state: Tree,
        batch: Batch,
        key: jax.Array,
        axis_name: str | None,
    ) -> tuple[dict[str, Term], Tree]:
        positions = positions_in_batch(batch_rows(batch), axis_name)
        example_key, noise_key = jax.random.split(key)
        keys = example_key, noise_key
        outputs, updated = self.outputs(params, model_state, batch, positions, keys, axis_name)
        return self.terms(params, outputs, batch, axis_name), updated


def batch_rows(batch: Batch) -> int:
    """How many examples a batch has here."""
    rows: int = next(iter(batch.values())).shape[0]
    return rows


def positions_in_batch(size: int, axis_name: str | None) -> jax.Array:
    """Where this device's rows (size,) are in the global batch."""
    offset = 0 if axis_name is None else jax.lax.axis_index(axis_name) * size
    return jnp.arange(size) + offset
