"""What an error of reading says of the files that were read, and what it does not say."""

import itertools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax

_BLOCK = 2**20
# How TensorStore's errors begin that are of memory, rights or connections.
_PASSING = (
    *("RESOURCE_EXHAUSTED", "UNAVAILABLE", "ABORTED", "CANCELLED", "DEADLINE_EXCEEDED"),
    *("PERMISSION_DENIED", "UNAUTHENTICATED"),
)


def is_damaged(folder: Path, error: Exception, read_again: Callable[[], object]) -> bool:
    """Whether the files of a folder are at fault: all of them can be read, and
    `read_again` fails all the same.

    Devices, memory and a network folder that is away for a moment are not the files' fault.
    """
    if _is_passing(error):
        return False
    try:
        for path in sorted(folder.rglob("*")):
            if not path.is_dir():
                _read_through(path)
        read_again()
    except Exception as again:
        return not _is_passing(again)
    return False


def reason(error: Exception) -> str:
    """The first line of an error, or its kind where it says nothing."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def ignore_late_answers() -> None:
    """Keeps Python quiet about reads that were still under way when another one had failed.

    Orbax closes its event loop at the first error; TensorStore then tries to wake it for each of
    the others, and every one would be a traceback.
    """
    before = sys.unraisablehook
    if getattr(before, "ignores_late_answers", False):
        return

    def hook(what: Any) -> None:
        if not (what.exc_type is RuntimeError and "loop is closed" in str(what.exc_value)):
            before(what)

    hook.ignores_late_answers = True  # type: ignore[attr-defined]
    sys.unraisablehook = hook


def free_name(path: Path) -> Path:
    """The path, with a number behind it where it is taken."""
    numbered = (path.with_name(f"{path.name}-{number}") for number in itertools.count(2))
    return path if not path.exists() else next(name for name in numbered if not name.exists())


def _is_passing(error: Exception) -> bool:
    if isinstance(error, FileNotFoundError):
        return False
    if isinstance(error, OSError | MemoryError | jax.errors.JaxRuntimeError):
        return True
    text = str(error)
    return text.startswith(_PASSING) or ("OS error" in text and not text.startswith("NOT_FOUND"))


def _read_through(path: Path) -> None:
    with path.open("rb") as file:
        while file.read(_BLOCK):
            pass
