"""What a run says while it goes: metrics.jsonl, TensorBoard, and a line or a bar on the console."""

import json
import math
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeRemainingColumn,
)

from reid_jax.files import write_text


class RunLog:
    """Writes rows of metrics; knows where a resumed run has to take up the thread.

    Args:
      workdir: the run's folder.
      quiet: write nothing; of several processes one writes.
      step: rows after this step are from a session that did not live to save them; they are
        dropped, because the steps will be done again.
    """

    def __init__(self, workdir: Path, step: int, *, quiet: bool = False):
        self._quiet, self._board = quiet, None
        if quiet:
            return
        self._path = workdir / "metrics.jsonl"
        rows = [row for row in read_metrics(workdir) if row["step"] <= step]
        write_text(self._path, "".join(json.dumps(row) + "\n" for row in rows))
        self._board = _tensorboard(workdir, step)

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Appends one row; a value that is not finite becomes null, which JSON can hold."""
        if self._quiet:
            return
        row = {name: value if math.isfinite(value) else None for name, value in values.items()}
        with self._path.open("a") as file:
            file.write(json.dumps({"step": step, **row}) + "\n")
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
    """A progress bar on a terminal; a line a validation elsewhere."""

    def __init__(self, steps: int, done: int, *, quiet: bool = False):
        self._console = Console(highlight=False, quiet=quiet)
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("step"),
            MofNCompleteColumn(),
            BarColumn(),
            TextColumn("{task.fields[numbers]}"),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
            transient=True,
        )
        self._task = self._bar.add_task("", total=steps, completed=done, numbers="compiling")

    def __enter__(self) -> "Display":
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def advance(self, step: int) -> None:
        """Moves the bar."""
        self._bar.update(self._task, completed=step)

    def numbers(self, words: str) -> None:
        """Changes what stands beside the bar."""
        self._bar.update(self._task, numbers=words)

    def say(self, text: str) -> None:
        """Prints a line above the bar."""
        self._console.print(text, markup=False, soft_wrap=True)
