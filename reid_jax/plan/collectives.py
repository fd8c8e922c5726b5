"""What a compiled program sends between devices."""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

from reid_jax.hlo import Computation, Instruction

KINDS = (
    "all-reduce",
    "all-gather",
    "reduce-scatter",
    "all-to-all",
    "ragged-all-to-all",
    "collective-permute",
)
_LISTED = re.compile(r"replica_groups=\{\{([\d,]+)\}")
_COUNTED = re.compile(r"replica_groups=\[(\d+),(\d+)\]")
_MESH = re.compile(r"replica_groups=mesh\[([^]]*)\] \{([^}]*)\}")
_AXIS = re.compile(r"('[^']+')(?:=(\d+)|:\(\d+\)(\d+))?")


@dataclass(frozen=True)
class Collective:
    """One exchange among groups of `devices`.

    `payload`: bytes of the whole that results (all-reduce, all-gather, all-to-all, permute) or is
    begun with (reduce-scatter), on each device.
    """

    kind: str
    payload: int
    devices: int

    @property
    def sent(self) -> float:
        """Bytes that each device sends in a ring (Patarasuk & Yuan 2009, "Bandwidth optimal")."""
        if self.kind == "collective-permute":
            return float(self.payload)
        rounds = 2 if self.kind == "all-reduce" else 1
        return rounds * self.payload * (self.devices - 1) / self.devices


def collective_of(
    kind: str, each: Instruction, computation: Computation, devices: int
) -> Collective:
    """An exchange of a kind from its instruction, or from the start of one.

    Args:
      computation: that it is in.
      devices: how many the program runs on, for groups that are not spelled out.
    """
    group = _group_size(each.attributes) or devices
    given = sum(
        array.bytes
        for name in dict.fromkeys(each.operands)
        if name in computation
        for array in computation[name].arrays
    )
    size = given * group if kind == "all-gather" else given
    return Collective(kind, size, group)


def bytes_by_kind(found: Iterable[Collective]) -> dict[str, float]:
    """Bytes that each device sends, by kind."""
    sent: dict[str, float] = {}
    for each in found:
        sent[each.kind] = sent.get(each.kind, 0.0) + each.sent
    return sent


def _group_size(attributes: str) -> int | None:
    if match := _LISTED.search(attributes):
        return match[1].count(",") + 1
    if match := _COUNTED.search(attributes):
        return int(match[2])
    if match := _MESH.search(attributes):
        sizes = {name: int(size) for name, size, _ in _AXIS.findall(match[1])}
        return math.prod(int(part or sizes[name]) for name, _, part in _AXIS.findall(match[2]))
    return None
