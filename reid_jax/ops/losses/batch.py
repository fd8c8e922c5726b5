"""Losses that compare each anchor with all of the batch at once, through a log-sum-exp.

Wherever the papers assume embeddings of unit length (angular, multi-similarity, circle,
supervised contrastive), they are normalised here, which leaves unit vectors as they are.
"""

import math
from dataclasses import dataclass
from typing import Annotated

import chex
import jax
import jax.numpy as jnp
import numpy as np

from reid_jax.fields import NOT_NEGATIVE, POSITIVE, Bound, check
from reid_jax.ops.distances import dot_products, normalize
from reid_jax.ops.losses.term import InBatch
from reid_jax.ops.mining.in_batch import in_batch

_DEGREES = Bound(above=0, most=60)


def n_pair_loss(
    embeddings: jax.Array | np.ndarray,
    labels: jax.Array | np.ndarray,
    *,
    l2: float = 0.0,
    mask: jax.Array | None = None,
    axis_name: str | None = None,
) -> tuple[jax.Array, jax.Array]:
    """Sum over anchor-positive pairs (a, p) of log(1 + sum_n exp(f_a.f_n - f_a.f_p)).

    Sohn (NeurIPS 2016), the multi-class N-pair loss. The paper draws one pair per class, and the
    negatives of an anchor are the positives of the other pairs. Here, for any batch: every ordered
    pair of rows with the same label counts, and its negatives are all rows with another label. As
    in the paper, the embeddings are not normalised; `l2` times (|f_a|^2 + |f_p|^2) / 2, added for
    each pair, keeps their length in check instead.

    Args, errors: as `supervised_contrastive_loss`.

    Returns:
      (sum, count): float32 scalars; count is the number of pairs whose anchor has a negative.

    Example:
      >>> z = jnp.array([[0.0, 0.2], [0.0, 1.0], [0.5, 0.1], [0.6, 1.0]])
      >>> labels = jnp.array([0, 0, 1, 1])
      >>> loss, count = rj.losses.n_pair(z, labels, l2=0.02)
      >>> f"{loss / count:.3f} over {count:.0f} pairs"
      '1.173 over 4 pairs'
    """
    batch = in_batch(embeddings, labels, mask, axis_name)
    scores = dot_products(batch.anchors, batch.references)
    negatives = logsumexp(scores, batch.negatives)[:, None]
    cost = jax.nn.softplus(negatives - scores)
    if l2:
        anchor_norms = jnp.sum(jnp.square(batch.anchors), axis=1)[:, None]
        reference_norms = jnp.sum(jnp.square(batch.references), axis=1)[None, :]
        cost += l2 * 0.5 * (anchor_norms + reference_norms)
    weight = _pairs_with_a_negative(batch.positives, batch.negatives)
    return jnp.sum(weight * cost), jnp.sum(weight)


@dataclass(frozen=True)
class NPair(InBatch, loss=n_pair_loss, term="n_pair"):
    """Multi-class N-pair loss (Sohn 2016)."""


