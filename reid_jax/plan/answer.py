"""In a process of its own: compiles what is asked for, and says what the program needs."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any

from reid_jax.compilations import compiling_for, program_memory
from reid_jax.errors import UserError
from reid_jax.hlo import read_hlo
from reid_jax.plan.accelerators import Accelerator, accelerator
from reid_jax.plan.bound import bound
from reid_jax.plan.compilers import compiled, devices_of
from reid_jax.plan.explain import groups
from reid_jax.plan.operations import operations_of
from reid_jax.plan.program import count
from reid_jax.plan.programs import Traced, What, check_given, traced
from reid_jax.questions import question_named
from reid_jax.training.batch_size import with_batch_size
from reid_jax.training.config_file import from_json
from reid_jax.training.norm_parts import check_norm_parts, choose_norm_parts
from reid_jax.training.parallel import Layout, make_layout

_PLATFORM = {"nvidia": "gpu", "tpu": "tpu"}  # as `jax.default_backend` calls it
_SHARE = 0.9  # of the memory; the rest is for what is not the step's


@dataclass(frozen=True)
class Request:
    """What is asked for.

    Attributes:
      config: as `config_file.to_json` writes it.
      device, devices: of which accelerator how many.
      individuals, photos: of the training set.
      gallery, queries: of an evaluation or a search.
      largest: whether the largest batch is asked for.
      explain: whether the heaviest groups of kernels are.
      input_rate: photos a second that the host makes, 0 where it does not matter.
    """

    config: Any
    device: str
    devices: int
    what: What
    individuals: int
    photos: int
    gallery: int
    queries: int
    largest: bool
    explain: bool
    input_rate: float


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """A row of the plan: what a `Request` asks for, as JSON.

    Raises:
      UserError: there is no such machine, the program does not fit, or makes no sense.
    """
    asked = Request(**request)
    chip = accelerator(asked.device)
    layout = make_layout("mesh", devices_of(chip, asked.devices))
    question = question_named(asked.config["type"])
    config = from_json(asked.config, question.config)
    if asked.what == "step":
        config = choose_norm_parts(config, layout.size)
    batch = config.data.batch_size

    def program_of(size: int) -> tuple[Traced, Any]:
        sized = with_batch_size(config, size)
        check_norm_parts(sized)
        experiment = question.imagined(sized, asked.individuals, asked.photos)
        with compiling_for(_PLATFORM[chip.kind]):
            program = traced(
                asked.what, experiment, sized, layout, size, asked.gallery, asked.queries
            )
        check_given(program.given, chip, layout.size)
        return program, compiled(program.stages.lower(), chip)

    started = time.perf_counter()
    program, executable = program_of(batch)
    seconds = time.perf_counter() - started
    row = _row(asked, chip, layout, program, executable)
    row["compile_seconds"] = seconds
    row["largest_batch"] = None
    if asked.largest:
        row["largest_batch"] = _largest(
            lambda size: program_memory(program_of(size)[1]) or 0,
            batch,
            row["memory_bytes"],
            config.train.accumulate * layout.size * 4,
            _SHARE * chip.memory_bytes,
        )
    return row


def _row(
    asked: Request, chip: Accelerator, layout: Layout, program: Traced, executable: Any
) -> dict[str, Any]:
    platform = {"nvidia": "cuda", "tpu": "tpu"}[chip.kind]  # as lowering calls it
    operations = operations_of(program.stages.jaxpr, platform)
    module = read_hlo(executable.as_text())
    counted = count(module, layout.size)
    memory, held = executable.memory_analysis(), program_memory(executable) or 0
    feeding = program.batch * program.steps / asked.input_rate if asked.input_rate else 0.0
    limit = bound(
        chip,
        layout.size,
        operations.by_precision,
        counted.hbm_bytes,
        counted.collectives,
        feeding,
    )
    by_kind: dict[str, list[int]] = {}
    for each, times in counted.collectives:
        entry = by_kind.setdefault(each.kind, [0, 0])
        entry[0] += times
        entry[1] += times * each.payload
    steps = program.steps
    seconds = limit.seconds * program.calls / steps
    whole = asked.queries if asked.what in ("evaluate", "search") else program.batch
    row = {
        "what": asked.what,
        "device": asked.device,
        "devices": asked.devices,
        "batch": program.batch,
        "individuals": asked.individuals,
        "argument_bytes": memory.argument_size_in_bytes,
        "temporary_bytes": memory.temp_size_in_bytes,
        "memory_bytes": held,
        "flops": operations.total * program.calls / steps,
        "flops_by_precision": {
            kind: number * program.calls / steps for kind, number in operations.by_precision.items()
        },
        "hbm_bytes": counted.hbm_bytes * program.calls / steps,
        "kernels": counted.number_of_kernels * program.calls / steps,
        "collectives": [
            {
                "kind": kind,
                "number": number * program.calls / steps,
                "bytes": size * program.calls / steps,
            }
            for kind, (number, size) in by_kind.items()
        ],
        "step_seconds": seconds,
        "photos_per_second": whole / seconds,
        "bound": limit.name,
        "bounds": {name: value * program.calls / steps for name, value in asdict(limit).items()},
        "unknown_loops": sorted({*counted.unknown, *operations.unknown}),
        "note": program.note,
        "memory_of_device": chip.memory_bytes,
        "fits": held <= chip.memory_bytes,
        "source": chip.source,
    }
    if asked.explain:
        row["groups"] = groups(counted, steps)
    return row


def _largest(needed: Any, batch: int, held: int, unit: int, limit: float) -> int | None:
    """A batch by the line through two, seen to fit by a third compilation; None where none does."""
    other = max(batch // 2 // unit, 1) * unit
    other = other if other != batch else 2 * batch
    each = (needed(other) - held) / (other - batch)
    if each <= 0:
        return None
    size = int((limit - held) / each + batch) // unit * unit
    while size >= unit:
        try:
            if needed(size) <= limit:
                return size
        except UserError:
            pass
        size = min(int(size * 0.95) // unit * unit, size - unit)
    return None
