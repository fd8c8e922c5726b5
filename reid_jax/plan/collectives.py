"""What a compiled program sends between devices, read from its text."""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

KINDS = ("all-reduce", "all-gather", "reduce-scatter", "all-to-all", "collective-permute")
_BITS = {"pred": 8, "bf16": 16, "f16": 16, "f32": 32, "f64": 64}
_OPERATION = re.compile(rf"= (\(?.*?\)?) ({'|'.join(KINDS)})(-start)?\(")
_ARRAY = re.compile(r"([a-z]+\d*)\[([\d,]*)\]")
_LISTED = re.compile(r"replica_groups=\{\{([\d,]+)\}")
_COUNTED = re.compile(r"replica_groups=\[(\d+),(\d+)\]")


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


def collectives(program: str, devices: int) -> list[Collective]:
    """The exchanges in the text of a compiled program (`compiled.as_text()`).

    Those inside the body of a loop count once.

    Args:
      program: HLO.
      devices: how many the program runs on, for groups that are not spelled out.
    """
    found = []
    for line in program.splitlines():
        if match := _OPERATION.search(line):
            result, kind, started = match.groups()
            group = _group_size(line) or devices
            size = sum(_bytes(*array) for array in _ARRAY.findall(result))
            if kind == "all-gather" and started:  # (operands, results) of 1 : group
                size = size * group // (group + 1)
            elif kind == "collective-permute" and started:
                size //= 2
            elif kind == "reduce-scatter":
                size = size * group // (group + 1) if started else size * group
            found.append(Collective(kind, size, group))
    return found


def bytes_by_kind(found: Iterable[Collective]) -> dict[str, float]:
    """Bytes that each device sends, by kind."""
    sent: dict[str, float] = {}
    for each in found:
        sent[each.kind] = sent.get(each.kind, 0.0) + each.sent
    return sent


def _group_size(line: str) -> int | None:
    if match := _LISTED.search(line):
        return match[1].count(",") + 1
    if match := _COUNTED.search(line):
        return int(match[2])
    return None


def _bytes(kind: str, shape: str) -> int:
    bits = _BITS.get(kind) or int(re.sub(r"\D", "", kind) or 0)
    return math.prod(int(size) for size in shape.split(",") if size) * bits // 8
