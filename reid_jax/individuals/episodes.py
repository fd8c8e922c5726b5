"""N-way one-shot recognition within groups.

The protocol of Omniglot (Lake, Salakhutdinov and Tenenbaum, Science 2015): an episode shows one
photo each of N individuals of one group (characters of one alphabet, by one drawer), and asks for
each of N other photos (the same characters by another drawer) which of the N it is. Chance is 1/N.
"""

from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np

from reid_jax.errors import UserError


def draw_episodes(
    labels: np.ndarray,
    groups: np.ndarray,
    drawers: np.ndarray | None = None,
    *,
    ways: int = 20,
    episodes: int = 400,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Chooses photos for one-shot episodes, a pure function of its arguments.

    Args:
      labels: ``(N,)`` individual of each photo.
      groups: ``(N,)`` group; an individual belongs to one group. Groups take turns.
      drawers: ``(N,)`` who made it: the shown photos of an episode come from one drawer, the asked
        ones from another. Without, the two are any two photos of the individual.
      ways: individuals an episode.
      episodes: how many.

    Returns:
      ``(episodes, ways)`` int64 twice: the shown photos, and the asked ones in the same order.

    Raises:
      UserError: no group has enough individuals.
    """
    labels, groups = np.asarray(labels), np.asarray(groups)
    makers = np.zeros(len(labels), np.int64) if drawers is None else np.asarray(drawers)
    tables = []
    for group in np.unique(groups):
        photos = np.flatnonzero(groups == group)
        table = _Table(photos, labels[photos], makers[photos], by_drawer=drawers is not None)
        if table.possible(ways):
            tables.append(table)
    if not tables:
        raise UserError(
            f"No group has {ways} individuals with two photos each (by the same two drawers, where "
            "those are known): choose fewer ways."
        )
    shown, asked = np.empty((2, episodes, ways), np.int64)
    for episode in range(episodes):
        rng = np.random.default_rng((seed, episode))
        shown[episode], asked[episode] = tables[episode % len(tables)].draw(ways, rng)
    return shown, asked


class _Table:
    """The photos of one group, by individual and drawer."""

    def __init__(
        self, photos: np.ndarray, labels: np.ndarray, drawers: np.ndarray, *, by_drawer: bool
    ) -> None:
        self.photos = photos
        self.by_drawer = by_drawer
        individual = np.unique(labels, return_inverse=True)[1]
        drawer = np.unique(drawers, return_inverse=True)[1]
        order = np.lexsort((np.arange(len(photos)), drawer, individual))
        self.order = order
        shape = individual.max() + 1, drawer.max() + 1
        cell = individual[order] * shape[1] + drawer[order]
        self.count = np.bincount(cell, minlength=shape[0] * shape[1]).reshape(shape)
        self.start = (np.cumsum(self.count.ravel()) - self.count.ravel()).reshape(shape)
        there = self.count > 0
        self.shared = there.T.astype(np.int64) @ there.astype(np.int64)
        np.fill_diagonal(self.shared, 0)

    def possible(self, ways: int) -> bool:
        if self.by_drawer:
            return bool(self.shared.max() >= ways)
        return int(np.sum(self.count[:, 0] >= 2)) >= ways

    def draw(self, ways: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        if self.by_drawer:
            pairs = np.argwhere(self.shared >= ways)
            a, b = pairs[rng.integers(len(pairs))]
            drawn_by_both = np.flatnonzero((self.count[:, a] > 0) & (self.count[:, b] > 0))
            chosen = rng.permutation(drawn_by_both)[:ways]
            return self._one(chosen, a, rng), self._one(chosen, b, rng)
        chosen = rng.permutation(np.flatnonzero(self.count[:, 0] >= 2))[:ways]
        count, start = self.count[chosen, 0], self.start[chosen, 0]
        first = rng.integers(0, count)
        second = (first + rng.integers(1, count)) % count
        return self.photos[self.order[start + first]], self.photos[self.order[start + second]]

    def _one(self, chosen: np.ndarray, drawer: int, rng: np.random.Generator) -> np.ndarray:
        place = self.start[chosen, drawer] + rng.integers(0, self.count[chosen, drawer])
        return self.photos[self.order[place]]


def one_shot_accuracy(
    embeddings: np.ndarray, shown: np.ndarray, asked: np.ndarray, metric: str = "cosine"
) -> np.ndarray:
    """Share of the asked photos nearest to their own individual's shown photo, per episode.

    Of two equally near ones the first of the episode is taken; its order is random, so an embedding
    that says nothing gets 1/N.

    Args:
      embeddings: ``(N, D)`` float32.
      shown, asked: ``(E, ways)`` from :func:`draw_episodes`.
      metric: "cosine" or "euclidean".

    Returns:
      ``(E,)`` float64.
    """
    if metric not in ("cosine", "euclidean"):
        raise UserError(f"The metric {metric!r} is unknown: use 'cosine' or 'euclidean'.")
    correct = _correct(
        jnp.asarray(np.asarray(embeddings, np.float32)),
        jnp.asarray(shown, jnp.int32),
        jnp.asarray(asked, jnp.int32),
        cosine=metric == "cosine",
    )
    return np.asarray(correct, np.float64) / shown.shape[1]


@partial(jax.jit, static_argnames="cosine")
def _correct(
    embeddings: jax.Array, shown: jax.Array, asked: jax.Array, *, cosine: bool
) -> jax.Array:
    chex.assert_rank([embeddings, shown, asked], 2)
    chex.assert_equal_shape([shown, asked])
    if cosine:
        squared = jnp.sum(embeddings**2, axis=1, keepdims=True)
        embeddings = embeddings / jnp.sqrt(jnp.maximum(squared, 1e-30))

    def one_episode(photos: tuple[jax.Array, jax.Array]) -> jax.Array:
        support, query = embeddings[photos[0]], embeddings[photos[1]]
        products = jnp.matmul(query, support.T, precision=jax.lax.Precision.HIGHEST)
        nearest = jnp.argmax(2 * products - jnp.sum(support**2, axis=1)[None, :], axis=1)
        return jnp.sum(nearest == jnp.arange(support.shape[0]), dtype=jnp.int32)

    return jax.lax.map(one_episode, (shown, asked), batch_size=32)
