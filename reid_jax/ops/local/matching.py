"""Descriptors of one photo matched to those of others: exact, as matrix products in blocks.

Sizes are static: each photo has room for so many features (``M`` and ``N``), of which the first
``count`` are there. Descriptors are of unit length, so that the squared distance of the papers is
``2 - 2 similarity``.
"""

from functools import partial
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np

from reid_jax.compilations import target
from reid_jax.ops.local.verification import consistent

MATCHES = 64
"""So many matches of a pair, the strongest, are asked whether they fit together."""

_BLOCK = 8  # photos at a time on a CPU: their products stay in its cache
_NOTHING = -2.0  # below every similarity


class Features(NamedTuple):
    """Local features of P photos.

    Attributes:
      descriptors: ``(P, M, D)`` float32 of unit length, see :func:`root`.
      places: ``(P, M, 4)`` float32: x, y and size of each feature, in units of the photo's longer
        side, and its direction in radians.
      count: ``(P,)`` int32: how many there are; what comes after them is ignored.
    """

    descriptors: jax.Array
    places: jax.Array
    count: jax.Array


class Comparison(NamedTuple):
    """How one photo matches each of G others.

    Attributes:
      score: ``(G,)`` float32, the sum of the strengths of all matches: LNBNN.
      points: ``(G,)`` int32, how many of the strongest fit together, 0 where none is.
      query, gallery: ``(G, MATCHES)`` int32, the features that match, the strongest first.
      strength: ``(G, MATCHES)`` float32, 0 where there is no more.
      fits: ``(G, MATCHES)`` bool, those that fit together.
    """

    score: jax.Array
    points: jax.Array
    query: jax.Array
    gallery: jax.Array
    strength: jax.Array
    fits: jax.Array


def root(descriptors: np.ndarray) -> np.ndarray:
    """RootSIFT (Arandjelović and Zisserman, CVPR 2012, section 3): Hellinger's kernel by products.

    Args:
      descriptors: ``(..., D)``, none negative.

    Returns:
      ``(..., D)`` float32 of unit length; zeros stay zeros.
    """
    values = np.asarray(descriptors, np.float32)
    return np.sqrt(values / np.maximum(values.sum(axis=-1, keepdims=True), 1e-12))


def floors(query: Features, background: jax.Array, others: jax.Array) -> jax.Array:
    """How alike a feature is to what has nothing to do with it: the nearest in a background.

    Args:
      query: P photos.
      background: ``(B, D)`` float32 of unit length.
      others: ``(P, B)`` bool: the features of the background that are none of the photo's own.

    Returns:
      ``(P, M)`` float32 similarities; -2 where there is no other.
    """
    chex.assert_rank([query.descriptors, background, others], [3, 2, 2])
    return _floors(query.descriptors, background, others)


def compare(query: Features, floor: jax.Array, gallery: Features) -> Comparison:
    """One photo with each of G others.

    A feature's match in a photo is the most similar one there. Its strength is by how much that is
    more similar than the feature's floor, and nothing where it is less (LNBNN: McCann and Lowe,
    CVPR 2012, algorithm 2, with similarities in the place of negated squared distances and a fixed
    background in the place of the nearest other class, so that the score of two photos does not
    depend on which others are there).

    Args:
      query: one photo, without the leading axis.
      floor: ``(M,)`` float32, see :func:`floors`.
      gallery: G photos.
    """
    chex.assert_rank([query.descriptors, floor, gallery.descriptors], [2, 1, 3])
    return _compare(query, floor, gallery, block=_BLOCK if target() == "cpu" else 16 * _BLOCK)


def _products(query: jax.Array, gallery: jax.Array) -> jax.Array:
    return jnp.matmul(query, gallery.T, precision=jax.lax.Precision.HIGHEST)


@jax.jit
def _floors(descriptors: jax.Array, background: jax.Array, others: jax.Array) -> jax.Array:
    def photo(given: tuple[jax.Array, jax.Array]) -> jax.Array:
        own, other = given
        similarity = jnp.where(other[None, :], _products(own, background), _NOTHING)
        return jnp.max(similarity, axis=1, initial=_NOTHING)

    return jax.lax.map(photo, (descriptors, others))


@partial(jax.jit, static_argnames="block")
def _compare(query: Features, floor: jax.Array, gallery: Features, *, block: int) -> Comparison:
    room = jnp.arange(query.descriptors.shape[0], dtype=jnp.int32) < query.count
    kept = min(MATCHES, query.descriptors.shape[0])

    def photo(other: Features) -> Comparison:
        there = jnp.arange(other.descriptors.shape[0], dtype=jnp.int32) < other.count
        similarity = jnp.where(there, _products(query.descriptors, other.descriptors), _NOTHING)
        strength = jnp.where(room, jnp.maximum(jnp.max(similarity, axis=1) - floor, 0.0), 0.0)
        strongest, asked = jax.lax.top_k(strength, kept)
        found = jnp.argmax(similarity[asked], axis=1).astype(jnp.int32)
        fits, _ = consistent(query.places[asked], other.places[found], strongest)
        points = jnp.sum(fits, dtype=jnp.int32)
        return Comparison(jnp.sum(strength), points, asked, found, strongest, fits)

    return jax.lax.map(photo, gallery, batch_size=block)
