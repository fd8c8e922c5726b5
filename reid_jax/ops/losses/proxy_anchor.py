"""Proxy-Anchor: a trained proxy of each class is compared with all photos of the batch."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import chex
import jax
import jax.numpy as jnp

from reid_jax.fields import NOT_NEGATIVE, POSITIVE, check
from reid_jax.ops.losses.margins import center_cosines, new_centers
from reid_jax.ops.losses.term import InBatch, Term, Tree
from reid_jax.ops.mining.in_batch import as_labels


def proxy_anchor_loss(
    embeddings: jax.Array,
    proxies: jax.Array,
    labels: jax.Array,
    *,
    margin: float = 0.1,
    scale: float = 32.0,
    mask: jax.Array | None = None,
    axis_name: str | None = None,
) -> tuple[jax.Array, jax.Array]:
    """The mean over proxies p with a positive of log(1 + sum_x+ exp(-scale (s(x, p) - margin)))
    and that over all proxies of log(1 + sum_x- exp(scale (s(x, p) + margin))); s is the cosine.

    Kim, Kim, Cho & Kwak (CVPR 2020), "Proxy anchor loss for deep metric learning", eq. 4: x+ are
    the batch's photos of the proxy's class, x- all others of the batch.

    Args:
      embeddings: (B, D) floating point; normalised here.
      proxies: (C, D), or (C, K, D) of which the closest counts; normalised here.
      labels: (B,) integer in [0, C).
      margin: delta of the paper.
      scale: alpha of the paper.
      mask: (B,) bool, False for padding.
      axis_name: the axis over which devices share the batch; sums go over it.

    Returns:
      (sum, count): float32 scalars; count is the number of proxies, C, of which each device returns
      an equal share, and sum is C times the loss. Nothing but padding gives (0, 0).

    Raises:
      AssertionError: on wrong ranks or lengths that differ.
      UserError: a margin below 0, a scale that is not above 0.

    Example:
      >>> z = jnp.array([[0.0, 0.2], [0.0, 1.0], [0.5, 0.1], [0.6, 1.0]])
      >>> labels = jnp.array([0, 0, 1, 1])
      >>> proxies = jnp.eye(2)  # (C, D), trained beside the network
      >>> loss, count = rj.losses.proxy_anchor(z, proxies, labels)
      >>> f"{loss / count:.3f} over {count:.0f} proxies"
      '37.215 over 2 proxies'
    """
    NOT_NEGATIVE.check("margin", margin)
    POSITIVE.check("scale", scale)
    labels = as_labels(labels, embeddings)
    chex.assert_rank(labels, 1)
    chex.assert_type(labels, int)
    if mask is None:
        mask = jnp.ones(labels.shape, bool)
    chex.assert_equal_shape([mask, labels])
    cosines = center_cosines(embeddings, proxies)
    number = cosines.shape[1]
    own = labels[:, None] == jnp.arange(number, dtype=labels.dtype)[None, :]

    def everywhere(x: jax.Array) -> jax.Array:
        return x if axis_name is None else jax.lax.psum(x, axis_name)

    def gathered(x: jax.Array, where: jax.Array) -> jax.Array:
        """(C,) log(1 + the sum of exp(x) over all rows of all devices), without overflow."""
        highest = jnp.max(jnp.where(where, jax.lax.stop_gradient(x), 0.0), axis=0)
        highest = jnp.maximum(highest, 0.0)
        if axis_name is not None:
            highest = jax.lax.pmax(highest, axis_name)
        each = jnp.exp(jnp.where(where, x - highest[None, :], -jnp.inf))
        return jnp.log(jnp.exp(-highest) + everywhere(jnp.sum(each, axis=0))) + highest

    pull = gathered(-scale * (cosines - margin), own & mask[:, None])
    push = gathered(scale * (cosines + margin), ~own & mask[:, None])
    photos = everywhere(jnp.sum(own & mask[:, None], axis=0))
    there = jnp.sum((photos > 0).astype(jnp.float32))
    total = jnp.sum(pull) * number / jnp.maximum(there, 1.0) + jnp.sum(push)
    count = jnp.where(everywhere(jnp.sum(mask)) > 0, jnp.float32(number), 0.0)
    devices = 1 if axis_name is None else jax.lax.axis_size(axis_name)
    return total / devices, count / devices


@dataclass(frozen=True)
class ProxyAnchor(InBatch, loss=proxy_anchor_loss, term="proxy_anchor"):
    """Proxy-Anchor loss: a trained proxy an individual (Kim et al. 2020)."""

    margin: Annotated[float, NOT_NEGATIVE] = 0.1
    """Cosine beyond which a photo of the proxy's individual costs little, and short of which one of
    another does."""
    scale: Annotated[float, POSITIVE] = 32.0
    """How much more the hardest photos of a batch count than the others."""

    def __post_init__(self) -> None:
        check(self, "loss", whose=True)

    def init(self, key: jax.Array, num_classes: int, dimension: int) -> Tree:
        return {"centers": new_centers(key, num_classes, dimension)}

    def terms(
        self,
        params: Tree,
        outputs: Mapping[str, jax.Array],
        labels: jax.Array,
        mask: jax.Array | None,
        axis_name: str | None,
    ) -> dict[str, Term]:
        given = {"mask": mask, "axis_name": axis_name, **self.arguments()}
        return {self._term: Term(*self._loss(outputs["neck"], params["centers"], labels, **given))}
