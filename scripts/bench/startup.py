"""Suite ``startup``: from the start of Python to the end of the first training step.

Cold, with an empty compilation cache, and again with what the first left there.
"""

import tempfile
import time
from typing import Any

import jax
import numpy as np

from reid_jax.plan.case import Case, make_batch, make_step, make_task
from reid_jax.plan.measure import Measurement
from reid_jax.plan.process import in_process
from scripts.bench.report import make_row

_CPU = (Case("small_cnn", 28, 1, "triplet", 128), Case("resnet18", 96, 3, "arcface", 32))
_ELSEWHERE = (
    Case("small_cnn", 28, 1, "triplet", 1024),
    Case("resnet50", 224, 3, "arcface", 256),
)


def first_step(**case: Any) -> dict[str, float]:
    """In a fresh process: makes one step, says what compiling took."""
    from reid_jax.compilations import keep_compilations
    from reid_jax.training.observe import Compilations
    from reid_jax.training.parallel import make_layout

    keep_compilations()
    what = Case(**case)
    dtype = jax.numpy.float32 if jax.default_backend() == "cpu" else jax.numpy.bfloat16
    with Compilations() as compilations:
        task = make_task(what, dtype=dtype, augmented=True)
        batch = make_batch(what, 0)
        params, model_state = task.init(jax.random.key(0), batch)
        layout = make_layout("single")
        state, compiled = make_step(what, task, params, model_state, layout)
        jax.block_until_ready(compiled(state, {}, layout.divide(batch, 0)))
        return compilations.take()


def run(
    cases: tuple[Case, ...] | None = None, *, peer: bool = False, repeats: int = 5
) -> list[dict[str, Any]]:
    """Two rows a case; there is no peer."""
    del peer
    if cases is None:
        cases = _CPU if jax.default_backend() == "cpu" else _ELSEWHERE
    return [row for case in cases for row in _rows(case, repeats)]


def _rows(case: Case, repeats: int) -> list[dict[str, Any]]:
    times: dict[str, list[float]] = {"cold": [], "cached": []}
    compiling: dict[str, list[float]] = {"cold": [], "cached": []}
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as cache:
            for name in times:
                seconds, said = _start(case, cache)
                times[name].append(seconds)
                compiling[name].append(said["compile_seconds"])
    rows = []
    for name, each in times.items():
        median = float(np.median(each))
        spread = (max(each) - min(each)) / median
        spent = float(np.median(compiling[name]))
        measured = Measurement(median, spread, None, spent, ())
        rows.append(make_row("startup", f"{case}, {name}", measured))
    return rows


def _start(case: Case, cache: str) -> tuple[float, dict[str, float]]:
    start = time.perf_counter()
    environment = {"JAX_COMPILATION_CACHE_DIR": cache}
    said = in_process(
        __name__, first_step.__name__, case.__dict__, environment, "The first step failed"
    )
    return time.perf_counter() - start, said
