"""What the trainer knows of a task: its parameters, its loss and its evaluation."""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import jax
import numpy as np

Batch = Mapping[str, Any]  # arrays
Tree = Any


class Term(NamedTuple):
    """One weighted term of a loss, as a sum over this device's share and what it is divided by.

    The step adds `weight * psum(total) / psum(number)` over the terms, which is exact for padded
    batches and for any number of devices.
    """

    total: jax.Array
    number: jax.Array
    weight: float = 1.0


class Task(Protocol):
    """Something that can be trained. A new task is one new file that provides these five.

    Attributes:
      monitor: the validation metric that decides which checkpoint is the best (higher is better).
    """

    @property
    def monitor(self) -> str: ...

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
