"""Child programs of the server: started when they are asked, ended when they take too long."""

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from reid_jax.app.workers.answering import DONE, FAILED, REFUSED, TOLD
from reid_jax.errors import UserError


class ChildError(Exception):
    """A child took too long, died, or met what nobody expected; the text says which."""


class Child:
    """A module of this package that answers requests, see :mod:`reid_jax.app.workers.answering`.

    It has one request at a time, in whatever thread. After a failure the next request starts it
    anew.

    Args:
      module: that is run.
      log: file to which goes what it prints.
      niceness: how far it stands back behind others.
      environment: variables beside those of this process.
    """

    def __init__(
        self,
        module: str,
        log: Path,
        niceness: int = 0,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._module, self._log, self._niceness = module, log, niceness
        self._environment = {**os.environ, **(environment or {})}
        self._alone = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._closed = False

    def ask(
        self,
        request: Mapping[str, Any],
        seconds: float,
        told: Callable[[dict[str, Any]], None] = lambda content: None,
    ) -> dict[str, Any]:
        """The answer to a request.

        Args:
          seconds: after which the child is ended.
          told: is called with what the child says meanwhile.

        Raises:
          UserError: the child refused it.
          ChildError: there is no answer.
        """
        with self._alone:
            if self._closed:
                raise ChildError("the server ends")
            process = self._started()
            assert process.stdin is not None
            try:
                process.stdin.write(json.dumps(request) + "\n")
                process.stdin.flush()
            except OSError:
                pass  # it has died, which its lines say
            end = time.monotonic() + seconds
            while True:
                kind, content = self._next(end, seconds)
                if kind == TOLD:
                    told(content)
                elif kind == REFUSED:
                    raise UserError(content)
                elif kind == FAILED:
                    raise ChildError(f"it failed ({content})")
                else:
                    assert kind == DONE
                    answer: dict[str, Any] = content
                    return answer

    def _next(self, end: float, seconds: float) -> tuple[str, Any]:
        try:
            line = self._lines.get(timeout=max(end - time.monotonic(), 0.001))
        except queue.Empty:
            self._end()
            raise ChildError(f"it took longer than {seconds:g} seconds") from None
        if line is None:
            self._end()
            raise ChildError("the program that reads it ended, as for lack of memory")
        [(kind, content)] = json.loads(line).items()
        return kind, content

    def _started(self) -> subprocess.Popen[str]:
        if self._process is not None and self._process.poll() is None:
            return self._process
        lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._lines = lines
        with open(self._log, "ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", self._module],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                encoding="utf-8",
                env=self._environment,
                start_new_session=True,  # Ctrl-C is for the server, which ends its children
            )
        self._process = process
        if self._niceness and hasattr(os, "setpriority"):
            os.setpriority(os.PRIO_PROCESS, process.pid, self._niceness)

        def read() -> None:
            assert process.stdout is not None
            for line in process.stdout:
                lines.put(line)
            lines.put(None)

        threading.Thread(target=read, daemon=True).start()
        return process

    def end_gently(self, seconds: float) -> None:
        """Asks it to end, and ends it where it takes longer; the next request starts it anew."""
        process = self._process
        if process is not None:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(seconds)
        self._end()

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def close(self) -> None:
        """Ends it, also in the middle of a request; it is not started again."""
        self._closed = True
        self._end()
