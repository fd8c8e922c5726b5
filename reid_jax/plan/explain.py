"""Where a program's traffic goes: its kernels by the layer that they come from and by kind."""

import re
from collections import defaultdict
from typing import Any

from reid_jax.plan.program import Kernel, Program

_DEPTH = 2  # of a module's path, from the backbone on
# The first that a kernel's path names says what it belongs to.
_PARTS = (
    ("optimizer", ("optimizer",)),
    ("augmentation", ("augment",)),
    ("loss", ("loss_terms",)),
)


def groups(program: Program, steps: int, number: int = 10) -> list[dict[str, Any]]:
    """The heaviest groups: layer, kind, kernels and bytes a step, share of all bytes."""
    found: dict[tuple[str, str], list[float]] = defaultdict(lambda: [0.0, 0.0])
    for each in program.kernels:
        entry = found[layer_of(each), kind_of(each)]
        entry[0] += each.times / steps
        entry[1] += each.times * each.bytes / steps
    whole = max(program.hbm_bytes / steps, 1.0)
    heaviest = sorted(found.items(), key=lambda item: -item[1][1])[:number]
    return [
        {
            "layer": layer,
            "kind": kind,
            "kernels": kernels,
            "bytes": moved,
            "share": moved / whole,
        }
        for (layer, kind), (kernels, moved) in heaviest
    ]


def kind_of(each: Kernel) -> str:
    """What a kernel does: a convolution, BatchNorm, augmentation, the loss, the optimiser."""
    for kind, words in _PARTS:
        if any(word in each.op_name for word in words):
            return kind
    if each.kind in ("convolution", "dot", "copy") or each.kind.startswith("all-"):
        return each.kind
    if re.search(r"/(bn|norm|BatchNorm)[^/]*/", each.op_name) or "batch_norm" in each.op_name:
        return "BatchNorm"
    return "elementwise" if each.kind == "fusion" else each.kind


def layer_of(each: Kernel) -> str:
    """The module that a kernel comes from, `backbone/layer1_0`; "" outside of the network."""
    path = each.op_name.split("/")[:-1]
    if "backbone" in path:
        inside = path[path.index("backbone") :][:_DEPTH]
    else:
        inside = [part for part in path if "(" not in part][:1]
    backward = " (gradient)" if inside and "transpose(" in each.op_name else ""
    return "/".join(inside) + backward
