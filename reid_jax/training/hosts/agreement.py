"""Whether several processes are about to train the same thing."""

import functools
import hashlib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import numpy as np

from reid_jax.training.config_file import flat, to_json
from reid_jax.training.hosts.join import agree

_OWN = {"train.coordinator"}  # how a process names the first one is its own affair


def agree_on_start(config: Any) -> None:
    """Compares the program and what it was asked to do.

    Raises:
      UserError: naming what differs, and in which process; so do the others here.
    """
    agree_on_program()
    agree("The configuration", {k: v for k, v in flat(to_json(config)).items() if k not in _OWN})


def agree_on_program() -> None:
    """Compares what the processes run."""
    packages = ("jax", "jaxlib", "flax", "optax", "numpy")
    agree("The program", {name: version(name) for name in packages} | {"reid_jax": _program()})


def agree_on_state(state: Any) -> None:
    """Compares parameters, and what else a state holds before the first step."""
    leaves = jax.tree_util.tree_leaves_with_path(jax.device_get(state))
    groups: dict[str, list[Any]] = {}
    for path, leaf in leaves:
        groups.setdefault(jax.tree_util.keystr(path[:1]).strip("."), []).append(leaf)
    agree("The initial state", {name: digest(*group) for name, group in groups.items()})


def digest(*arrays: Any) -> str:
    """12 hexadecimal digits of arrays' shapes, types and values."""
    hashed = hashlib.blake2b(digest_size=6)
    for array in map(np.asarray, arrays):
        if array.dtype == object:  # paths, of any bytes
            array = np.asarray([str(each).encode("utf-8", "surrogateescape") for each in array])
        hashed.update(f"{array.shape} {array.dtype.str} ".encode())
        if array.size:
            hashed.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return hashed.hexdigest()


@functools.cache
def _program() -> str:
    """Its own sources: two machines may have two checkouts of one version."""
    folder = Path(__file__).parents[2]
    hashed = hashlib.blake2b(digest_size=6)
    for path in sorted(folder.rglob("*.py")):
        hashed.update(f"{path.relative_to(folder)}\0".encode() + path.read_bytes())
    return hashed.hexdigest()