def angular_loss(
    embeddings: jax.Array | np.ndarray,
    labels: jax.Array | np.ndarray,
    *,
    angle: float = 45.0,
    mask: jax.Array | None = None,
    axis_name: str | None = None,
) -> tuple[jax.Array, jax.Array]:
    """Sum over anchor-positive pairs (a, p) of log(1 + sum_n exp(f_apn)), where

    f_apn = 4 tan^2(angle) (x_a + x_p).x_n - 2 (1 + tan^2(angle)) x_a.x_p

    Wang et al. (ICCV 2017), "Deep metric learning with angular loss", in its N-pair form, on unit
    vectors x. Every ordered pair of rows with the same label counts; its negatives are all rows
    with another label.

    Args, errors: as `supervised_contrastive_loss`, and
      angle: in degrees, in (0, 60]; the paper uses 36 to 55.

    Returns:
      (sum, count): float32 scalars; count is the number of pairs whose anchor has a negative.

    Raises:
      UserError: if the angle is out of range.

    Example:
      >>> z = jnp.array([[0.0, 0.2], [0.0, 1.0], [0.5, 0.1], [0.6, 1.0]])
      >>> labels = jnp.array([0, 0, 1, 1])
      >>> loss, count = rj.losses.angular(z, labels, angle=40.0)
      >>> f"{loss / count:.3f} over {count:.0f} pairs"
      '1.626 over 4 pairs'
    """
    _DEGREES.check("angle", angle)
    batch = in_batch(embeddings, labels, mask, axis_name)
    anchors, references = normalize(batch.anchors), normalize(batch.references)
    squared_tangent = math.tan(math.radians(angle)) ** 2
    cosines = dot_products(anchors, references)
    # a and p have the same negatives, so sum_n exp(c x_a.x_n) exp(c x_p.x_n) is a matrix product.
    # |c x.x_n| <= 12 for angles up to 60 degrees, so no shift is needed before exp.
    scale = 4.0 * squared_tangent
    from_anchor = jnp.where(batch.negatives, jnp.exp(scale * cosines), 0.0)
    from_positive = jnp.exp(scale * dot_products(references, references))
    summed = dot_products(from_anchor, from_positive)
    weight = _pairs_with_a_negative(batch.positives, batch.negatives)
    log_sum = jnp.log(jnp.where(weight > 0.0, summed, 1.0))
    cost = jax.nn.softplus(log_sum - 2.0 * (1.0 + squared_tangent) * cosines)
    return jnp.sum(weight * cost), jnp.sum(weight)


@dataclass(frozen=True)
class Angular(InBatch, loss=angular_loss, term="angular"):
    """Angular loss (Wang et al. 2017)."""

    angle: Annotated[float, _DEGREES] = 45.0
    """Upper bound of the angle at the negative, in degrees; at most 60."""

    def __post_init__(self) -> None:
        check(self, "loss", whose=True)


def multi_similarity_loss(
    embeddings: jax.Array | np.ndarray,
    labels: jax.Array | np.ndarray,
    *,
    alpha: float = 2.0,
    beta: float = 50.0,
    base: float = 0.5,
    epsilon: float = 0.1,
    mask: jax.Array | None = None,
    axis_name: str | None = None,
) -> tuple[jax.Array, jax.Array]:
    """Sum over anchors i of 1/alpha log(1 + sum_p exp(-alpha (S_ip - base)))
    + 1/beta log(1 + sum_n exp(beta (S_in - base))), over mined p and n; S is the cosine similarity.

    Wang et al. (CVPR 2019), "Multi-similarity loss with general pair weighting", with its mining: a
    negative counts if S_in > min_p S_ip - epsilon, a positive if S_ip < max_n S_in + epsilon.
    `base` is the paper's lambda.

    Args, errors: as `supervised_contrastive_loss`.

    Returns:
      (sum, count): float32 scalars; count is the number of anchors with a positive and a negative.
      Anchors for which nothing is mined count, with loss 0.

    Example:
      >>> z = jnp.array([[0.0, 0.2], [0.0, 1.0], [0.5, 0.1], [0.6, 1.0]])
      >>> labels = jnp.array([0, 0, 1, 1])
      >>> loss, count = rj.losses.multi_similarity(z, labels)
      >>> f"{loss / count:.3f} over {count:.0f} anchors"
      '0.160 over 4 anchors'
    """
    for name, value in (("alpha", alpha), ("beta", beta)):
        POSITIVE.check(name, value)
    NOT_NEGATIVE.check("epsilon", epsilon)
    batch = in_batch(embeddings, labels, mask, axis_name)
    similarity = dot_products(normalize(batch.anchors), normalize(batch.references))
    fixed = jax.lax.stop_gradient(similarity)
    least_positive = jnp.min(jnp.where(batch.positives, fixed, jnp.inf), axis=1, keepdims=True)
    most_negative = jnp.max(jnp.where(batch.negatives, fixed, -jnp.inf), axis=1, keepdims=True)
    positives = batch.positives & (fixed < most_negative + epsilon)
    negatives = batch.negatives & (fixed > least_positive - epsilon)
    cost = (
        log_one_plus_sum_exp(-alpha * (similarity - base), positives) / alpha
        + log_one_plus_sum_exp(beta * (similarity - base), negatives) / beta
    )
    valid = batch.positives.any(axis=1) & batch.negatives.any(axis=1)
    weight = valid.astype(jnp.float32)
    return jnp.sum(weight * cost), jnp.sum(weight)


