"""Between what training started from and what it made: mixtures of two networks."""

from typing import Any

import jax
import jax.numpy as jnp

from reid_jax.training.state import TrainState

Tree = Any


def mixed(start: tuple[Tree, Tree], state: TrainState, share: float) -> TrainState:
    """The state with its evaluated variables on the way from `start` to them, without an average.

    Weights and BatchNorm's statistics are interpolated (Wortsman et al. 2022, "Robust fine-tuning
    of zero-shot models", equation 1).

    Args:
      start: parameters and model state that training started from.
      share: how far, 0 for the start, 1 for the end; both exactly.
    """

    def between(first: jax.Array, last: jax.Array) -> jax.Array:
        if not jnp.issubdtype(last.dtype, jnp.floating):
            return last
        return ((1 - share) * first + share * last).astype(last.dtype)

    params, model_state = jax.tree.map(between, start, (state.evaluated_params, state.model_state))
    return state.replace(params=params, model_state=model_state, ema=None)
