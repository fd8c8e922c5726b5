"""Forms of arrays that checkpoints had before, read as those of now.

Until class centres of one a class became (C, D), they were (C, 1, D), with their moments and their
average. Values are the same.
"""

from typing import Any

import jax
import numpy as np

from reid_jax.training.parallel import is_centers

Tree = Any


def as_now(tree: Tree) -> Tree:
    """What was read from a checkpoint, or Orbax's notes of it, in the form that is used now."""

    def one(path: tuple[Any, ...], leaf: Any) -> Any:
        if not _is_before(path, leaf):
            return leaf
        if isinstance(leaf, np.ndarray):
            return leaf[:, 0]
        shape = (leaf.shape[0], leaf.shape[2])
        if not isinstance(leaf, jax.Array):
            return jax.ShapeDtypeStruct(shape, leaf.dtype)
        # Each device's part by itself: of several processes, none waits for another here.
        parts = [shard.data[:, 0] for shard in leaf.addressable_shards]
        return jax.make_array_from_single_device_arrays(shape, leaf.sharding, parts)

    return jax.tree_util.tree_map_with_path(one, tree)


def as_then(wanted: Tree, stored: Tree) -> Tree:
    """Shapes to read, where the checkpoint has another form of them that of the checkpoint.

    Args:
      wanted: shapes and places as they are now.
      stored: Orbax's notes of the checkpoint.
    """
    leaves = jax.tree_util.tree_leaves_with_path(stored)
    before = {leaf_name(path) for path, leaf in leaves if _is_before(path, leaf)}

    def one(path: tuple[Any, ...], leaf: Any) -> Any:
        if leaf_name(path) not in before:
            return leaf
        shape = (leaf.shape[0], 1, *leaf.shape[1:])
        return jax.ShapeDtypeStruct(shape, leaf.dtype, sharding=leaf.sharding)

    return jax.tree_util.tree_map_with_path(one, wanted)


def leaf_name(path: tuple[Any, ...]) -> str:
    """Dotted, the same for an array and for Orbax's note of it."""
    keys = (getattr(key, "key", getattr(key, "idx", getattr(key, "name", key))) for key in path)
    return ".".join(map(str, keys))


def _is_before(path: tuple[Any, ...], leaf: Any) -> bool:
    return is_centers(path) and len(leaf.shape) == 3 and leaf.shape[1] == 1
