"""Losses of a sequence of scores against a sequence of targets: by value and by order.

All take scores and targets (B, T) float and a mask (B, T) bool, true where a frame exists, and
return `(sum, count)`: what is masked adds nothing to either, so that padding changes no mean.
"""

import chex
import jax
import jax.numpy as jnp

Total = tuple[jax.Array, jax.Array]


def soft_ranks(scores: jax.Array, mask: jax.Array, *, temperature: float) -> jax.Array:
    """Differentiable ascending ranks 1 ... n of the unmasked scores, (B, T) float; 0 where masked.

    rank_i = 1/2 + sum_j sigmoid((s_i - s_j) / temperature), which is Qin, Liu and Li, "A general
    approximation framework for direct optimization of information retrieval measures" (Information
    Retrieval 13, 2010), eq. 14, counted from below. As the temperature goes to 0 it becomes the
    exact rank, ties sharing their mean rank. Takes O(T^2) memory.

    Args:
      temperature: difference of scores at which an order is 73% certain; above 0.
    """
    _check(scores, scores, mask)
    difference = (scores[:, :, None] - scores[:, None, :]) / temperature
    return _ranks(jax.nn.sigmoid(difference), mask)


def exact_ranks(values: jax.Array, mask: jax.Array) -> jax.Array:
    """Ascending ranks 1 ... n of the unmasked values (B, T), ties sharing their mean rank; else 0.

    Has no gradient.
    """
    _check(values, values, mask)
    below = (values[:, None, :] < values[:, :, None]).astype(values.dtype)
    level = (values[:, None, :] == values[:, :, None]).astype(values.dtype)
    return _ranks(below + 0.5 * level, mask)


def _ranks(wins: jax.Array, mask: jax.Array) -> jax.Array:
    others = jnp.where(mask[:, None, :], wins, jnp.zeros_like(wins)).sum(-1)
    return jnp.where(mask, 0.5 + others, jnp.zeros_like(others))


def soft_spearman(
    scores: jax.Array, targets: jax.Array, mask: jax.Array, *, temperature: float
) -> tuple[jax.Array, jax.Array]:
    """Correlation of soft ranks of the scores with exact ranks of the targets.

    Spearman's rho with its ranks made differentiable, as in Blondel et al., "Fast differentiable
    sorting and ranking" (ICML 2020, section 6.2), but with the ranks of `soft_ranks`.

    Returns:
      rho (B,) in [-1, 1], and bool (B,), true where there is an order to learn: two frames with
      different targets. Elsewhere rho is 0 with gradient 0.
    """
    _check(scores, targets, mask)
    ours = _centred(soft_ranks(scores, mask, temperature=temperature), mask)
    theirs = _centred(exact_ranks(jax.lax.stop_gradient(targets), mask), mask)
    defined = jnp.square(theirs).sum(-1) > 0
    # Equal scores have equal ranks; the constant keeps the gradient finite there.
    norm = jnp.sqrt(jnp.square(ours).sum(-1) + 1e-6) * jnp.sqrt(
        jnp.where(defined, jnp.square(theirs).sum(-1), 1.0)
    )
    return jnp.where(defined, (ours * theirs).sum(-1) / norm, 0.0), defined


def spearman_loss(
    scores: jax.Array, targets: jax.Array, mask: jax.Array, *, temperature: float
) -> Total:
    """1 - `soft_spearman`, over the sequences that have an order."""
    rho, defined = soft_spearman(scores, targets, mask, temperature=temperature)
    return jnp.where(defined, 1.0 - rho, 0.0).sum(), defined.astype(scores.dtype).sum()


def listnet_loss(
    scores: jax.Array, targets: jax.Array, mask: jax.Array, *, temperature: float
) -> Total:
    """Cross entropy of the two top-one distributions, over sequences with a frame.

    Cao et al., "Learning to rank: from pairwise approach to listwise approach" (ICML 2007),
    section 4.2 and eq. 5; both distributions are softmax(x / temperature) over the frames.
    """
    _check(scores, targets, mask)
    filled = mask.any(-1)
    wanted = jnp.where(mask, jax.nn.softmax(_masked(targets / temperature, mask)), 0.0)
    predicted = jax.nn.log_softmax(_masked(scores / temperature, mask))
    losses = -jnp.where(mask, wanted * predicted, 0.0).sum(-1)
    return jnp.where(filled, losses, 0.0).sum(), filled.astype(scores.dtype).sum()


def pairwise_loss(
    scores: jax.Array, targets: jax.Array, mask: jax.Array, *, temperature: float
) -> Total:
    """log(1 + exp(-(s_i - s_j) / temperature)) over pairs with t_i > t_j, averaged a sequence.

    Burges et al., "Learning to rank using gradient descent" (ICML 2005), eq. 3 with certain
    targets. Sequences without such a pair do not count.
    """
    _check(scores, targets, mask)
    both = mask[:, :, None] & mask[:, None, :]
    ordered = both & (targets[:, :, None] > targets[:, None, :])
    margins = (scores[:, :, None] - scores[:, None, :]) / temperature
    losses = jnp.where(ordered, jax.nn.softplus(-margins), 0.0).sum((1, 2))
    pairs = ordered.sum((1, 2)).astype(scores.dtype)
    return (losses / jnp.maximum(pairs, 1.0)).sum(), (pairs > 0).astype(scores.dtype).sum()


def squared_error(scores: jax.Array, targets: jax.Array, mask: jax.Array) -> Total:
    """(s - t)^2 over the frames."""
    _check(scores, targets, mask)
    errors = jnp.where(mask, jnp.square(scores - targets), 0.0)
    return errors.sum(), mask.astype(scores.dtype).sum()


def _masked(logits: jax.Array, mask: jax.Array) -> jax.Array:
    return jnp.where(mask, logits, -1e30)


def _centred(ranks: jax.Array, mask: jax.Array) -> jax.Array:
    count = jnp.maximum(mask.sum(-1, keepdims=True), 1).astype(ranks.dtype)
    return jnp.where(mask, ranks - ranks.sum(-1, keepdims=True) / count, 0.0)


def _check(scores: jax.Array, targets: jax.Array, mask: jax.Array) -> None:
    chex.assert_rank(scores, 2)
    chex.assert_equal_shape([scores, targets, mask])
    chex.assert_type(mask, jnp.bool_)
