"""Which matches between two photos fit together: one turn, one scale, one shift."""

import chex
import jax
import jax.numpy as jnp

TOLERANCE = 0.1
"""How far from where it should be a point may lie, in units of the photo's longer side."""

SCALE = 2.0
TURN = jnp.pi / 4
"""How much a feature's own size and direction may differ from those of the whole."""


def consistent(
    query: jax.Array, gallery: jax.Array, strength: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """The matches that one similarity transform explains, the best of those that there are.

    Each match is a hypothesis of its own, as its two features have a place, a size and a direction:
    that gives shift, scale and turn, as in HotSpotter (Crall et al., WACV 2013). So all of them are
    tried, and nothing is drawn at random. A match fits where its point comes to lie within
    :data:`TOLERANCE`, and its size and direction change as those of the hypothesis do, within
    :data:`SCALE` and :data:`TURN`. Of the hypotheses the one with the largest sum of strengths is
    taken, the first of equals.

    Args:
      query, gallery: ``(T, 4)`` float32, places of the features that match, see
        :class:`reid_jax.ops.local.matching.Features`.
      strength: ``(T,)`` float32; 0 where there is no match.

    Returns:
      ``(T,)`` bool, and the sum of their strengths; none and 0 without matches.
    """
    chex.assert_rank([query, gallery, strength], [2, 2, 1])
    there = strength > 0
    log_scale = jnp.log(gallery[:, 2]) - jnp.log(query[:, 2])
    turn = gallery[:, 3] - query[:, 3]
    along, across = (jnp.exp(log_scale) * part(turn) for part in (jnp.cos, jnp.sin))
    x, y = (query[None, :, axis] - query[:, None, axis] for axis in (0, 1))
    away_x = along[:, None] * x - across[:, None] * y + gallery[:, None, 0] - gallery[None, :, 0]
    away_y = across[:, None] * x + along[:, None] * y + gallery[:, None, 1] - gallery[None, :, 1]
    turned = jnp.mod(turn[None, :] - turn[:, None] + jnp.pi, 2 * jnp.pi) - jnp.pi
    fits = (
        (away_x**2 + away_y**2 < TOLERANCE**2)
        & (jnp.abs(log_scale[None, :] - log_scale[:, None]) < jnp.log(SCALE))
        & (jnp.abs(turned) < TURN)
        & there[None, :]
        & there[:, None]
    )
    explained = jnp.sum(jnp.where(fits, strength[None, :], 0.0), axis=1)
    best = jnp.argmax(explained)
    return fits[best], explained[best]
