"""Cosines to the centres of classes, with a margin on the own: ArcFace, CosFace, AdaFace."""

import math
from typing import Any, Literal

import chex
import jax
import jax.numpy as jnp
import numpy as np

from reid_jax.errors import UserError
from reid_jax.fields import POSITIVE, Bound
from reid_jax.ops.distances import dot_products, normalize

Kind = Literal["arcface", "cosface", "adaface"]
MARGIN = Bound(least=0, below=1.58)

# 1 - cos^2 is kept above this: the slope of the sine at angle 0 is infinite.
_SMALLEST_SQUARED_SINE = 1e-6


def arcface_cosine(cosine: jax.Array, margin: float | jax.Array = 0.5) -> jax.Array:
    """cos(theta + margin) of `cosine` = cos(theta), any shape, float32.

    Deng et al. (CVPR 2019), eq. 3, by the addition theorem, so without arccos. Beyond
    theta = pi - margin, where the angle would wrap round and the target grow again, the authors'
    code goes on with cos(theta) - margin sin(pi - margin), which is monotone.
    """
    of: Any = jnp if isinstance(margin, jax.Array | np.ndarray) else math
    shifted = cosine * of.cos(margin) - _sine(cosine) * of.sin(margin)
    beyond = cosine - margin * of.sin(math.pi - margin)
    return jnp.where(cosine > of.cos(math.pi - margin), shifted, beyond)


def _sine(cosine: jax.Array) -> jax.Array:
    return jnp.sqrt(jnp.maximum(1.0 - jnp.square(cosine), _SMALLEST_SQUARED_SINE))


def cosface_cosine(cosine: jax.Array, margin: float | jax.Array = 0.35) -> jax.Array:
    """cos(theta) - margin, any shape (Wang et al., CVPR 2018, "CosFace", eq. 4)."""
    return cosine - margin


def adaface_cosine(
    cosine: jax.Array, quality: jax.Array, margin: float | jax.Array = 0.4
) -> jax.Array:
    """cos(theta + a) - b of `cosine` = cos(theta), any shape, float32.

    Kim, Jain & Liu (CVPR 2022), "AdaFace: quality adaptive margin for face recognition", section
    3.3: a = -margin quality and b = margin quality + margin, where `quality` in [-1, 1] is that of
    the photo, see `reid_jax.ops.losses.quality`. At -1 it is ArcFace, at 0 CosFace. As in the
    authors' code, theta + a ends at 0 and at pi.
    """
    angle = -margin * quality
    turned = cosine * jnp.cos(angle) - _sine(cosine) * jnp.sin(angle)
    turned = jnp.where((angle < 0) & (cosine > jnp.cos(angle)), 1.0, turned)
    turned = jnp.where((angle > 0) & (cosine < -jnp.cos(angle)), -1.0, turned)
    return turned + angle - margin


def margin_cosine(
    cosine: jax.Array,
    kind: Kind,
    margin: float | jax.Array | None = None,
    quality: jax.Array | None = None,
) -> jax.Array:
    """The cosine to the own class with the margin, any shape.

    `margin`: None means 0.5 for ArcFace (radians), 0.35 for CosFace and 0.4 for AdaFace, which
    alone looks at `quality`.

    Raises UserError on an unknown kind, a margin out of range, or AdaFace without quality.
    """
    MARGIN.check("margin", margin)
    if kind == "arcface":
        return arcface_cosine(cosine, 0.5 if margin is None else margin)
    if kind == "cosface":
        return cosface_cosine(cosine, 0.35 if margin is None else margin)
    if kind != "adaface":
        raise UserError(f"margin softmax {kind!r} is unknown: use arcface, cosface or adaface.")
    if quality is None:
        raise UserError("adaface needs the quality of each photo: see rj.losses.feature_quality.")
    return adaface_cosine(cosine, quality, 0.4 if margin is None else margin)


