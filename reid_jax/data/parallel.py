"""One thread pool for decoding, and a progress bar for what takes longer than two seconds."""

import functools
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from rich.progress import Progress

Item = TypeVar("Item")
Result = TypeVar("Result")

_CHUNK = 32
_PATIENCE = 2.0


def num_cores() -> int:
    """Cores this process may use (containers often allow fewer than the machine has)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@functools.cache
def decoding_pool() -> ThreadPoolExecutor:
    """Decoding releases the GIL, and reading waits for the disk: two threads a core."""
    return ThreadPoolExecutor(2 * num_cores(), thread_name_prefix="decode")


def parallel_map(
    function: Callable[[Item], Result], items: Sequence[Item], description: str | None = None
) -> list[Result]:
    """`[function(item) for item in items]` in threads; the first exception is raised.

    With a `description`, a progress bar appears on a terminal once two seconds have passed.
    """
    if len(items) <= 1:
        return [function(item) for item in items]

    def run(start: int) -> list[Result]:
        return [function(item) for item in items[start : start + chunk]]

    # Small batches are spread over all threads, long lists go in chunks that cost little to queue.
    chunk = max(1, min(_CHUNK, len(items) // (4 * num_cores())))
    futures = [decoding_pool().submit(run, start) for start in range(0, len(items), chunk)]
    results: list[Result] = []
    bar = LateBar(description, len(items))
    try:
        for future in futures:
            results.extend(future.result())
            bar.update(len(results))
    finally:
        for future in futures:
            future.cancel()
        bar.close()
    return results


class LateBar:
    """A progress bar on a terminal, once two seconds have passed; none without a description.

    Without a total it says how far it is.
    """

    def __init__(self, description: str | None, total: int | None):
        self._description, self._total = description, total
        self._start = time.monotonic()
        self._progress: Progress | None = None

    def update(self, completed: int) -> None:
        if self._description is None:
            return
        if self._progress is None and time.monotonic() - self._start > _PATIENCE:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

            console = Console(stderr=True)
            self._progress = Progress(
                "{task.description}",
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
                console=console,
                transient=True,
                disable=not console.is_terminal,
            )
            self._progress.start()
            self._progress.add_task(self._description, total=self._total)
        if self._progress is not None:
            self._progress.update(self._progress.task_ids[0], completed=completed)

    def close(self) -> None:
        if self._progress is not None:
            self._progress.stop()
