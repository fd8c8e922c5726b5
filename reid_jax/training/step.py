"""The training step: one function for one device, for pmap and for a sharded mesh."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from reid_jax.compilations import target
from reid_jax.data.photos.resident import gather
from reid_jax.errors import UserError
from reid_jax.ops.keys import STREAMS, step_key
from reid_jax.training.accumulate import (
    make_accumulated_gradient,
    make_gradient,
    make_gradient_by_devices,
)
from reid_jax.training.buckets import join
from reid_jax.training.optimizer import global_norm
from reid_jax.training.parallel import Layout, is_centers, make_layout
from reid_jax.training.sampled import on_drawn_classes
from reid_jax.training.state import TrainState
from reid_jax.training.task import Batch, DividedTask, Task

Metrics = dict[str, jax.Array]
TrainStep = Callable[..., tuple[TrainState, Metrics]]


def make_train_step(
    task: Task,
    optimizer: optax.GradientTransformation,
    *,
    seed: int,
    ema_decay: float,
    rates: Any = None,
    accumulate: int = 1,
    layout: Layout | None = None,
    streams: int = STREAMS,
) -> TrainStep:
    """Returns `train_step(state, batch, *, axis_name=None) -> (state, metrics)`.

    The loss is the weighted sum over the task's terms of (sum over the global batch) / (count over
    the global batch). Under `axis_name` a device differentiates its share of the sums divided by
    the global counts, so that the sum of the devices' gradients is exactly the gradient of that
    loss: gathers transpose to sums over devices, and nothing is divided twice.

    `accumulate` passes over parts of the batch make the gradient (a `DividedTask` then), for the
    `layout` that compiles the step (None: one device of this process's platform, or pmap's).
    `ema_decay` is that of the moving average, where there is one, see `warm_decay`.
    `seed` and `streams` say what is drawn, see `reid_jax.ops.keys`.
    `rates`, a pytree like the parameters, multiplies each leaf's update (None: all ones).

    Where the task's loss draws classes, only their centres move, see `reid_jax.training.sampled`.

    Metrics are float32 scalars: "loss", "grad_norm", and each term by its name.
    """

    return on_drawn_classes(
        lambda task: _make(
            task,
            optimizer,
            seed,
            ema_decay=ema_decay,
            rates=rates,
            parts=accumulate,
            layout=layout,
            streams=streams,
        ),
        task,
    )


def _make(
    task: Task,
    optimizer: optax.GradientTransformation,
    seed: int,
    *,
    ema_decay: float,
    rates: Any,
    parts: int,
    layout: Layout | None,
    streams: int,
) -> TrainStep:
    if parts > 1:
        if not isinstance(task, DividedTask):
            raise UserError(f"train.accumulate is {parts}; this task needs it to be 1.")
        gradient = make_accumulated_gradient(task, parts, layout or make_layout("single"))
    elif layout and layout.mode == "mesh" and layout.size > 1 and isinstance(task, DividedTask):
        gradient = make_gradient_by_devices(task, layout)
    else:
        gradient = make_gradient(task)

    def train_step(
        state: TrainState, batch: Batch, *, axis_name: str | None = None
    ) -> tuple[TrainState, Metrics]:
        def total(x: Any) -> Any:
            return x if axis_name is None else jax.lax.psum(x, axis_name)

        key = step_key(seed, state.step, streams)
        loss, shares, model_state, grads = gradient(
            state.params, state.model_state, batch, key, axis_name
        )
        loss, shares, grads = total((loss, shares, grads))
        grads = together(grads)
        # Optax mixes integer counts with Python floats, which strict promotion refuses.
        with jax.numpy_dtype_promotion("standard"):
            updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
        if rates is not None:
            updates = jax.tree.map(lambda update, rate: update * rate, updates, rates)
        params = optax.apply_updates(state.params, updates)
        ema = state.ema
        if ema is not None:
            ema = optax.incremental_update(params, ema, 1.0 - warm_decay(state.step, ema_decay))
        metrics = {"loss": loss, "grad_norm": global_norm(grads), **shares}
        new_state = state.replace(
            step=state.step + 1,
            params=params,
            model_state=model_state,
            opt_state=opt_state,
            ema=ema,
        )
        return new_state, metrics

    return train_step


def together(grads: Any) -> Any:
    """Gradients as they are; on a GPU parts of one vector.

    A kernel's gradient lies there in another order than the kernel, and an update that reads it so
    cannot be made in place.
    """
    if target() != "gpu":
        return grads
    vectors, separate = join(grads, leave=is_centers)
    return separate(jax.lax.optimization_barrier(vectors))


def warm_decay(step: jax.Array, decay: float) -> jax.Array:
    """How much of a moving average stays after step `step`, from 0: float32 ().

    min(decay, (1 + step) / (10 + step)), so that the random initialisation, which would make up
    decay^n of it after n steps, is soon forgotten (TensorFlow, `ExponentialMovingAverage`, with
    `num_updates`).
    """
    step = step.astype(jnp.float32)
    return jnp.minimum(decay, (1.0 + step) / (10.0 + step))


def _nothing(dataset: Batch, rows: jax.Array) -> dict[str, Any]:
    del dataset, rows
    return {}


def make_resident_steps(
    train_step: TrainStep, beside: Callable[[Batch, jax.Array], dict[str, Any]] = _nothing
) -> TrainStep:
    """Steps on a set that lives in device memory: `(state, dataset, indices, *, axis_name)`.

    `dataset` has "image" uint8 (N, H, W, C) and "label" int32 (N,); `indices` int32 (S, B) says
    which examples make the batches of S steps. Returns the state after S steps and metrics (S,).
    `beside(dataset, rows)` is what else a batch has.
    """

    def resident_steps(
        state: TrainState, dataset: Batch, indices: jax.Array, *, axis_name: str | None = None
    ) -> tuple[TrainState, Metrics]:
        def one(state: TrainState, rows: jax.Array) -> tuple[TrainState, Metrics]:
            batch = gather(dataset["image"], dataset["label"], rows) | beside(dataset, rows)
            return train_step(state, batch, axis_name=axis_name)

        if indices.shape[0] == 1:  # XLA on a CPU runs convolutions inside a loop many times slower
            state, metrics = one(state, indices[0])
            return state, {name: value.reshape(1) for name, value in metrics.items()}
        return jax.lax.scan(one, state, indices)

    return resident_steps


def make_streamed_step(train_step: TrainStep) -> TrainStep:
    """The same interface for batches from the host: `(state, dataset, batch, *, axis_name)`.

    What `dataset` has, each batch has.
    """

    def streamed_step(
        state: TrainState, dataset: Batch, batch: Batch, *, axis_name: str | None = None
    ) -> tuple[TrainState, Metrics]:
        state, metrics = train_step(state, {**batch, **dataset}, axis_name=axis_name)
        return state, {name: value.reshape(1) for name, value in metrics.items()}

    return streamed_step
