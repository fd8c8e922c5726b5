"""What a person is told while work goes on: remarks, and how far it is.

Results are printed. Remarks are printed too, and how far it is goes to stderr, but not after
`be_quiet`, which is the command line's `-q`.
"""

import collections
import contextlib
import logging
import math
import sys
import time
import warnings
from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING, TypeVar

from reid_jax.meanwhile import every

if TYPE_CHECKING:
    from rich.progress import Progress

Item = TypeVar("Item")
_PATIENCE = 2.0  # seconds until a bar appears
_PERIOD = 10.0  # seconds between lines where there is no terminal
_WINDOW = 60.0  # seconds that a rate is of
_SAMPLE = 0.2  # seconds between looks
_quiet = False
_on_screen: list["Bar"] = []  # one at a time; what begins inside of it says nothing


def be_quiet(value: bool) -> None:
    """Whether remarks and bars are left out from now on."""
    global _quiet
    _quiet = value


def say(text: str, end: str = "\n") -> None:
    """Prints a remark: what is no result, and nothing that a person must know of."""
    if not _quiet:
        print(text, end=end)


@contextlib.contextmanager
def others_quiet() -> Iterator[None]:
    """Libraries that are called neither warn nor log, as what is raised says it in a sentence."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)


def counted(number: int, one: str, many: str = "") -> str:
    """``1 photo``, ``2,000 photos``; `many` where the plural is more than an s behind."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


class Rate:
    """Pieces a second over the last minute, from how many there were at which time."""

    def __init__(self) -> None:
        self._seen: collections.deque[tuple[float, float]] = collections.deque()

    def add(self, now: float, completed: float) -> None:
        """Takes note of how many are done, at a time in seconds."""
        self._seen.append((now, completed))
        while len(self._seen) > 2 and self._seen[1][0] <= now - _WINDOW:
            self._seen.popleft()

    def forget(self) -> None:
        """What comes has another pace."""
        self._seen.clear()

    def skip(self, seconds: float) -> None:
        """The last seconds were spent on something else."""
        self._seen = collections.deque((then + seconds, done) for then, done in self._seen)

    @property
    def value(self) -> float:
        """0 until two times are known."""
        if len(self._seen) < 2:
            return 0.0
        (before, first), (now, last) = self._seen[0], self._seen[-1]
        return (last - first) / (now - before) if now > before else 0.0

    def since(self, now: float) -> float:
        """Seconds since the last time that is known."""
        return now - self._seen[-1][0]


def duration(seconds: float) -> str:
    """Hours, minutes and seconds: `1:02:03`."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


def clock(seconds: float) -> str:
    """``75.04 -> 1:15.0``, and with hours ``1:00:15.0``."""
    tenths = round(seconds * 10)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    start = f"{hours}:{minutes:02d}" if hours else f"{minutes}"
    return f"{start}:{rest / 10:04.1f}"


class Bar:
    """How far work is that takes above two seconds; a context manager.

    On a terminal a bar with a rate and the time left, elsewhere a line every ten seconds.

    Args:
      description: what is done; None says nothing.
      total: how many pieces there are; None where that is not known.
      unit: what the pieces are, in the plural.
      done: how many were there before.
      left: seconds from the last piece that was measured to the end, by the pieces a second; by
        default those of the missing pieces.
      patience: seconds until it appears.
    """

    def __init__(
        self,
        description: str | None,
        total: int | None,
        unit: str = "",
        *,
        done: int = 0,
        left: Callable[[float], float] | None = None,
        patience: float = _PATIENCE,
    ):
        self.rate = Rate()
        self._description, self._total, self._unit = description, total, unit
        self._completed, self._measured, self._words = done, done, ""
        self._left, self._patience = left, patience
        self._start = self._said = time.monotonic()
        self._looked = -math.inf
        self._progress: Progress | None = None
        self._waiting: float | None = None
        if left is None:
            self.rate.add(self._start, done)

    def __enter__(self) -> "Bar":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def update(self, completed: int, words: str | None = None, *, measured: bool = True) -> None:
        """How many pieces are done now; `words` stand beside from now on.

        What was begun but may not be done yet is not `measured`: no rate follows from it.
        """
        now = time.monotonic()
        self._completed = completed
        if self._description is None or _quiet:
            return
        if words is None and now - self._looked < _SAMPLE:
            return
        self._looked, self._words = now, self._words if words is None else words
        if measured:
            self._measured = completed
            self.rate.add(now, completed)
        if now - self._start < self._patience or _on_screen not in ([], [self]):
            return
        if sys.stderr is not None and sys.stderr.isatty():
            self._show(now)
        elif now - self._said >= _PERIOD:
            self._said = now
            print(f"{self._description}: {self._text(now)}", file=sys.stderr, flush=True)

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """Shows itself as often while something goes on that cannot update it."""
        self._waiting = time.monotonic()
        try:
            with every(_PERIOD, lambda: self.update(self._completed, measured=False)):
                yield
        finally:
            self._waiting = None

    def close(self) -> None:
        """Takes the bar off the screen."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None
            _on_screen.remove(self)

    def _text(self, now: float) -> str:
        rate, total = self.rate.value, self._total
        of = f" of {total:,}" if total else ""
        parts = [f"{self._completed:,}{of}" if of or self._completed else "", self._words]
        if self._waiting is not None:
            parts.append(f"for {duration(now - self._waiting)}")
        if rate > 0:
            number = f"{rate:,.{0 if rate >= 10 else 2}f}"
            parts.append(f"{number} {self._unit}/s" if self._unit else f"{number}/s")
            if self._left is not None or total:
                missing = (total or 0) - self._measured
                left = missing / rate if self._left is None else self._left(rate)
                parts.append(f"{duration(max(left - self.rate.since(now), 0.0))} left")
        return "  ".join(filter(None, parts))

    def _show(self, now: float) -> None:
        if self._progress is None:
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn

            self._progress = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                TextColumn("{task.fields[text]}", markup=False),
                console=Console(stderr=True, highlight=False),
                transient=True,
                redirect_stdout=sys.stdout is not None and sys.stdout.isatty(),
            )
            self._progress.add_task(self._description or "", total=self._total, text="")
            self._progress.start()
            _on_screen.append(self)
        task = self._progress.task_ids[0]
        self._progress.update(task, completed=self._completed, text=self._text(now))


def counting(items: Collection[Item], description: str | None, unit: str = "") -> Iterator[Item]:
    """The items, one after the other, with a bar of how many have been worked on."""
    with Bar(description, len(items), unit) as bar:
        for number, item in enumerate(items):
            bar.update(number)
            yield item
