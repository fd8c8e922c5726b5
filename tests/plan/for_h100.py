"""Programs that are no step of a configuration, compiled for one H100 in a process of their own."""

import jax
import jax.numpy as jnp

from reid_jax.compilations import program_memory
from reid_jax.ops.losses.objectives import MarginSoftmax
from reid_jax.ops.losses.triplet import triplet_loss
from reid_jax.plan.accelerators import accelerator
from reid_jax.plan.compilers import compiled, devices_of


def memory_of(function, *shapes):
    """Bytes that a function takes, its arguments and results included."""
    chip = accelerator("h100")
    place = jax.sharding.SingleDeviceSharding(devices_of(chip, 1)[0])
    arguments = [jax.ShapeDtypeStruct(shape, dtype, sharding=place) for shape, dtype in shapes]
    return program_memory(compiled(jax.jit(function).lower(*arguments), chip))


def head(classes, dimension, batch):
    """A chunked ArcFace head, with the gradients of embeddings and centres."""
    objective = MarginSoftmax(chunk=50_000)

    def loss(embeddings, centers, labels):
        terms = objective.terms({"centers": centers}, {"neck": embeddings}, labels, None, None)
        return terms["arcface"].total

    centers = jax.eval_shape(lambda: objective.init(jax.random.key(0), classes, dimension))
    return memory_of(
        jax.value_and_grad(loss, argnums=(0, 1)),
        ((batch, dimension), jnp.float32),
        (centers["centers"].shape, jnp.float32),
        ((batch,), jnp.int32),
    )


def mining(rows, dimension):
    """Batch-hard triplets, with the gradient of the embeddings."""
    return memory_of(
        jax.value_and_grad(lambda z, labels: triplet_loss(z, labels, mining="hard")[0]),
        ((rows, dimension), jnp.float32),
        ((rows,), jnp.int32),
    )
