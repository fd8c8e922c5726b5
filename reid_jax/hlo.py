"""The text of a compiled program (`compiled.as_text()`), read: computations of instructions."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

_HEAD = re.compile(r"^(ENTRY )?%?([\w.\-]+) (?:\(.*\) -> .* )?\{$")
_NAME = re.compile(r"^\s+(ROOT )?%?([\w.\-]+) = ")
_ARRAY = re.compile(r"([a-z]\w*)\[([\d,<=]*)\](\{[^}]*\})?")
_OPERAND = re.compile(r"%([\w.\-]+)")
_TRIPS = re.compile(r'"known_trip_count":\{"n":"(\d+)"\}')
_ROLES = "calls|to_apply|body|branch_computations|true_computation|false_computation"
_CALLED = re.compile(rf"(?:{_ROLES})=(%?[\w.\-]+|\{{[^}}]*\}})")
_OP_NAME = re.compile(r'op_name="([^"]*)"')


@dataclass(frozen=True)
class Array:
    """One array of an instruction's type; `on_chip`: it never is in the device's main memory."""

    kind: str
    shape: tuple[int, ...]
    on_chip: bool

    @property
    def bytes(self) -> int:
        """Without what a layout pads."""
        return math.ceil(math.prod(self.shape) * _bits(self.kind) / 8)


@dataclass(frozen=True)
class Instruction:
    """A line of a computation.

    Attributes:
      name, operation: as in `%name = type operation(operands), attributes`.
      arrays: of its result, those of a tuple in order.
      operands: names of instructions of the same computation.
      attributes: what stands behind the operands.
      is_root: it is what the computation returns.
    """

    name: str
    operation: str
    arrays: tuple[Array, ...]
    operands: tuple[str, ...]
    attributes: str
    is_root: bool

    @property
    def called(self) -> tuple[str, ...]:
        """Names of the computations that it runs."""
        return tuple(
            name.strip().removeprefix("%")
            for match in _CALLED.finditer(self.attributes)
            for name in match[1].strip("{}").split(",")
        )

    @property
    def trips(self) -> int | None:
        """How often a loop runs, where the program says so."""
        match = _TRIPS.search(self.attributes)
        return int(match[1]) if match else None

    @property
    def op_name(self) -> str:
        """Where it comes from: `jit(step)/.../layer1_0/conv1/conv_general_dilated`."""
        match = _OP_NAME.search(self.attributes)
        return match[1] if match else ""


class Computation(dict[str, Instruction]):
    """Instructions by name, in the program's order."""

    @cached_property
    def users(self) -> dict[str, list[Instruction]]:
        """Of each instruction those that take it."""
        found: dict[str, list[Instruction]] = {name: [] for name in self}
        for each in self.values():
            for operand in dict.fromkeys(each.operands):
                found.setdefault(operand, []).append(each)
        return found

    @property
    def root(self) -> Instruction:
        """What the computation returns."""
        return next((each for each in self.values() if each.is_root), list(self.values())[-1])

    @property
    def parameters(self) -> list[Instruction]:
        """In the order of the caller's operands."""
        found = [each for each in self.values() if each.operation == "parameter"]
        return sorted(found, key=lambda each: int(each.attributes.partition(")")[0] or 0))


@dataclass(frozen=True)
class Module:
    """A compiled program.

    Attributes:
      computations: by name.
      entry: name of the one that is started.
    """

    computations: dict[str, Computation]
    entry: str

    def instructions(self) -> Iterator[Instruction]:
        """Of all computations."""
        for each in self.computations.values():
            yield from each.values()


def read_hlo(text: str) -> Module:
    """The computations of an HLO module's text.

    Raises:
      ValueError: it has no entry computation.
    """
    computations: dict[str, Computation] = {}
    entry, current = "", Computation()
    for line in text.splitlines():
        if head := _HEAD.match(line):
            current = computations[head[2]] = Computation()
            entry = head[2] if head[1] else entry
        elif match := _NAME.match(line):
            current[match[2]] = _instruction(match[2], line[match.end() :], bool(match[1]))
    if not entry:
        raise ValueError("This is not the text of a compiled program: it has no ENTRY.")
    return Module(computations, entry)


def arrays_of(words: str) -> tuple[Array, ...]:
    """The arrays that a type names: `(bf16[8,128]{1,0:T(8,128)S(1)}, u32[])`."""
    return tuple(
        Array(kind, tuple(int(n) for n in re.findall(r"\d+", shape)), "S(1)" in (layout or ""))
        for kind, shape, layout in _ARRAY.findall(words)
    )


def _instruction(name: str, rest: str, is_root: bool) -> Instruction:
    end = _closing(rest, 0) + 1 if rest.startswith("(") else rest.index(" ")
    opening = rest.index("(", end)
    closing = _closing(rest, opening)
    operation, inside = rest[end:opening].strip(), rest[opening + 1 : closing]
    attributes = rest[closing + 1 :]
    if operation == "parameter":
        attributes = f"{inside}){attributes}"
    operands = tuple(_OPERAND.findall(inside)) if operation != "constant" else ()
    return Instruction(name, operation, arrays_of(rest[:end]), operands, attributes, is_root)


def _closing(text: str, opening: int) -> int:
    """Where the parenthesis closes that opens at a place."""
    depth = 0
    for match in re.compile(r"[()]").finditer(text, opening):
        depth += 1 if match[0] == "(" else -1
        if not depth:
            return match.start()
    raise ValueError(f"a parenthesis is not closed: {text[:100]}")


def _bits(kind: str) -> int:
    if kind in ("token", "opaque"):
        return 0
    return 8 if kind == "pred" else int(re.findall(r"\d+", kind)[0])
