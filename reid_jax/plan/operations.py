"""Floating-point operations of a function, counted in what JAX traced of it."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import jax
from jax.extend import core

_PRODUCTS = ("dot_general", "conv_general_dilated", "ragged_dot_general")
Kind = str  # "bfloat16", "float32" or "highest"


@dataclass
class Operations:
    """Two a multiply-add of every product and convolution.

    Attributes:
      by_precision: keys as in `Accelerator.operations_per_second`.
      unknown: loops whose trips the trace does not say; their bodies count once.
    """

    by_precision: Counter[Kind] = field(default_factory=Counter)
    unknown: list[str] = field(default_factory=list)

    @property
    def total(self) -> float:
        """Of all precisions."""
        return float(sum(self.by_precision.values()))


def operations_of(jaxpr: Any, platform: str) -> Operations:
    """What a traced function computes, loops times their trips.

    Zeros that an input dilation puts between values are not multiplied; those of padding are, as
    the literature counts. Of a choice the branch with most counts; of one by platform, that of
    `platform`. What devices do side by side is added up.

    Args:
      jaxpr: closed, as `jax.jit(f).trace(...).jaxpr`.
      platform: "cuda", "tpu" or "cpu".
    """
    found = Operations()
    _count(jaxpr, 1, platform, found)
    return found


def _count(jaxpr: Any, times: int, platform: str, found: Operations) -> None:
    inner = jaxpr.jaxpr if isinstance(jaxpr, core.ClosedJaxpr) else jaxpr
    for each in inner.eqns:
        name = each.primitive.name
        if name in _PRODUCTS:
            found.by_precision[_precision(each)] += times * _product(each)
        elif name == "scan":
            _count(each.params["jaxpr"], times * each.params["length"], platform, found)
        elif name == "while":
            found.unknown.append(str(each.source_info.name_stack) or "while")
            _count(each.params["body_jaxpr"], times, platform, found)
        elif name == "cond":
            branches = [Operations() for _ in each.params["branches"]]
            for branch, counted in zip(each.params["branches"], branches, strict=True):
                _count(branch, times, platform, counted)
            chosen = _for_platform(each.params.get("branches_platforms"), platform)
            taken = (
                branches[chosen]
                if chosen is not None
                else max(branches, key=lambda branch: branch.total)
            )
            found.by_precision.update(taken.by_precision)
            found.unknown += taken.unknown
        elif name == "shard_map":  # what is traced is what each of the devices does
            mesh, divided = each.params["mesh"], each.params["newly_manual_axes"]
            devices = math.prod(mesh.shape[axis] for axis in divided)
            _count(each.params["jaxpr"], times * devices, platform, found)
        elif name == "pallas_call":
            found.unknown.append(str(each.params.get("name") or "pallas_call"))
        else:
            for value in each.params.values():
                for one in value if isinstance(value, tuple | list) else (value,):
                    if isinstance(one, core.ClosedJaxpr | core.Jaxpr):
                        _count(one, times, platform, found)


def _for_platform(platforms: Any, platform: str) -> int | None:
    """Which branch of `lax.platform_dependent` is lowered."""
    if platforms is None:
        return None
    for index, names in enumerate(platforms):
        if names is None or platform in names:
            return index
    return None


def _precision(each: Any) -> Kind:
    if each.invars[0].aval.dtype.itemsize < 4:
        return "bfloat16"
    asked = each.params.get("precision")
    asked = asked if isinstance(asked, tuple) else (asked,)
    return "highest" if jax.lax.Precision.HIGHEST in asked else "float32"


def _product(each: Any) -> int:
    left, right = (variable.aval.shape for variable in each.invars[:2])
    outputs = math.prod(each.outvars[0].aval.shape)
    if each.primitive.name == "conv_general_dilated":
        labels = each.params["dimension_numbers"]
        depth = math.prod(right) // right[labels.rhs_spec[0]]
        return 2 * outputs * depth // math.prod(each.params["lhs_dilation"])
    if each.primitive.name == "ragged_dot_general":
        return 2 * math.prod(left) * right[-1]
    (contracted, _), _ = each.params["dimension_numbers"]
    return 2 * outputs * math.prod(left[axis] for axis in contracted)
