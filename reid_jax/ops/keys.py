"""Where random keys come from: the one rule, and the streams of a run.

The rule: a key is either drawn from or divided, never both, and it is divided in one place, by
`jax.random.split` or by `jax.random.fold_in`, never by both. JAX's keys are counters: child `i` of
a split is the same key as `fold_in(key, i)`, so that two ways to divide one key give keys twice.

What a run draws hangs from its seed by three branches, one for each place that draws: the
variables before the first step, the steps, and the clips of videos. Runs that began before this
was so took all three from the seed itself, where some of their keys meet; they go on with those
(`streams` 1).
"""

import jax

STREAMS = 2  # of runs that begin now
# Far from what else divides a seed's key: views, by their number, and samples of classes.
_LOTS, _INITIAL, _STEPS, _CLIPS = range(2**31 - 4, 2**31)


def initial_key(seed: int, streams: int = STREAMS) -> jax.Array:
    """The key of the variables before the first step."""
    return jax.random.key(seed) if streams == 1 else _branch(seed, _INITIAL)


def step_key(seed: int, step: jax.Array, streams: int = STREAMS) -> jax.Array:
    """The key of a step, int32 ()."""
    above = jax.random.key(seed) if streams == 1 else _branch(seed, _STEPS)
    return jax.random.fold_in(above, step)


def normal_lots(key: jax.Array, positions: jax.Array) -> jax.Array:
    """Standard normal numbers, float32 (B,), by a key and positions (B,) in the global batch.

    The key is that which the examples at these positions divide for their own changes.
    """
    above = jax.random.fold_in(key, _LOTS)
    keys = jax.vmap(lambda position: jax.random.fold_in(above, position))(positions)
    return jax.vmap(jax.random.normal)(keys)


def clip_keys(
    seed: int, numbers: jax.Array, streams: int = STREAMS
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Keys of clips, int32 (B,) counted from a run's first: typed, three of (B,).

    For the clip, for the one that it may be mixed with, and for whether it is.
    """
    above = jax.random.fold_in(jax.random.key(seed), 1) if streams == 1 else _branch(seed, _CLIPS)
    keys = jax.vmap(lambda number: jax.random.fold_in(above, number))(numbers)
    if streams == 1:
        other = jax.vmap(lambda key: jax.random.fold_in(key, 1))(keys)
        return keys, other, jax.vmap(lambda key: jax.random.fold_in(key, 2))(keys)
    clip, other, mixing = jax.vmap(lambda key: jax.random.split(key, 3))(keys).T
    return clip, other, mixing


def _branch(seed: int, number: int) -> jax.Array:
    return jax.random.fold_in(jax.random.key(seed), number)
