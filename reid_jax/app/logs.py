"""What a server says of itself: a log of JSON lines, and numbers for Prometheus.

Neither holds what photos show, what they are called, tokens, or the text of a query.
"""

import json
import logging
import threading
import time
from collections import Counter, defaultdict
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

_LARGEST, _FILES = 5_000_000, 3
_EDGES = (0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5, 10.0)  # seconds


class _Quiet(RotatingFileHandler):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """What a full disk does not take is lost; who is answered has not to know."""


class Log:
    """Writes an object a line, with the time; of old files three are kept."""

    def __init__(self, file: Path) -> None:
        self._handler = _Quiet(file, maxBytes=_LARGEST, backupCount=_FILES)
        self._handler.setFormatter(logging.Formatter("%(message)s"))

    def write(self, event: str, **facts: Any) -> None:
        """Takes note of an event."""
        now = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
        line = json.dumps({"time": f"{now}Z", "event": event, **facts})
        self._handler.emit(logging.LogRecord("", 0, "", 0, line, None, None))

    def close(self) -> None:
        """The file is closed."""
        self._handler.close()


class Numbers:
    """Counts for Prometheus, in its text format 0.0.4."""

    def __init__(self) -> None:
        self._alone = threading.Lock()
        self._requests: Counter[tuple[str, str, int]] = Counter()
        self._within: dict[str, Counter[float]] = defaultdict(Counter)
        self._seconds: Counter[str] = Counter()
        self._events: Counter[str] = Counter()

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        """Counts an answered request; `route` is the name of what answered."""
        with self._alone:
            self._requests[route, method, status] += 1
            self._seconds[route] += seconds  # type: ignore[assignment]
            edge = next((edge for edge in _EDGES if seconds <= edge), float("inf"))
            self._within[route][edge] += 1

    def event(self, name: str, number: int = 1) -> None:
        """Counts something that happened."""
        with self._alone:
            self._events[name] += number

    def text(self, gauges: dict[str, float]) -> str:
        """All of them, and these that are so now."""
        with self._alone:
            lines = ["# TYPE reid_jax_requests_total counter"]
            lines += [
                f'reid_jax_requests_total{{route="{route}",method="{word}",status="{status}"}} {n}'
                for (route, word, status), n in sorted(self._requests.items())
            ]
            lines.append("# TYPE reid_jax_request_seconds histogram")
            for route, found in sorted(self._within.items()):
                total = 0
                for edge in (*_EDGES, float("inf")):
                    total += found[edge]
                    name = "+Inf" if edge == float("inf") else f"{edge:g}"
                    label = f'route="{route}",le="{name}"'
                    lines.append(f"reid_jax_request_seconds_bucket{{{label}}} {total}")
                label = f'{{route="{route}"}}'
                lines.append(f"reid_jax_request_seconds_sum{label} {self._seconds[route]:.6f}")
                lines.append(f"reid_jax_request_seconds_count{label} {total}")
            lines.append("# TYPE reid_jax_events_total counter")
            lines += [
                f'reid_jax_events_total{{event="{name}"}} {n}'
                for name, n in sorted(self._events.items())
            ]
        for name, value in sorted(gauges.items()):
            lines += [f"# TYPE reid_jax_{name} gauge", f"reid_jax_{name} {value:g}"]
        return "\n".join(lines) + "\n"
