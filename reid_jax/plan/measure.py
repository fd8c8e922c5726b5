"""Time, memory and compilation of a function, on fresh inputs each time."""

import os
import platform
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax
import numpy as np

from reid_jax.compilations import program_memory
from reid_jax.plan.memory import watch_peak
from reid_jax.plan.roofline import Work, work_of

_COMPILING = tuple(
    f"/jax/core/compile/{part}_duration" for part in ("jaxpr_to_mlir_module", "backend_compile")
)


@dataclass(frozen=True)
class Measurement:
    """What the calls took.

    ``seconds``: the median after the warm-up. ``spread``: slowest minus fastest, as a share of it.
    ``peak_memory_bytes``: above the inputs. Of a compiled function its results and what it needs
    meanwhile, as the compiler lays them out; otherwise the most that any call, the first one
    included, stood above the process with its inputs before the first, and None off Linux and on
    an accelerator, whose memory is another. ``compile_seconds``: lowering and compiling.
    ``results``: what was kept of each call. ``work``: of a compiled function, else None.
    """

    seconds: float
    spread: float
    peak_memory_bytes: int | None
    compile_seconds: float
    results: tuple[Any, ...]
    work: Work | None = None


def device_name() -> str:
    """The first device's kind; of a CPU, its model and number of cores."""
    if jax.default_backend() != "cpu":
        return str(jax.devices()[0].device_kind)
    info = Path("/proc/cpuinfo")
    model = re.search("model name\t: (.+)", info.read_text() if info.is_file() else "")
    return f"{model[1] if model else platform.machine()}, {os.cpu_count()} CPU cores"


def measure(
    call: Callable[[Any], Any],
    make_inputs: Callable[[int], Any],
    *,
    repeats: int = 5,
    keep: Callable[[Any], Any] = lambda result: result,
) -> Measurement:
    """Calls once to warm up, then ``repeats`` times, and waits for each result.

    Args:
      call: takes what ``make_inputs`` returns.
      make_inputs: seed -> new inputs, not timed; the seeds are 0 (warm-up), 1, ..., ``repeats``.
      keep: what of a result is remembered, not timed.
    """
    seconds: list[float] = []
    resident: list[int] = []
    peaks: list[int] = []
    compiling: list[float] = []
    results = []

    def listen(event: str, duration_secs: float, **_: str | int) -> None:
        if event in _COMPILING:
            compiling.append(duration_secs)

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        for seed in range(repeats + 1):
            inputs = jax.block_until_ready(make_inputs(seed))
            with watch_peak() as peak:
                start = time.perf_counter()
                result = jax.block_until_ready(call(inputs))
                seconds.append(time.perf_counter() - start)
            results.append(keep(result))
            del result
            if peak.resident is not None and peak.highest is not None:
                resident.append(peak.resident)
                peaks.append(peak.highest)
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)
    median = float(np.median(seconds[1:]))
    spread = (max(seconds[1:]) - min(seconds[1:])) / median
    watched = bool(peaks) and jax.default_backend() == "cpu"
    highest = max(peaks) - resident[0] if watched else None
    return Measurement(median, spread, highest, sum(compiling), tuple(results))


def measure_compiled(
    function: Callable[..., Any],
    make_inputs: Callable[[int], tuple[Any, ...]],
    *,
    repeats: int = 5,
    keep: Callable[[Any], Any] = lambda result: result,
) -> Measurement:
    """As `measure`, of ``jax.jit(function)`` compiled beforehand, with its ``work``.

    Args:
      function: of arrays, called as ``function(*inputs)``.
      make_inputs: seed -> arguments, always of the same shapes; put on the device untimed.
      keep: what of a result is remembered.
    """
    inputs = jax.device_put(make_inputs(0))
    start = time.perf_counter()
    compiled = jax.jit(function).lower(*inputs).compile()
    seconds = time.perf_counter() - start
    del inputs
    measured = measure(
        lambda inputs: compiled(*inputs),
        lambda seed: jax.device_put(make_inputs(seed)),
        repeats=repeats,
        keep=keep,
    )
    held = program_memory(compiled, inputs=False)
    return replace(
        measured, peak_memory_bytes=held, compile_seconds=seconds, work=work_of(compiled)
    )
