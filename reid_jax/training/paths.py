"""Paths of a configuration, made independent of the folder that a command was given in."""

from pathlib import Path

from reid_jax.weights import is_published
from reid_jax.weights.inputs import TIMM


def absolute(path: str) -> str:
    """The path from the root; what is empty stays so, to be refused by whoever reads it."""
    path = path.strip()
    return str(Path(path).expanduser().absolute()) if path else ""


def absolute_weights(source: str) -> str:
    """A source of weights, from the root where it is a file."""
    if is_published(source):
        return source
    if source.startswith(TIMM):
        return TIMM + absolute(source.removeprefix(TIMM))
    return absolute(source)


def absolute_photos(source: str) -> str:
    """A source of photos, from the root where it is one of files; only Omniglot's are several."""
    kind, _, where = source.partition(":")
    if kind in ("folder", "csv"):
        return f"{kind}:{absolute(where)}"
    if kind == "omniglot":
        return f"{kind}:" + ",".join(absolute(path) for path in where.split(","))
    return source
