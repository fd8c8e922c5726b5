"""What an engine is to this program."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from reid_jax.errors import UserError, missing
from reid_jax.export.program import Program

Asked = Callable[[np.ndarray], dict[str, np.ndarray]]


@dataclass(frozen=True)
class Engine:
    """One engine.

    Attributes:
      title: as people know it.
      extra: of this package, which installs `modules`.
      modules: what is imported.
      needs: what `example.py` needs beside NumPy and Pillow, for pip.
      files: what `write` writes.
      write: `(program, folder, batch)`.
      fixed: whether it takes one number of rows alone.
      oldest: of installed packages, the version that is needed at least.
      opened: `(folder, facts) -> (rows -> arrays by name)`; its source stands in `example.py`.
    """

    title: str
    extra: str
    modules: tuple[str, ...]
    needs: str
    files: tuple[str, ...]
    write: Callable[[Program, Path, int], None]
    opened: Callable[[Path, dict[str, Any]], Asked]
    fixed: bool = False
    oldest: Mapping[str, str] = field(default_factory=dict)

    def check(self) -> None:
        """Refuses an engine that is not installed.

        Raises:
          UserError: saying how it is.
        """
        check_there(f"Export to {self.title}", self.modules, self.extra)
        for package, least in self.oldest.items():
            found = version(package)
            if _numbers(found) < _numbers(least):
                raise UserError(
                    f"Export to {self.title} needs {package} {least} or newer, not {found}: "
                    f"pip install --upgrade 'reid-jax[{self.extra}]'."
                )


def check_there(what: str, modules: Sequence[str], extra: str) -> None:
    """Refuses what needs modules that are not installed, without importing them.

    Raises:
      UserError: saying how the extra is installed that has the first one that is missing.
    """
    for module in modules:
        if importlib.util.find_spec(module) is None:
            raise missing(what, module, extra)


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".")[:2] if part.isdecimal())
