"""Does an engine say what the run says? On one row, on three, on eight; and how long it takes."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from reid_jax.errors import UserError
from reid_jax.export.engines.engine import Asked
from reid_jax.export.program import Answers, Program
from reid_jax.ops.batching import blocks, filled
from reid_jax.ops.convolution.compilation import compiler_options

BATCHES = (1, 3, 8)
MOST = 1e-4
"""Of the largest output, the largest difference."""
_TURNS, _SECONDS = 5, 1.0


@dataclass(frozen=True)
class Found:
    """What a check has found.

    Attributes:
      differences: by the number of rows, of the largest output.
      milliseconds: by the number of rows, the engine's and JAX's.
    """

    differences: dict[int, float]
    milliseconds: dict[int, tuple[float, float]]


def padded(ask: Asked, batch: int, apart: bool) -> Asked:
    """The same for any number of rows, of an engine that takes one number of them.

    Raises:
      UserError: (when asked) the rows are frames of a film, of which there is another number.
    """
    if not batch:
        return ask

    def asked(rows: np.ndarray) -> Answers:
        if not apart:
            if len(rows) != batch:
                raise UserError(f"The program takes {batch} frames, not {len(rows)}.")
            return ask(rows)
        cut = blocks(len(rows), batch)
        found = [(ask(filled(rows[part], batch)), part.stop - part.start) for part in cut]
        return {
            name: np.concatenate([each[name][:count] for each, count in found])
            for name in found[0][0]
        }

    return asked


def compared(program: Program, ask: Asked, batch: int) -> Found:
    """The differences on the program's own rows.

    Raises:
      UserError: one is above `MOST`, or something is no number.
    """
    counts = [*BATCHES, len(program.rows)]
    if batch and not program.apart:
        counts = [batch]
    counts = sorted({count for count in counts if count >= program.least})
    asked = padded(ask, batch, program.apart)
    differences = {}
    for count in counts:
        rows = program.rows[:count]
        differences[count] = difference(asked(rows), program.answers(rows))
        if not differences[count] <= MOST:
            raise UserError(
                f"On {count} rows the engine differs from JAX by {differences[count]:.1e} of the "
                f"largest output, more than {MOST:.0e}; nothing was written."
            )
    compiled = jax.jit(program.function, compiler_options=compiler_options())
    times = {}
    for count in sorted({counts[0], counts[-1]}):
        rows = program.rows[:count]
        own = functools.partial(_on_host, compiled, rows)
        times[count] = in_turns(functools.partial(asked, rows), own)
    return Found(differences, times)


def _on_host(function: Any, rows: np.ndarray) -> Any:
    return jax.device_get(function(rows))


def difference(found: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray]) -> float:
    """The largest one over all outputs, each by its largest value; infinite where shapes differ."""
    worst = 0.0
    for name, right in expected.items():
        given = np.asarray(found[name], np.float64)
        if given.shape != right.shape or not np.isfinite(given).all():
            return float("inf")
        scale = max(float(np.abs(right).max(initial=0.0)), 1e-12)
        worst = max(worst, float(np.abs(given - right).max(initial=0.0)) / scale)
    return worst


def in_turns(*functions: Callable[[], Any]) -> Any:
    """Milliseconds of each function, the best of some calls that take turns."""
    return tuple(turns(*functions).min(axis=0).tolist())


def turns(*functions: Callable[[], Any]) -> np.ndarray:
    """Milliseconds (T, F) of F functions that took T turns, after one that does not count."""
    for function in functions:
        function()
    began, found = time.perf_counter(), list[list[float]]()
    while len(found) < _TURNS or (
        time.perf_counter() - began < _SECONDS and len(found) < 10 * _TURNS
    ):
        spent = []
        for function in functions:
            start = time.perf_counter()
            function()
            spent.append(1e3 * (time.perf_counter() - start))
        found.append(spent)
    return np.array(found)
