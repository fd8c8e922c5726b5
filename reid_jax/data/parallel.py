"""One thread pool for decoding."""

import functools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from reid_jax.console import Bar
from reid_jax.platforms import processors

Item = TypeVar("Item")
Result = TypeVar("Result")

_CHUNK = 32


def num_cores() -> int:
    """Cores this process may use (containers often allow fewer than the machine has)."""
    return processors()


@functools.cache
def decoding_pool() -> ThreadPoolExecutor:
    """Decoding releases the GIL, and reading waits for the disk: two threads a core."""
    return ThreadPoolExecutor(2 * num_cores(), thread_name_prefix="decode")


def parallel_map(
    function: Callable[[Item], Result], items: Sequence[Item], description: str | None = None
) -> list[Result]:
    """`[function(item) for item in items]` in threads; the first exception is raised.

    With a `description`, a bar says how far it is once two seconds have passed.
    """
    if len(items) <= 1:
        return [function(item) for item in items]

    def run(start: int) -> list[Result]:
        return [function(item) for item in items[start : start + chunk]]

    # Small batches are spread over all threads, long lists go in chunks that cost little to queue.
    chunk = max(1, min(_CHUNK, len(items) // (4 * num_cores())))
    futures = [decoding_pool().submit(run, start) for start in range(0, len(items), chunk)]
    results: list[Result] = []
    bar = Bar(description, len(items))
    try:
        for future in futures:
            results.extend(future.result())
            bar.update(len(results))
    finally:
        for future in futures:
            future.cancel()
        bar.close()
    return results
