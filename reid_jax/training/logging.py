"""What a run says while it goes: metrics.jsonl, TensorBoard, and a line or a bar on the console."""

import contextlib
import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from reid_jax.console import Bar, say
from reid_jax.files import naming, write_text


class RunLog:
    """Writes rows of metrics; knows where a resumed run has to take up the thread.

    Args:
      workdir: the run's folder.
      quiet: write nothing; of several processes one writes.
      step: rows after this step are from a session that did not live to save them; they are
        dropped, because the steps will be done again.

    Attributes:
      rows: all that there are, oldest first; none where nothing is written.
    """

    def __init__(self, workdir: Path, step: int, *, quiet: bool = False):
        self._quiet, self._board = quiet, None
        self.rows: list[dict[str, Any]] = []
        if quiet:
            return
        self._path = workdir / "metrics.jsonl"
        self.rows += [row for row in read_metrics(workdir) if row["step"] <= step]
        write_text(self._path, "".join(json.dumps(row) + "\n" for row in self.rows))
        self._board = _tensorboard(workdir, step)

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Appends one row; a value that is not finite becomes null, which JSON can hold."""
        if self._quiet:
            return
        row = {name: value if math.isfinite(value) else None for name, value in values.items()}
        self.rows.append({"step": step, **row})
        with naming(self._path), self._path.open("a") as file:
            file.write(json.dumps(self.rows[-1]) + "\n")
        for name, value in values.items():
            if self._board is not None:
                self._board.add_scalar(name, value, step)

    def close(self) -> None:
        if self._board is not None:
            self._board.close()


def read_metrics(workdir: Path) -> list[dict[str, float]]:
    """The rows of a run's metrics.jsonl; a last row that was cut off is left out."""
    path = workdir / "metrics.jsonl"
    rows = []
    for line in path.read_text().splitlines() if path.is_file() else []:
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return rows


def _tensorboard(workdir: Path, step: int):
    """Its writer, which takes back what was written after `step`."""
    from tensorboardX import SummaryWriter

    folder = str((workdir / "tensorboard").absolute())  # gs:/ would be Google's, s3:/ Amazon's
    return SummaryWriter(folder, purge_step=step + 1, flush_secs=10)


class Display:
    """What a training says: lines, and how far it is.

    Args:
      steps: how many there are.
      done: how many were done before.
      work_left: of a step, the steps that are missing, in the cost of the next one.
      pauses_left: of a step, how many validations are still to come.
      quiet: say nothing; of several processes one speaks.
    """

    def __init__(
        self,
        steps: int,
        done: int,
        *,
        work_left: Callable[[int], float],
        pauses_left: Callable[[int], int],
        quiet: bool = False,
    ):
        self._quiet, self._step, self._paused = quiet, done, 0.0
        self._work_left, self._pauses_left = work_left, pauses_left
        description = None if quiet else "step"
        self._bar = Bar(description, steps, "steps", done=done, left=self._left, patience=0)

    def __enter__(self) -> "Display":
        self._bar.update(self._step, "compiling", measured=False)
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def _left(self, rate: float) -> float:
        return self._work_left(self._step) / rate + self._paused * self._pauses_left(self._step)

    def advance(self, step: int) -> None:
        """Moves the bar: a step was begun."""
        self._bar.update(step, measured=False)

    def done(self, step: int, words: str) -> None:
        """A step is done; words stand beside the bar."""
        self._step = step
        self._bar.update(step, words)

    def waiting(self) -> contextlib.AbstractContextManager[None]:
        """While a step is compiled, which cannot say how far it is."""
        return self._bar.waiting()

    def begin_stage(self) -> None:
        """From now on steps have another pace."""
        self._bar.rate.forget()

    @contextlib.contextmanager
    def pause(self) -> Iterator[None]:
        """A validation; the seconds are those of no step."""
        start = time.monotonic()
        yield
        self._paused = time.monotonic() - start
        self._bar.rate.skip(self._paused)

    def numbers(self, words: str) -> None:
        """Changes what stands beside the bar."""
        self._bar.update(self._step, words, measured=False)

    def say(self, text: str) -> None:
        """Prints a line above the bar."""
        if not self._quiet:
            say(text)
