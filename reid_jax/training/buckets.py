"""Many small arrays as one: for a sum over devices, or a pass over memory, in the place of many."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

Tree = Any


def join(
    tree: Tree, leave: Callable[[tuple[Any, ...]], bool] = lambda path: False
) -> tuple[list[jax.Array], Callable[[list[jax.Array]], Tree]]:
    """The leaves as a vector for each dtype, and what makes the tree of such vectors again.

    Leaves at paths that `leave` names are not in them; the tree has them as they are.
    """
    with_paths = jax.tree_util.tree_leaves_with_path(tree)
    form: Any = jax.tree.structure(tree)
    leaves = [leaf for _, leaf in with_paths]
    by_dtype: dict[np.dtype, list[int]] = {}
    for index, (path, leaf) in enumerate(with_paths):
        if not leave(path):
            by_dtype.setdefault(leaf.dtype, []).append(index)

    def separate(vectors: list[jax.Array]) -> Tree:
        result = list(leaves)
        for vector, indices in zip(vectors, by_dtype.values(), strict=True):
            ends = np.cumsum([leaves[index].size for index in indices])[:-1]
            for index, part in zip(indices, jnp.split(vector, ends), strict=True):
                result[index] = part.reshape(leaves[index].shape)
        return form.unflatten(result)

    flat = [
        jnp.concatenate([leaves[index].reshape(-1) for index in indices])
        for indices in by_dtype.values()
    ]
    return flat, separate
