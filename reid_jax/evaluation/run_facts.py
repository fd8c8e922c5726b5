"""What is true of any run folder: its name among others, and its size."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from reid_jax.errors import UserError


def run_names(workdirs: Sequence[Path]) -> list[str]:
    """The shortest ends of the paths that tell them apart.

    Raises:
      UserError: there are fewer than two, or one twice.
    """
    if len(workdirs) < 2:
        raise UserError("A comparison needs two runs or more: name their folders.")
    parts = [path.resolve().parts for path in workdirs]
    if len(set(parts)) < len(parts):
        raise UserError("The same run is named twice.")
    for depth in range(1, max(map(len, parts)) + 1):
        names = ["/".join(part[-depth:]) for part in parts]
        if len(set(names)) == len(names):
            break
    return names


def number_of_parameters(params: Any) -> int:
    """Of the network, without what only the loss needs."""
    return sum(int(np.size(leaf)) for leaf in jax.tree.leaves(params["net"]))


def bytes_on_disk(workdir: Path) -> int:
    """Of the best checkpoint."""
    checkpoint = workdir / "checkpoints" / "best"
    return sum(path.stat().st_size for path in checkpoint.rglob("*") if path.is_file())
