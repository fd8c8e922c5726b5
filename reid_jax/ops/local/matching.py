"""Descriptors of one photo matched to those of others: exact, as matrix products in blocks.

Sizes are static: each photo has room for so many features (``M`` and ``N``), of which the first
``number`` are there. Descriptors are of unit length, so that the squared distance of the papers is
``2 - 2 similarity``.
"""

from functools import partial
from typing import Any, NamedTuple

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
      descriptors: ``(P, M, D)`` float32 of unit length, :func:`root`.
      places: ``(P, M, 4)`` float32: x, y and size of each feature, in units of the photo's longer
        side, and its direction in radians.
      number: ``(P,)`` int32: how many there are; what comes after them is ignored.
      floor: ``(P, M)`` float32, see :func:`floors`.
    """

    descriptors: Any
    places: Any
    number: Any
    floor: Any


class Comparison(NamedTuple):
    """How one photo matches each of G others.

    Attributes:
      total: ``(G,)`` float32, the sum of the strengths of the photo's matches: LNBNN.
      agreement: ``(G,)`` float32, the sum of the strengths of those that fit together, of the
        photo's matches in the other and of the other's in the photo.
      points: ``(G,)`` int32, how many of the photo's matches fit together, 0 where there is none.
      query, gallery: ``(G, MATCHES)`` int32, the photo's features and what they match in the other,
        the strongest first.
      strength: ``(G, MATCHES)`` float32, 0 where there is no more.
      fits: ``(G, MATCHES)`` bool, those that fit together.
    """

    total: jax.Array
    agreement: jax.Array
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


def floors(descriptors: Any, background: Any, others: Any) -> jax.Array:
    """How alike a feature is to what has nothing to do with it: the nearest in a background.

    Args:
      descriptors: ``(P, M, D)`` float32 of unit length, of P photos.
      background: ``(B, D)``, likewise.
      others: ``(P, B)`` bool: the features of the background that are none of the photo's own.

    Returns:
      ``(P, M)`` float32 similarities; -2 where there is no other.
    """
    chex.assert_rank([descriptors, background, others], [3, 2, 2])
    return _floors(descriptors, background, others)


def compare(query: Features, gallery: Features) -> Comparison:
    """One photo with each of G others.

    A feature's match in a photo is the most similar one there. Its strength is by how much that is
    more similar than the feature's floor, and nothing where it is less (LNBNN: McCann and Lowe,
    CVPR 2012, algorithm 2, with similarities in the place of negated squared distances and a fixed
    background in the place of the nearest other class, so that the score of two photos does not
    depend on which others are there). Of the strongest, those count that fit together, see
    :func:`reid_jax.ops.local.verification.consistent`.

    Args:
      query: one photo, without the leading axis.
      gallery: G photos.
    """
    chex.assert_rank([query.descriptors, gallery.descriptors], [2, 3])
    return _compare(query, gallery, block=_BLOCK if target() == "cpu" else 16 * _BLOCK)


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
def _compare(query: Features, gallery: Features, *, block: int) -> Comparison:
    def photo(other: Features) -> Comparison:
        similarity = _products(query.descriptors, other.descriptors)
        similarity = jnp.where(
            _there(query)[:, None] & _there(other)[None, :], similarity, _NOTHING
        )
        found = _matches(similarity, query, other)
        back = _matches(similarity.T, other, query)
        return found._replace(agreement=found.agreement + back.agreement)

    return jax.lax.map(photo, gallery, batch_size=block)


def _there(photo: Features) -> jax.Array:
    return jnp.arange(photo.descriptors.shape[0], dtype=jnp.int32) < photo.number


def _matches(similarity: jax.Array, one: Features, other: Features) -> Comparison:
    """Of the features of one photo in another, by their ``(M, N)`` similarities."""
    strength = jnp.maximum(jnp.max(similarity, axis=1) - jnp.maximum(one.floor, -1.0), 0.0)
    strongest, asked = jax.lax.top_k(strength, min(MATCHES, len(strength)))
    found = jnp.argmax(similarity[asked], axis=1).astype(jnp.int32)
    fits, agreement = consistent(one.places[asked], other.places[found], strongest)
    points = jnp.sum(fits, dtype=jnp.int32)
    return Comparison(jnp.sum(strength), agreement, points, asked, found, strongest, fits)
