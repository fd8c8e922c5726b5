"""Embeddings in the plane: PCA, and an exact t-SNE on the device for a thousand points or so."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

_EXAGGERATION, _EARLY, _STEPS = 12.0, 250, 750


def flatten(embeddings: np.ndarray, metric: str) -> dict[str, np.ndarray]:
    """The plane: the embeddings themselves if they are 2-D, else PCA and t-SNE, by title."""
    if embeddings.shape[1] == 2:
        return {"The embeddings themselves": embeddings}
    points = embeddings.astype(np.float64)
    if metric == "cosine":
        points /= np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-12)
    points -= points.mean(axis=0)
    left, size, _ = np.linalg.svd(points, full_matrices=False)
    flat = {"PCA: the two directions of greatest spread": _two(left * size)}
    if len(points) > 5:
        flat["t-SNE: neighbours stay neighbours"] = tsne((left * size)[:, :50])
    return flat


def _two(points: np.ndarray) -> np.ndarray:
    return np.pad(points[:, :2], ((0, 0), (0, max(0, 2 - points.shape[1]))))


def tsne(points: np.ndarray, perplexity: float = 30.0) -> np.ndarray:
    """Places points in the plane so that near neighbours stay near.

    After van der Maaten and Hinton (JMLR 2008). All pairs, no tree: for N points one step costs
    N^2, which at a thousand points is less than the tree. It starts from the first two principal
    components, so nothing is random. Momentum, gains and exaggeration are those of the authors'
    code; the learning rate ``N / 12`` (at least 50) is Belkina et al.'s (Nature Communications
    2019).

    Args:
      points: ``(N, D)`` float, compared by Euclidean distance; centred, the first two columns the
        principal components.
      perplexity: about how many neighbours count; reduced to ``(N - 1) / 3`` when that is less.

    Returns:
      ``(N, 2)`` float32.
    """
    points = np.asarray(points, np.float32)
    number = len(points)
    start = points[:, :2] / max(float(points[:, 0].std()), 1e-12) * 1e-4
    perplexity = max(1.0, min(perplexity, (number - 1) / 3))
    affinities = _affinities(jnp.asarray(points), jnp.float32(perplexity))
    rate = jnp.float32(max(number / _EXAGGERATION, 50.0))
    return np.asarray(_descend(affinities, jnp.asarray(start), rate))


@jax.jit
def _affinities(points: jax.Array, perplexity: jax.Array) -> jax.Array:
    """Symmetric ``p_ij`` (eq. 1 and the symmetrisation below eq. 3): ``(N, N)``."""
    squared = _squared(points)
    itself = jnp.eye(points.shape[0], dtype=bool)
    # Shifted so that the nearest neighbour has weight 1, whatever the scale.
    squared = squared - jnp.min(jnp.where(itself, jnp.inf, squared), axis=1, keepdims=True)
    target = jnp.log(perplexity)

    def conditional(precision: jax.Array) -> jax.Array:
        weight = jnp.where(itself, 0.0, jnp.exp(-squared * precision[:, None]))
        return weight / jnp.sum(weight, axis=1, keepdims=True)

    def halve(_: int, ends: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        low, high = ends  # of the logarithm of the precision
        middle = (low + high) / 2
        p = conditional(jnp.exp(middle))
        entropy = -jnp.sum(p * jnp.log(jnp.maximum(p, 1e-30)), axis=1)
        return jnp.where(entropy > target, middle, low), jnp.where(entropy > target, high, middle)

    ends = jnp.full(points.shape[0], -60.0), jnp.full(points.shape[0], 60.0)
    low, high = jax.lax.fori_loop(0, 40, halve, ends)
    p = conditional(jnp.exp((low + high) / 2))
    return (p + p.T) / (2 * points.shape[0])


@partial(jax.jit, donate_argnums=1)
def _descend(affinities: jax.Array, start: jax.Array, rate: jax.Array) -> jax.Array:
    def step(i: jax.Array, state: tuple[jax.Array, jax.Array, jax.Array]) -> tuple:
        place, speed, gain = state
        early = i < _EARLY
        p = affinities * jnp.where(early, _EXAGGERATION, 1.0)
        kernel = 1 / (1 + _squared(place))
        kernel = jnp.where(jnp.eye(place.shape[0], dtype=bool), 0.0, kernel)
        pull = (p - kernel / jnp.sum(kernel)) * kernel  # eq. 5
        gradient = 4 * (jnp.sum(pull, axis=1, keepdims=True) * place - pull @ place)
        gain = jnp.where(gradient * speed < 0, gain + 0.2, gain * 0.8)
        gain = jnp.maximum(gain, 0.01)
        speed = jnp.where(early, 0.5, 0.8) * speed - rate * gain * gradient
        place = place + speed
        return place - jnp.mean(place, axis=0, keepdims=True), speed, gain

    state = start, jnp.zeros_like(start), jnp.ones_like(start)
    return jax.lax.fori_loop(0, _STEPS, step, state)[0]


def _squared(points: jax.Array) -> jax.Array:
    products = jnp.matmul(points, points.T, precision=jax.lax.Precision.HIGHEST)
    lengths = jnp.sum(points**2, axis=1)
    return jnp.maximum(lengths[:, None] + lengths[None, :] - 2 * products, 0)
