"""A signal that ends training ends it after a whole step."""

import contextlib
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass
class Stop:
    """Whether somebody asked for the end of training, and whether by Ctrl-C."""

    requested: bool = False
    interrupted: bool = False


@contextlib.contextmanager
def stoppable() -> Iterator[Stop]:
    """SIGTERM and the first Ctrl-C ask for a checkpoint and a clean end after the current step."""
    stop = Stop()

    def request(number: int, frame: object) -> None:
        del frame
        stop.requested, stop.interrupted = True, number == signal.SIGINT
        signal.signal(number, previous[number])  # a second one ends at once

    previous: dict[int, Any] = {}
    try:
        for number in (signal.SIGTERM, signal.SIGINT):
            previous[number] = signal.signal(number, request)
    except ValueError:  # not the main thread: somebody else handles signals
        yield stop
        return
    try:
        yield stop
    finally:
        for which, handler in previous.items():
            signal.signal(which, handler)