@dataclass(frozen=True)
class MultiSimilarity(InBatch, loss=multi_similarity_loss, term="multi_similarity"):
    """Multi-similarity loss with its pair mining (Wang et al. 2019)."""

    alpha: Annotated[float, POSITIVE] = 2.0
    """Sharpness of the weighting of positives."""
    beta: Annotated[float, POSITIVE] = 50.0
    """Sharpness of the weighting of negatives."""
    base: float = 0.5
    """Similarity at which a pair counts half."""
    epsilon: Annotated[float, NOT_NEGATIVE] = 0.1
    """Slack of the mining."""

    def __post_init__(self) -> None:
        check(self, "loss", whose=True)


def circle_loss(
    embeddings: jax.Array | np.ndarray,
    labels: jax.Array | np.ndarray,
    *,
    relaxation: float = 0.4,
    scale: float = 80.0,
    mask: jax.Array | None = None,
    axis_name: str | None = None,
) -> tuple[jax.Array, jax.Array]:
    """Sum over anchors of log(1 + sum_n exp(g a_n (s_n - m)) sum_p exp(-g a_p (s_p - 1 + m))),

    where s are cosines, g is the scale, m the relaxation, a_n = max(0, s_n + m) and a_p = max(0, 1
    + m - s_p).

    Sun et al. (CVPR 2020), "Circle loss: a unified perspective of pair similarity optimization",
    eq. 6 with eq. 5 and 8, for labels of pairs: an anchor's positives and negatives are all those
    of the batch. The weights a get no gradient, as in the paper's eq. 10.

    Args, errors: as `supervised_contrastive_loss`, and
      relaxation: m of the paper, which takes 0.4 for fine-grained retrieval, 0.25 for faces.
      scale: gamma of the paper, 80 there, 256 for faces.

    Returns:
      (sum, count): float32 scalars; count is the number of anchors with a positive and a negative.

    Example:
      >>> z = jnp.array([[0.0, 0.2], [0.0, 1.0], [0.5, 0.1], [0.6, 1.0]])
      >>> labels = jnp.array([0, 0, 1, 1])
      >>> loss, count = rj.losses.circle(z, labels)
      >>> f"{loss / count:.3f} over {count:.0f} anchors"
      '27.234 over 4 anchors'
    """
    for name, value in (("relaxation", relaxation), ("scale", scale)):
        POSITIVE.check(name, value)
    batch = in_batch(embeddings, labels, mask, axis_name)
    similarity = dot_products(normalize(batch.anchors), normalize(batch.references))
    fixed = jax.lax.stop_gradient(similarity)
    to_positives = -jax.nn.relu(1.0 + relaxation - fixed) * (similarity - 1.0 + relaxation)
    to_negatives = jax.nn.relu(fixed + relaxation) * (similarity - relaxation)
    cost = jax.nn.softplus(
        logsumexp(scale * to_positives, batch.positives)
        + logsumexp(scale * to_negatives, batch.negatives)
    )
    weight = (batch.positives.any(axis=1) & batch.negatives.any(axis=1)).astype(jnp.float32)
    return jnp.sum(weight * cost), jnp.sum(weight)


@dataclass(frozen=True)
class Circle(InBatch, loss=circle_loss, term="circle"):
    """Circle loss over the pairs of a batch (Sun et al. 2020)."""

    relaxation: Annotated[float, POSITIVE] = 0.4
    """How far from 1 a positive's cosine, and from 0 a negative's, may be without cost."""
    scale: Annotated[float, POSITIVE] = 80.0
    """How much more the hardest pairs count than the others."""

    def __post_init__(self) -> None:
        check(self, "loss", whose=True)


