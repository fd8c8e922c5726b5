"""reid_jax: re-identification of individuals and keyframe scoring in JAX."""

from reid_jax.errors import UserError

__all__ = ["UserError"]