def center_cosines(embeddings: jax.Array, centers: jax.Array) -> jax.Array:
    """`embeddings` (B, D) and `centers` (C, D) or (C, K, D) -> cosines (B, C), float32.

    With K sub-centres per class, the largest of the K cosines (Deng et al., ECCV 2020, "Sub-center
    ArcFace", section 3.2).

    Raises AssertionError on wrong ranks or widths that differ.
    """
    chex.assert_rank([embeddings, centers], [2, {2, 3}])
    chex.assert_equal_shape_suffix([embeddings, centers], 1)
    cosines = dot_products(normalize(embeddings), normalize(centers.reshape(-1, centers.shape[-1])))
    if centers.ndim == 2:
        return cosines
    return jnp.max(cosines.reshape(embeddings.shape[0], *centers.shape[:2]), axis=2)


def new_centers(key: jax.Array, num_classes: int, dimension: int, subs: int = 1) -> jax.Array:
    """Centres of classes before the first step, (C, D), or (C, K, D) with K > 1 sub-centres."""
    # One centre a class has no axis of its own: a TPU would lay such arrays out anew each step.
    shape = (num_classes, *(() if subs == 1 else (subs,)), dimension)
    return jax.random.normal(key, shape, jnp.float32) * dimension**-0.5


def margin_logits(
    cosines: jax.Array,
    labels: jax.Array,
    *,
    kind: Kind = "arcface",
    scale: float = 64.0,
    margin: float | jax.Array | None = None,
    quality: jax.Array | None = None,
) -> jax.Array:
    """`cosines` (B, C) and `labels` (B,) in [0, C) -> logits (B, C) with the margin at the label.

    Args:
      cosines: to each class.
      labels: integer.
      kind: "arcface", "cosface" or "adaface".
      scale: what the cosines are multiplied by (s of the papers).
      margin: None means 0.5 for ArcFace (radians), 0.35 for CosFace and 0.4 for AdaFace; or (B,),
        one for each row. Drawn anew in each step, `0.5 + 0.05 * jax.random.normal(key, (B,))`, it
        is ElasticFace (Boutros et al., CVPRW 2022, section 3: Arc with 0.5, Cos with 0.35).
      quality: (B,) in [-1, 1], for AdaFace.

    Raises:
      AssertionError: on wrong ranks or lengths that differ.
      UserError: on an unknown kind, a scale or a margin out of range, AdaFace without quality.

    Example:
      >>> cosines, labels = jnp.array([[0.9, 0.1]]), jnp.array([0])
      >>> rj.losses.margin_logits(cosines, labels, kind="cosface", scale=10.0, margin=0.35).round(2)
      Array([[5.5, 1. ]], dtype=float32)
    """
    POSITIVE.check("scale", scale)
    chex.assert_rank([cosines, labels], [2, 1])
    chex.assert_type(labels, int)
    chex.assert_equal_shape_prefix([cosines, labels], 1)
    own = own_entries(cosines, labels)
    target = margin_cosine(own, kind, _column(margin, labels), _column(quality, labels))
    return scale * jnp.where(_is_own(cosines, labels), target, cosines)


def own_entries(x: jax.Array, labels: jax.Array) -> jax.Array:
    """`x` (B, C) and `labels` (B,) -> (B, 1), each row's entry at its label.

    As a masked sum: where classes are divided over devices, each looks among its own, and the
    gradient scatters nothing.
    """
    return jnp.sum(jnp.where(_is_own(x, labels), x, 0.0), axis=1, keepdims=True)


def _column(each: Any, labels: jax.Array) -> Any:
    """(B, 1) of what is given for each row; a number, or None, as it is."""
    if not isinstance(each, jax.Array | np.ndarray):
        return each
    chex.assert_equal_shape([each, labels])
    return each[:, None]


def _is_own(x: jax.Array, labels: jax.Array) -> jax.Array:
    return labels[:, None] == jnp.arange(x.shape[1], dtype=labels.dtype)[None, :]
