"""The optimiser and its schedule, from plain numbers."""

import math
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import optax

from reid_jax.compilations import target
from reid_jax.training.buckets import join
from reid_jax.training.parallel import is_centers


def decayed(params: Any) -> Any:
    """Which leaves weight decay pulls on: matrices and kernels, not biases and scales."""
    return jax.tree.map(lambda leaf: leaf.ndim > 1, params)


def make_schedule(
    learning_rate: float,
    final_learning_rate: float,
    warmup_steps: int,
    steps: int,
    kind: Literal["cosine", "constant"] = "cosine",
) -> optax.Schedule:
    """Linear warm-up from zero, then the same rate to the end, or a cosine down to the final rate.

    The cosine is that of Loshchilov & Hutter 2017.
    """
    if kind == "constant":
        return optax.warmup_constant_schedule(
            init_value=0.0 if warmup_steps else learning_rate,
            peak_value=learning_rate,
            warmup_steps=warmup_steps,
        )
    return optax.warmup_cosine_decay_schedule(
        init_value=0.0 if warmup_steps else learning_rate,
        peak_value=learning_rate,
        warmup_steps=warmup_steps,
        decay_steps=max(steps, warmup_steps + 1),  # there may be no steps at all
        end_value=final_learning_rate,
    )


def make_optimizer(
    name: Literal["sgd", "adamw"],
    schedule: optax.Schedule,
    *,
    momentum: float,
    weight_decay: float,
    clip_norm: float,
    reducible: bool = False,
) -> optax.GradientTransformation:
    """Clipping, then AdamW or Nesterov SGD, both with decoupled weight decay (see `decayed`).

    The rate of a `reducible` one can be changed while it is in use, see `with_reduced_rate`.
    """
    clip = [_clip_by_global_norm(clip_norm)] if clip_norm else []
    direction = {
        "adamw": optax.scale_by_adam,
        "sgd": lambda: optax.trace(decay=momentum, nesterov=True),
    }[name]()
    return optax.chain(
        *clip,
        direction,
        optax.add_decayed_weights(weight_decay, mask=decayed),
        optax.scale_by_learning_rate(schedule),
        *([_scale_by_factor()] if reducible else []),
    )


def optimizer_of(config: Any) -> tuple[optax.GradientTransformation, optax.Schedule]:
    """The optimiser that a configuration with `optimizer` and `train` says, and its schedule."""
    said, train = config.optimizer, config.train
    schedule = make_schedule(
        said.learning_rate,
        said.final_learning_rate,
        said.warmup_steps,
        train.steps,
        said.schedule,
    )
    optimizer = make_optimizer(
        said.name,
        schedule,
        momentum=said.momentum,
        weight_decay=said.weight_decay,
        clip_norm=said.clip_norm,
        reducible=train.reduce_patience > 0,
    )
    return optimizer, schedule


def global_norm(tree: Any) -> jax.Array:
    """The length of all leaves as one vector; on a GPU in few passes."""
    if target() != "gpu":
        return optax.tree.norm(tree)
    centers = [leaf for path, leaf in jax.tree.leaves_with_path(tree) if is_centers(path)]
    return optax.tree.norm([*join(tree, leave=is_centers)[0], *centers])


def _clip_by_global_norm(most: float) -> optax.GradientTransformation:
    """`optax.clip_by_global_norm`, with this norm."""

    def update(updates: Any, state: optax.EmptyState, params: Any = None) -> Any:
        del params
        norm = global_norm(updates)
        return jax.tree.map(
            lambda leaf: jnp.where(norm < most, leaf, leaf / norm.astype(leaf.dtype) * most),
            updates,
        ), state

    return optax.GradientTransformation(lambda params: optax.EmptyState(), update)


class RateFactor(NamedTuple):
    """What the schedule's learning rate is multiplied by, float32."""

    factor: jax.Array


def _scale_by_factor() -> optax.GradientTransformation:
    def init(params: Any) -> RateFactor:
        del params
        return RateFactor(jnp.ones((), jnp.float32))

    def update(updates: Any, state: RateFactor, params: Any = None) -> tuple[Any, RateFactor]:
        del params
        return jax.tree.map(lambda leaf: leaf * state.factor, updates), state

    return optax.GradientTransformation(init, update)


def rate_factor(opt_state: Any) -> float:
    """What the schedule's learning rate is multiplied by; 1 where it cannot be reduced."""
    nodes = jax.tree.leaves(opt_state, is_leaf=_is_factor)
    return math.prod(float(node.factor) for node in nodes if _is_factor(node))


def with_reduced_rate(opt_state: Any, factor: float) -> Any:
    """The state of a reducible optimiser with its learning rate multiplied by `factor` from now on.

    The factor is part of the state, so that a run goes on from a checkpoint as it would have.
    """

    def reduced(node: Any) -> Any:
        return RateFactor(node.factor * factor) if _is_factor(node) else node

    return jax.tree.map(reduced, opt_state, is_leaf=_is_factor)


def with_full_rate(opt_state: Any) -> Any:
    """The state of an optimiser with the learning rate that its schedule says."""

    def full(node: Any) -> Any:
        return RateFactor(jnp.ones_like(node.factor)) if _is_factor(node) else node

    return jax.tree.map(full, opt_state, is_leaf=_is_factor)


def _is_factor(node: Any) -> bool:
    return isinstance(node, RateFactor)
