"""Losses of a triple of points as functions of its two distances, with their gradients.

Two photos of one individual lie d_p apart on the unit sphere, one of another at d_n from both, so
that either is an anchor with these two distances. The batch is these three rows, so that what is
shown is what the training functions return.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from reid_jax.ops.losses.batch import (
    angular_loss,
    circle_loss,
    multi_similarity_loss,
    n_pair_loss,
    supervised_contrastive_loss,
)
from reid_jax.ops.losses.triplet import triplet_loss

# Embeddings (3, 3) and labels (3,) -> (sum, count).
BatchLoss = Callable[[jax.Array, jax.Array], tuple[jax.Array, jax.Array]]


class Landscape(NamedTuple):
    """One loss with one setting.

    Attributes:
      title: the setting in words.
      loss: of a batch.
      length: of the three embeddings.
    """

    title: str
    loss: BatchLoss
    length: float = 1.0


class Surface(NamedTuple):
    """Loss and length of its gradient by the two distances, each (N, N): [negative, positive].

    NaN where no three points have these distances.
    """

    distances: np.ndarray  # (N,)
    loss: np.ndarray
    gradient: np.ndarray


def families() -> dict[str, tuple[Landscape, ...]]:
    """The losses of triples, each at three settings, by name."""
    return {
        "triplet": (
            Landscape("margin 0.2", lambda e, y: triplet_loss(e, y, margin=0.2, mean_over="valid")),
            Landscape("margin 0.6", lambda e, y: triplet_loss(e, y, margin=0.6, mean_over="valid")),
            Landscape(
                "soft margin", lambda e, y: triplet_loss(e, y, margin=None, mean_over="valid")
            ),
        ),
        "n_pair": tuple(
            Landscape(f"embeddings of length {length:g}", n_pair_loss, length)
            for length in (1.0, 2.0, 4.0)
        ),
        "angular": (
            Landscape("angle 30°", lambda e, y: angular_loss(e, y, angle=30.0)),
            Landscape("angle 40°", lambda e, y: angular_loss(e, y, angle=40.0)),
            Landscape("angle 50°", lambda e, y: angular_loss(e, y, angle=50.0)),
        ),
        "multi_similarity": (
            Landscape("β = 10, λ = 0.5", lambda e, y: multi_similarity_loss(e, y, beta=10.0)),
            Landscape("β = 50, λ = 0.5", multi_similarity_loss),
            Landscape("β = 50, λ = 0.8", lambda e, y: multi_similarity_loss(e, y, base=0.8)),
        ),
        "circle": (
            Landscape(
                "m = 0.25, γ = 16", lambda e, y: circle_loss(e, y, relaxation=0.25, scale=16.0)
            ),
            Landscape("m = 0.4, γ = 16", lambda e, y: circle_loss(e, y, scale=16.0)),
            Landscape("m = 0.4, γ = 80", circle_loss),
        ),
        "supervised_contrastive": (
            Landscape(
                "temperature 0.5", lambda e, y: supervised_contrastive_loss(e, y, temperature=0.5)
            ),
            Landscape("temperature 0.1", supervised_contrastive_loss),
            Landscape(
                "temperature 0.05", lambda e, y: supervised_contrastive_loss(e, y, temperature=0.05)
            ),
        ),
    }


def triple(distances: jax.Array, length: float = 1.0) -> tuple[jax.Array, jax.Array]:
    """Embeddings (3, 3) of one length, from `distances` (2,): to the positive, to the negative.

    Also whether there is such a triangle: two unit vectors that are 2 apart cannot both be near a
    third. Where there is none, the embeddings are others.
    """
    half, angle = jnp.arcsin(distances / 2) * jnp.array([1.0, 2.0])
    ratio = jnp.cos(angle) / jnp.cos(half)
    possible = jnp.abs(ratio) < 1
    ratio = jnp.where(possible, ratio, 0.0)
    zero = jnp.zeros_like(half)
    anchor = jnp.stack([jnp.cos(half), jnp.sin(half), zero])
    positive = jnp.stack([jnp.cos(half), -jnp.sin(half), zero])
    negative = jnp.stack([ratio, zero, jnp.sqrt(1 - jnp.square(ratio))])
    return length * jnp.stack([anchor, positive, negative]), possible


def surface(landscape: Landscape, points: int = 161) -> Surface:
    """Loss and gradient of a landscape over both distances between 0 and 2 (times the length)."""
    axis = np.linspace(0.01, 1.99, points, dtype=np.float32)
    labels = jnp.array([0, 0, 1])

    def loss(distances: jax.Array) -> jax.Array:
        embeddings, possible = triple(distances, landscape.length)
        total, count = landscape.loss(embeddings, labels)
        return jnp.where(possible, total / jnp.maximum(count, 1.0), jnp.nan)

    negative, positive = np.meshgrid(axis, axis, indexing="ij")
    grid = np.stack([positive.ravel(), negative.ravel()], axis=1)
    values, slopes = jax.jit(jax.vmap(jax.value_and_grad(loss)))(grid)
    shape = (points, points)
    lengths = np.linalg.norm(np.asarray(slopes), axis=1)
    lengths[np.isnan(values)] = np.nan
    # What rounds to less than 0 is 0.
    values = np.maximum(np.asarray(values), 0)
    return Surface(axis, values.reshape(shape), lengths.reshape(shape))
