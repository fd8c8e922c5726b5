"""What is true of any run folder: its name among others, and its size."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from reid_jax.errors import UserError
from reid_jax.files import atomic_write

_SOURCE = "source.txt"  # in a report's folder, the source that it is on
_LONGEST = 100  # letters of a source in a folder's name


def report_folder(workdir: Path, name: str, source: str) -> Path:
    """The folder in a run's folder for the report on another source, and on no other.

    Args:
      name: what the folder is called after, of letters that any disk takes.
      source: which the folder is marked with, see `mark_report`.
    """
    code = hashlib.sha256(source.encode("utf-8", "surrogateescape")).hexdigest()[:8]
    short, long = f"report-{name[:_LONGEST]}", f"report-{name[:_LONGEST]}-{code}"
    mark = workdir / short / _SOURCE
    of_another = mark.is_file() and mark.read_bytes() != os.fsencode(source)
    return workdir / (long if of_another or len(name) > _LONGEST else short)


def mark_report(folder: Path, source: str) -> None:
    """Notes in a report's folder what it is on."""
    with atomic_write(folder / _SOURCE) as file:
        file.write(os.fsencode(source))


def run_names(workdirs: Sequence[Path]) -> list[str]:
    """The shortest ends of the paths that tell them apart.

    Raises:
      UserError: there are fewer than two, or one twice.
    """
    if len(workdirs) < 2:
        raise UserError("A comparison needs two runs or more: name their folders.")
    parts = [path.resolve().parts for path in workdirs]
    if len(set(parts)) < len(parts):
        raise UserError("The same run is named twice.")
    for depth in range(1, max(map(len, parts)) + 1):
        names = ["/".join(part[-depth:]) for part in parts]
        if len(set(names)) == len(names):
            break
    return names


def bytes_on_disk(workdir: Path) -> int:
    """Of the best checkpoint."""
    checkpoint = workdir / "checkpoints" / "best"
    return sum(path.stat().st_size for path in checkpoint.rglob("*") if path.is_file())
