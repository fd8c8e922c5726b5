"""The optimiser and its schedule, from plain numbers."""

from typing import Any, Literal

import jax
import optax


def decayed(params: Any) -> Any:
    """Which leaves weight decay pulls on: matrices and kernels, not biases and scales."""
    return jax.tree.map(lambda leaf: leaf.ndim > 1, params)


def make_schedule(
    learning_rate: float, final_learning_rate: float, warmup_steps: int, steps: int
) -> optax.Schedule:
    """Linear warm-up from zero, then a cosine down to the final rate (Loshchilov & Hutter 2017)."""
    return optax.warmup_cosine_decay_schedule(
        init_value=0.0 if warmup_steps else learning_rate,
        peak_value=learning_rate,
        warmup_steps=warmup_steps,
        decay_steps=steps,
        end_value=final_learning_rate,
    )


def make_optimizer(
    name: Literal["sgd", "adamw"],
    schedule: optax.Schedule,
    *,
    momentum: float,
    weight_decay: float,
    clip_norm: float,
) -> optax.GradientTransformation:
    """Clipping, then AdamW or Nesterov SGD, both with decoupled weight decay (see `decayed`)."""
    clip = [optax.clip_by_global_norm(clip_norm)] if clip_norm else []
    direction = {
        "adamw": optax.scale_by_adam,
        "sgd": lambda: optax.trace(decay=momentum, nesterov=True),
    }[name]()
    return optax.chain(
        *clip,
        direction,
        optax.add_decayed_weights(weight_decay, mask=decayed),
        optax.scale_by_learning_rate(schedule),
    )
