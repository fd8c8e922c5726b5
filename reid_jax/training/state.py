"""What changes while training, as one pytree."""

from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import optax

Tree = Any


class TrainState(flax.struct.PyTreeNode):
    """Everything that a step reads and writes; random numbers follow from the seed and `step`.

    Attributes:
      step: int32 scalar, steps done.
      params: what the optimiser moves.
      model_state: what the network moves itself (BatchNorm statistics).
      opt_state: the optimiser's.
      ema: moving average of `params`, or None where it is not wanted.
    """

    step: jax.Array
    params: Tree
    model_state: Tree
    opt_state: optax.OptState
    ema: Tree | None = None

    @property
    def evaluated_params(self) -> Tree:
        """The parameters that validation, reports and embeddings use."""
        return self.params if self.ema is None else self.ema


def create_state(
    params: Tree, model_state: Tree, optimizer: optax.GradientTransformation, *, ema: bool
) -> TrainState:
    """The state before the first step."""
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        params=params,
        model_state=model_state,
        opt_state=optimizer.init(params),
        ema=jax.tree.map(jnp.copy, params) if ema else None,
    )
