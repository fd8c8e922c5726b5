"""What a compiled program does: kernels it starts, bytes it moves, exchanges between devices.

Counted is the entry computation, with the bodies of loops times their trips and of a choice the
branch that moves most. A kernel is an instruction that starts something: no parameter, tuple,
get-tuple-element, bitcast, constant or iota; a start and its done are one. Its bytes are those of
its operands and results, each once; of what is only sliced or updated in place, the slice; on-chip
memory counts nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from reid_jax.hlo import Array, Computation, Instruction, Module
from reid_jax.plan.collectives import KINDS, Collective, collective_of

_FREE = frozenset(("parameter", "tuple", "get-tuple-element", "bitcast", "constant", "iota"))
_NOTHING = frozenset(("after-all", "partition-id", "replica-id", "opt-barrier"))
_SEES_THROUGH = frozenset(("bitcast", "reshape", "convert", "copy", "transpose"))
_IN_PLACE = frozenset(("dynamic-update-slice", "scatter"))
_SLICES = frozenset(("slice", "dynamic-slice", "gather"))
_ELEMENTWISE = frozenset(
    ("add", "subtract", "multiply", "divide", "maximum", "minimum", "negate", "bitcast")
)


@dataclass(frozen=True)
class Kernel:
    """One instruction that starts something.

    Attributes:
      times: how often a call of the program starts it.
      bytes: read and written each time.
      kind: the operation, of a fusion or a library's call what it is mainly.
      op_name: where it comes from.
    """

    name: str
    kind: str
    times: int
    bytes: int
    op_name: str


@dataclass
class Program:
    """What was counted.

    Attributes:
      kernels: in the program's order.
      collectives: each with how often it runs.
      unknown: loops whose trips the program does not say; their bodies count once.
    """

    kernels: list[Kernel] = field(default_factory=list)
    collectives: list[tuple[Collective, int]] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    @property
    def number_of_kernels(self) -> int:
        """Started in a call."""
        return sum(each.times for each in self.kernels)

    @property
    def hbm_bytes(self) -> int:
        """Read and written in a call."""
        return sum(each.times * each.bytes for each in self.kernels)


def count(module: Module, devices: int) -> Program:
    """What a call of a compiled program does on each of its `devices`."""
    program = Program()
    _count(module, module.computations[module.entry], 1, devices, program)
    return program


def _count(
    module: Module, computation: Computation, times: int, devices: int, program: Program
) -> None:
    for each in computation.values():
        operation = each.operation
        if operation in _FREE | _NOTHING or operation.endswith("-done"):
            continue
        if operation == "while":
            trips = each.trips
            if trips is None:
                program.unknown.append(each.op_name or each.name)
            body = module.computations[_named(each, "body")]
            _count(module, body, times * (trips or 1), devices, program)
        elif operation == "call":
            _count(module, module.computations[each.called[0]], times, devices, program)
        elif operation == "conditional":
            branches = []
            for name in each.called:
                branches.append(Program())
                _count(module, module.computations[name], times, devices, branches[-1])
            most = max(branches, key=lambda branch: (branch.hbm_bytes, branch.number_of_kernels))
            program.kernels += most.kernels
            program.collectives += most.collectives
            program.unknown += most.unknown
        else:
            kind = _kind(module, each)
            if kind in KINDS:
                program.collectives.append((collective_of(kind, each, computation, devices), times))
            moved = _bytes(module, computation, each)
            program.kernels.append(Kernel(each.name, kind, times, moved, _op_name(module, each)))


def _named(each: Instruction, role: str) -> str:
    return each.attributes.partition(f"{role}=")[2].partition(",")[0].strip().removeprefix("%")


def _kind(module: Module, each: Instruction) -> str:
    operation = each.operation.removesuffix("-start")
    if operation in ("fusion", "async") and each.called:
        inside = module.computations.get(each.called[0], Computation())
        names = {one.operation for one in inside.values()}
        for telling in (*KINDS, "convolution", "dot", "scatter", "sort", "custom-call", "gather"):
            if telling in names:
                return telling
        return "reduce" if names & {"reduce", "reduce-window"} else "fusion"
    if operation == "custom-call":
        target = each.attributes.partition('custom_call_target="')[2].partition('"')[0]
        if "conv" in target.lower():
            return "convolution"
        if "gemm" in target or "cublas" in target or "dot" in target:
            return "dot"
        return target or operation
    return operation


def _op_name(module: Module, each: Instruction) -> str:
    if each.op_name or not each.called:
        return each.op_name
    inside = module.computations.get(each.called[0], Computation())
    return next((one.op_name for one in reversed(inside.values()) if one.op_name), "")


def _bytes(module: Module, computation: Computation, each: Instruction) -> int:
    """Of a start, the operands, and what its done gives."""
    result = each.arrays
    if each.operation.endswith("-start"):
        done = [one for one in computation.users[each.name] if one.operation.endswith("-done")]
        result = done[0].arrays if done else each.arrays
    operands = [computation[name] for name in dict.fromkeys(each.operands) if name in computation]
    if each.operation.removesuffix("-start") in _SLICES:
        taken = sum(array.bytes for array in result) if _in_memory(operands[0].arrays) else 0
        return taken + _in_memory(result)
    if each.operation in _IN_PLACE:
        return 2 * _in_memory(computation[_update(each)].arrays)
    if "AllocateBuffer" in each.attributes:
        return 0
    fused = module.computations.get(each.called[0]) if each.operation == "fusion" else None
    if fused is None:
        return _in_memory(result) + sum(_in_memory(one.arrays) for one in operands)
    total = sum(_written(fused, root, array) for root, array in _roots(fused, result))
    places: dict[str, list[Instruction]] = {}
    for name, parameter in zip(each.operands, fused.parameters, strict=False):
        places.setdefault(name, []).append(parameter)
    for name, parameters in places.items():
        if name in computation:
            whole = _in_memory(computation[name].arrays)
            read = sum(_read(fused, parameter, whole) for parameter in parameters)
            total += min(whole, read)
    return total


def _in_memory(arrays: tuple[Array, ...]) -> int:
    return sum(each.bytes for each in arrays if not each.on_chip)


def _roots(fused: Computation, result: tuple[Array, ...]) -> Iterator[tuple[Instruction, Array]]:
    root = fused.root
    outputs = [fused[name] for name in root.operands] if root.operation == "tuple" else [root]
    arrays = iter(result)
    for output in outputs:  # one may give several, as a reduction of several arrays does
        yield from zip([output] * len(output.arrays), arrays, strict=False)


def _written(fused: Computation, root: Instruction, array: Array) -> int:
    """What a fusion writes of a result: of one that is updated in place, the update."""
    if array.on_chip:
        return 0
    while root.operation in _SEES_THROUGH and root.operands:
        root = fused[root.operands[0]]
    if root.operation in _IN_PLACE:
        return sum(each.bytes for each in fused[_update(root)].arrays)
    return array.bytes


def _update(each: Instruction) -> str:
    """Of an update in place the operand that is put there."""
    return each.operands[1 if each.operation == "dynamic-update-slice" else -1]


def _read(fused: Computation, parameter: Instruction, whole: int) -> int:
    """What a fusion reads of an operand: of one that is only sliced, the slices, each once.

    What goes element by element is computed only where its slices ask for it.
    """
    if not whole:
        return 0
    taken: dict[str, int] = {}
    seen, known = [parameter], {parameter.name}
    for one in seen:
        if one.name == fused.root.name:
            return whole
        for user in fused.users.get(one.name, []):
            if user.operation in _SLICES and user.operands[0] == one.name:
                place = _place(user)
                taken[place] = sum(each.bytes for each in user.arrays)
            elif user.operation in _IN_PLACE and user.operands[0] == one.name:
                if user.operation == "scatter":  # adds to what is there
                    update = fused[_update(user)].arrays
                    taken[user.name] = sum(each.bytes for each in update)
            elif user.operation in _ELEMENTWISE or user.operation == "reshape":
                if user.name not in known:
                    known.add(user.name)
                    seen.append(user)
            else:
                return whole
    return min(sum(taken.values()), whole)


def _place(part: Instruction) -> str:
    """What is taken, the same of two slices of one place."""
    return part.attributes.partition("metadata=")[0] if part.operation == "slice" else part.name