def supervised_contrastive_loss(
    embeddings: jax.Array | np.ndarray,
    labels: jax.Array | np.ndarray,
    *,
    temperature: float = 0.1,
    mask: jax.Array | None = None,
    axis_name: str | None = None,
) -> tuple[jax.Array, jax.Array]:
    """Sum over anchors i of the mean over positives p of -log(exp(z_i.z_p / t) / sum_a exp(z_i.z_a
    / t)), where a runs over all rows but i, and z are unit vectors.

    Khosla et al. (NeurIPS 2020), eq. 2 (L_out).

    Args:
      embeddings: (B, D) floating point.
      labels: (B,) integer.
      temperature: t.
      mask: (B,) bool, False for padding.
      axis_name: the axis over which devices share the batch; see `in_batch`.

    Returns:
      (sum, count): float32 scalars; count is the number of anchors with a positive. None: (0, 0).

    Raises:
      AssertionError: on wrong ranks or lengths that differ.
      UserError: options out of range.

    Example:
      >>> z = jnp.array([[0.0, 0.2], [0.0, 1.0], [0.5, 0.1], [0.6, 1.0]])
      >>> labels = jnp.array([0, 0, 1, 1])
      >>> loss, count = rj.losses.supervised_contrastive(z, labels, temperature=0.1)
      >>> f"{loss / count:.3f} over {count:.0f} anchors"
      '0.766 over 4 anchors'
    """
    POSITIVE.check("temperature", temperature)
    batch = in_batch(embeddings, labels, mask, axis_name)
    logits = dot_products(normalize(batch.anchors), normalize(batch.references)) / temperature
    log_denominator = logsumexp(logits, batch.positives | batch.negatives)
    num_positives = jnp.sum(batch.positives, axis=1).astype(jnp.float32)
    mean_logit = jnp.sum(jnp.where(batch.positives, logits, 0.0), axis=1) / jnp.maximum(
        num_positives, 1.0
    )
    weight = (num_positives > 0.0).astype(jnp.float32)
    return jnp.sum(weight * (log_denominator - mean_logit)), jnp.sum(weight)


@dataclass(frozen=True)
class SupervisedContrastive(
    InBatch, loss=supervised_contrastive_loss, term="supervised_contrastive"
):
    """Supervised contrastive loss, L_out (Khosla et al. 2020)."""

    temperature: Annotated[float, POSITIVE] = 0.1
    """Divides the cosine similarities."""

    def __post_init__(self) -> None:
        check(self, "loss", whose=True)


def logsumexp(x: jax.Array, where: jax.Array) -> jax.Array:
    """`x` and `where` (A, B) -> (A,) log of the sum of exp(x) where `where`; 0 where nothing is.

    The gradient is finite and 0 outside of `where`, also for rows with nothing.
    """
    chex.assert_equal_shape([x, where])
    some = where.any(axis=1)
    highest = jnp.max(jnp.where(where, x, -jnp.inf), axis=1)
    shift = jax.lax.stop_gradient(jnp.where(some, highest, 0.0))
    total = jnp.sum(jnp.exp(jnp.where(where, x - shift[:, None], -jnp.inf)), axis=1)
    return jnp.log(jnp.where(some, total, 1.0)) + shift


def log_one_plus_sum_exp(x: jax.Array, where: jax.Array) -> jax.Array:
    """`x` and `where` (A, B) -> (A,) log(1 + sum of exp(x) where `where`); 0 where nothing is."""
    return jnp.where(where.any(axis=1), jax.nn.softplus(logsumexp(x, where)), 0.0)


def _pairs_with_a_negative(positives: jax.Array, negatives: jax.Array) -> jax.Array:
    return (positives & negatives.any(axis=1, keepdims=True)).astype(jnp.float32)
