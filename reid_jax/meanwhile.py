"""What is done again and again, in a thread, while something else goes on."""

import contextlib
import threading
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def every(seconds: float, work: Callable[[], None]) -> Iterator[None]:
    """Calls `work` after each so many seconds until the block ends, and not once after it."""
    ended = threading.Event()

    def run() -> None:
        while not ended.wait(seconds):
            work()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
