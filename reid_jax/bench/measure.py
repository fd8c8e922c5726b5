"""Time, memory and compilation of a function, on fresh inputs each time."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

_COMPILING = tuple(
    f"/jax/core/compile/{part}_duration" for part in ("jaxpr_to_mlir_module", "backend_compile")
)


@dataclass(frozen=True)
class Measurement:
    """What the calls took.

    ``seconds``: the median after the warm-up. ``spread``: slowest minus fastest, as a share of it.
    ``peak_memory_bytes``: the most that any call, the first one included, stood above the process
    with its inputs before the first; None off Linux, and on an accelerator, whose memory is
    another. ``compile_seconds``: lowering and compiling in all calls. ``results``: of all calls.
    """

    seconds: float
    spread: float
    peak_memory_bytes: int | None
    compile_seconds: float
    results: tuple[Any, ...]


def measure(
    call: Callable[[Any], Any], make_inputs: Callable[[int], Any], *, repeats: int = 5
) -> Measurement:
    """Calls once to warm up, then ``repeats`` times, and waits for each result.

    ``make_inputs``: seed -> new inputs, not timed; the seeds are 0 (warm-up), 1, ..., ``repeats``.
    """
    seconds, resident, peaks, compiling, results = [], [], [], [], []
    watched = jax.default_backend() == "cpu" and os.access("/proc/self/clear_refs", os.W_OK)

    def listen(event: str, duration_secs: float, **_: str | int) -> None:
        if event in _COMPILING:
            compiling.append(duration_secs)

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        for seed in range(repeats + 1):
            inputs = jax.block_until_ready(make_inputs(seed))
            if watched:
                resident.append(_memory("VmRSS"))
                Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
            start = time.perf_counter()
            results.append(jax.block_until_ready(call(inputs)))
            seconds.append(time.perf_counter() - start)
            if watched:
                peaks.append(_memory("VmHWM"))
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)
    median = float(np.median(seconds[1:]))
    spread = (max(seconds[1:]) - min(seconds[1:])) / median
    peak = max(peaks) - resident[0] if watched else None
    return Measurement(median, spread, peak, sum(compiling), tuple(results))


def _memory(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(field))
