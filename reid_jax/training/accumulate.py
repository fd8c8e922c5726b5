"""A batch in several passes: the gradient of the whole batch in the memory of a part of it."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from reid_jax.compilations import target
from reid_jax.training.parallel import Layout
from reid_jax.training.task import (
    Batch,
    DividedTask,
    Task,
    Term,
    Tree,
    batch_rows,
    positions_in_batch,
)

Metrics = dict[str, jax.Array]
Gradient = Callable[..., tuple[jax.Array, Metrics, Tree, Tree]]


def weighted_loss(
    terms: dict[str, Term], axis_name: str | None
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """This device's share of the loss, and of each of its terms.

    A term's share is its sum here over its count on all devices, so that shares add up to the loss.
    """

    def everywhere(x: jax.Array) -> jax.Array:
        return x if axis_name is None else jax.lax.psum(x, axis_name)

    shares = {
        name: term.total / jnp.maximum(everywhere(jax.lax.stop_gradient(term.number)), 1.0)
        for name, term in terms.items()
    }
    return jnp.asarray(sum(terms[name].weight * share for name, share in shares.items())), shares


def make_gradient(task: Task) -> Gradient:
    """Returns `gradient(params, model_state, batch, key, axis_name)`, of the batch in one pass.

    That gives this device's share of the loss (a scalar), the terms' shares, the new model state,
    and the gradient of the share with respect to `params`.
    """

    def gradient(
        params: Tree, model_state: Tree, batch: Batch, key: jax.Array, axis_name: str | None
    ) -> tuple[jax.Array, Metrics, Tree, Tree]:
        def loss_function(params: Tree) -> tuple[jax.Array, tuple[Metrics, Tree]]:
            terms, updated = task.loss(params, model_state, batch, key, axis_name)
            loss, shares = weighted_loss(terms, axis_name)
            return loss, (shares, updated)

        (loss, (shares, updated)), grads = jax.value_and_grad(loss_function, has_aux=True)(params)
        return loss, shares, updated, grads

    return gradient


def make_gradient_by_devices(task: DividedTask, layout: Layout) -> Gradient:
    """The same on a mesh, where each device differentiates the network for its rows.

    So devices exchange what BatchNorm shares, what the loss compares, and once the sum of the
    gradients; XLA, dividing the whole of it by itself, sums gradients in many parts.
    """

    def forward(shared: Any, batch: Batch, axis_name: str | None) -> tuple[Any, Tree]:
        params, model_state, key = shared
        positions = positions_in_batch(batch_rows(batch), axis_name)
        keys = tuple(jax.random.split(key))

        def outputs(params: Tree) -> tuple[Tree, Tree]:
            return task.outputs(params, model_state, batch, positions, keys, axis_name)

        result, pullback, updated = jax.vjp(outputs, params, has_aux=True)
        return (result, jax.tree.map(lambda x: x[None], pullback)), updated

    def backward(shared: Any, found: Any, axis_name: str | None) -> tuple[Tree]:
        del shared, axis_name
        pullback, cotangents = found
        grads: tuple[Tree] = jax.tree.map(lambda x: x[0], pullback)(cotangents)
        return grads

    def gradient(
        params: Tree, model_state: Tree, batch: Batch, key: jax.Array, axis_name: str | None
    ) -> tuple[jax.Array, Metrics, Tree, Tree]:
        shared = params, model_state, key
        (whole, pullback), updated = layout.on_each_device(forward, ("rows", "same"))(
            shared, dict(batch), axis_name
        )

        def loss_function(params: Tree, whole: Tree) -> tuple[jax.Array, Metrics]:
            return weighted_loss(task.terms(params, whole, batch, axis_name), axis_name)

        (loss, shares), (grads, cotangents) = jax.value_and_grad(
            loss_function, argnums=(0, 1), has_aux=True
        )(params, whole)
        (through,) = layout.on_each_device(backward, ("summed",))(
            shared, (pullback, cotangents), axis_name
        )
        return loss, shares, updated, jax.tree.map(jnp.add, grads, through)

    return gradient


def make_accumulated_gradient(task: DividedTask, parts: int, layout: Layout) -> Gradient:
    """The same in `parts` passes, by GradCache (Gao et al. 2021, section 3.2).

    The outputs of all parts are made without keeping what a gradient needs; the loss, which may
    compare any two examples of the batch, gives their gradient; then each part is passed forward
    and backward with its share of that. It costs one more forward pass and is exact for a network
    that treats examples one by one. BatchNorm takes its statistics from a part and moves its
    running ones once a part; dropout draws anew in each part.

    A part is every `parts`-th row, so that a batch which is divided over devices by rows stays
    where it is. The rows here must be a multiple of `parts`. Devices add up what they found once,
    behind the last part.
    """

    def split(tree: Tree) -> Tree:
        def one(x: jax.Array) -> jax.Array:
            return jnp.moveaxis(x.reshape(x.shape[0] // parts, parts, *x.shape[1:]), 1, 0)

        return jax.tree.map(one, tree)

    def divided(batch: Batch, key: jax.Array, axis_name: str | None) -> tuple[Any, Any]:
        """What a part is made of, for each; and how the network is applied to it."""
        example_key, noise_key = jax.random.split(key)
        noise_keys = jax.vmap(lambda number: jax.random.fold_in(noise_key, number))
        positions = positions_in_batch(batch_rows(batch), axis_name)

        def outputs(params: Tree, model_state: Tree, inputs: Any) -> Any:
            part, positions, noise_key = inputs
            keys = example_key, noise_key
            return task.outputs(params, model_state, part, positions, keys, axis_name)

        return (*split((dict(batch), positions)), noise_keys(jnp.arange(parts))), outputs

    def found(shared: Any, batch: Batch, axis_name: str | None) -> tuple[Tree]:
        """What the network gives for the rows here."""
        params, model_state, key = shared
        inputs, outputs = divided(batch, key, axis_name)

        def forward(before: Tree, inputs: Any) -> tuple[Tree, Tree]:
            before, inputs = _one_after_another(before, inputs)
            result, _ = outputs(params, model_state, inputs)
            return result, result

        shapes = jax.eval_shape(outputs, params, model_state, jax.tree.map(lambda x: x[0], inputs))
        _, results = _scan(forward, _zeros(shapes[0]), inputs)
        return (jax.tree.map(lambda x: jnp.moveaxis(x, 0, 1).reshape(-1, *x.shape[2:]), results),)

    def found_gradient(
        shared: Any, batch_and_cotangents: Any, axis_name: str | None
    ) -> tuple[Tree, Tree]:
        """The gradient through the rows here, and the model state behind the last part."""
        params, model_state, key = shared
        batch, cotangents = batch_and_cotangents
        inputs, outputs = divided(batch, key, axis_name)

        def backward(carry: tuple[Tree, Tree], item: Any) -> tuple[tuple[Tree, Tree], None]:
            (grads, state), (inputs, cotangents) = _one_after_another(carry, item)
            _, pullback, updated = jax.vjp(
                lambda params: outputs(params, state, inputs), params, has_aux=True
            )
            return (jax.tree.map(jnp.add, grads, pullback(cotangents)[0]), updated), None

        start = _zeros(params), model_state
        return _scan(backward, start, (inputs, split(cotangents)))[0]

    def gradient(
        params: Tree, model_state: Tree, batch: Batch, key: jax.Array, axis_name: str | None
    ) -> tuple[jax.Array, Metrics, Tree, Tree]:
        shared = params, model_state, key
        (whole,) = layout.on_each_device(found, ("rows",))(shared, dict(batch), axis_name)

        def loss_function(params: Tree, whole: Tree) -> tuple[jax.Array, Metrics]:
            return weighted_loss(task.terms(params, whole, batch, axis_name), axis_name)

        (loss, shares), (grads, cotangents) = jax.value_and_grad(
            loss_function, argnums=(0, 1), has_aux=True
        )(params, whole)
        through, updated = layout.on_each_device(found_gradient, ("summed", "same"))(
            shared, (dict(batch), cotangents), axis_name
        )
        return loss, shares, updated, jax.tree.map(jnp.add, grads, through)

    return gradient


def _scan(body: Callable[..., Any], carry: Tree, items: Tree) -> tuple[Tree, Tree]:
    # XLA on a CPU runs convolutions inside a loop many times slower.
    return jax.lax.scan(body, carry, items, unroll=target() == "cpu" or 1)


def _zeros(tree: Tree) -> Tree:
    return jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), tree)


def _one_after_another(carry: Tree, item: Tree) -> tuple[Tree, Tree]:
    """Holds an unrolled pass back until the one before it is done, or memory would not be saved."""
    return jax.lax.optimization_barrier((carry, item))
