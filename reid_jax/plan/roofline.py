"""The time that a device's arithmetic and memory allow (Williams, Waterman & Patterson 2009).

"Roofline: an insightful visual performance model for multicore architectures", CACM 52(4).
"""

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

Precision = Literal["float32", "bfloat16"]
# Large enough that starting the work costs nothing beside it, small enough for a second.
_SIZES = {"cpu": (2048, 2**26), "accelerator": (8192, 2**28)}
_CALLS = 7


@dataclass(frozen=True)
class Work:
    """Floating-point operations, and bytes that are read and written."""

    operations: float
    bytes: float

    def __add__(self, other: "Work") -> "Work":
        return Work(self.operations + other.operations, self.bytes + other.bytes)


@dataclass(frozen=True)
class Ceilings:
    """What the device reached: operations a second in a matrix product, bytes a second in a copy.

    A byte that is copied counts twice, read and written.
    """

    operations_per_second: float
    bytes_per_second: float


@functools.cache
def ceilings(precision: Precision = "float32") -> Ceilings:
    """Of the first device, measured once in a process: the fastest of seven calls each.

    float32 is full float32, as distances and logits are computed; bfloat16 sums in float32.
    """
    kind = "cpu" if jax.default_backend() == "cpu" else "accelerator"
    size, count = _SIZES[kind]
    a = jnp.ones((size, size), precision)
    highest = jax.lax.Precision.HIGHEST if precision == "float32" else None
    product = jax.jit(lambda a, b: jnp.matmul(a, b, precision=highest))
    # Adding one reads and writes like a copy, and cannot be left out as a copy could.
    copy = jax.jit(lambda x: x + np.float32(1))
    x = jnp.ones(count, jnp.float32)
    return Ceilings(
        2.0 * size**3 / _fastest(lambda: product(a, a)), 8.0 * count / _fastest(lambda: copy(x))
    )


def _fastest(call: Callable[[], jax.Array]) -> float:
    call().block_until_ready()
    seconds = []
    for _ in range(_CALLS):
        start = time.perf_counter()
        call().block_until_ready()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def work_of(compiled: Any) -> Work:
    """What XLA counts in a compiled function (``jax.jit(f).lower(...).compile()``).

    The body of a loop counts once, however often it runs: of a function with loops, count by hand.
    """
    costs = compiled.cost_analysis()
    return Work(float(costs.get("flops", 0.0)), float(costs.get("bytes accessed", 0.0)))


def attainable_seconds(work: Work, limit: Ceilings) -> float:
    """The time below which the device cannot do the work: the longer of arithmetic and memory."""
    return max(work.operations / limit.operations_per_second, work.bytes / limit.bytes_per_second)
