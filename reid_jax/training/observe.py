"""Looking at a running trainer: what it compiles, and a trace of some of its steps."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax

_COMPILED = "/jax/core/compile/backend_compile_duration"


class Compilations:
    """Programs compiled (or taken from the cache) since the last `take`; a context manager."""

    def __init__(self) -> None:
        self._seconds: list[float] = []

    def __enter__(self) -> "Compilations":
        jax.monitoring.register_event_duration_secs_listener(self._listen)
        return self

    def __exit__(self, *_: object) -> None:
        jax.monitoring.unregister_event_duration_listener(self._listen)

    def _listen(self, event: str, duration_secs: float, **_: str | int) -> None:
        if event == _COMPILED:
            self._seconds.append(duration_secs)

    def take(self) -> dict[str, float]:
        """How many, and how long they took."""
        seconds, self._seconds = self._seconds, []
        return {"compilations": len(seconds), "compile_seconds": sum(seconds)}


class Profile:
    """An XProf trace of the steps after the second call of a session, which compile nothing.

    A context manager: a trace is ended with it.

    Args:
      folder: read by `xprof` or TensorBoard's profile plugin.
      steps: how many; 0 for no trace.
      say: called with a line when the trace is written.
    """

    def __init__(self, folder: Path, steps: int, say: Callable[[str], None]):
        self._folder, self._left, self._say = folder, steps, say
        self._calls = 0
        self._running = False

    def __enter__(self) -> "Profile":
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def call(self, step: int, count: int, function: Callable[..., Any], *arguments: Any) -> Any:
        """Makes `count` steps from `step` on by `function(*arguments)`, and returns its result."""
        self._calls += 1
        if self._left > 0 and self._calls > 2 and not self._running:
            self._folder.mkdir(parents=True, exist_ok=True)
            jax.profiler.start_trace(str(self._folder))
            self._running = True
        with jax.profiler.StepTraceAnnotation("train", step_num=step):
            result = function(*arguments)
        if self._running:
            self._left -= count
            if self._left <= 0:
                jax.block_until_ready(result)
                self._end()
        return result

    def _end(self) -> None:
        if self._running:
            self._running = False
            jax.profiler.stop_trace()
            self._say(f"trace: {self._folder}")
