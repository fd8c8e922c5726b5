"""The most memory that this process held while something ran."""

import functools
import mmap
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_STATUS = Path("/proc/self/status")
_MACHINE = Path("/proc/meminfo")
_CLEAR = Path("/proc/self/clear_refs")
_PROBE = 32 * 2**20
_SAMPLING_SECONDS = 0.002


class Peak:
    """`resident` bytes before, and at most `highest` meanwhile; None where /proc has no memory."""

    def __init__(self) -> None:
        self.resident: int | None = None
        self.highest: int | None = None


@contextmanager
def watch_peak() -> Iterator[Peak]:
    """What the process held during the block, which is known when it is left.

    Linux keeps the peak and can start it anew. Sandboxes often leave that out: the memory held is
    then read every two milliseconds, by a thread, which sees what lasts that long.
    """
    peak = Peak()
    peak.resident = read_memory("VmRSS")
    if peak.resident is None:
        yield peak
        return
    if kernel_keeps_peaks():
        _CLEAR.write_text("5")
        yield peak
        peak.highest = read_memory("VmHWM")
        return
    seen = [peak.resident]
    done = threading.Event()

    def sample() -> None:
        while not done.wait(_SAMPLING_SECONDS):
            seen.append(max(seen.pop(), read_memory("VmRSS") or 0))

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        done.set()
        thread.join()
    peak.highest = max(seen.pop(), read_memory("VmRSS") or 0)


@functools.cache
def kernel_keeps_peaks() -> bool:
    """Tries it: the peak must forget memory that was given back, and see memory that is taken."""
    try:
        _touch()
        _CLEAR.write_text("5")
        before = read_memory("VmHWM")
        _touch()
        after = read_memory("VmHWM")
        _CLEAR.write_text("5")
        forgotten = read_memory("VmHWM")
    except OSError:
        return False
    if before is None or after is None or forgotten is None:
        return False
    return min(after - before, after - forgotten) > _PROBE // 2


def _touch() -> None:
    with mmap.mmap(-1, _PROBE) as pages:  # no allocator between: taken here, given back here
        pages.write(b"\1" * _PROBE)


def read_memory(field: str) -> int | None:
    """Bytes in a field of /proc/self/status, as VmRSS; None where there is no such thing."""
    return _field(_STATUS, field)


def available_memory() -> int | None:
    """Bytes that this machine could still give to programs; None off Linux."""
    return _field(_MACHINE, "MemAvailable")


def _field(file: Path, field: str) -> int | None:
    try:
        lines = file.read_text().splitlines()
    except OSError:
        return None
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith(field)), None)
