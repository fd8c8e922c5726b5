"""What is in a folder: one of this system, one at a URL, or a tar as though it were one."""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

from reid_jax.platforms import with_slashes


@dataclass(frozen=True)
class Entry:
    """Attributes:
    name, path: of a file or folder, the path with `/`.
    is_folder: whether it is one.
    real: for a folder its path without links.
    odd: whether it is neither, as a pipe.
    """

    name: str
    path: str
    is_folder: bool
    real: str = ""
    odd: bool = False


Look: TypeAlias = Callable[[str], list[Entry]]
"""Gives the entries of a folder in order of their names.

Raises:
  OSError: it cannot be read.
"""


def look(folder: str) -> list[Entry]:
    """See `Look`; of this system."""
    with os.scandir(folder) as listing:
        return [_entry(each) for each in sorted(listing, key=lambda entry: entry.name)]


def _entry(entry: "os.DirEntry[str]") -> Entry:
    path = with_slashes(entry.path)
    if os.path.isdir(path) if entry.is_symlink() else entry.is_dir():
        return Entry(entry.name, path, True, real=os.path.realpath(path))
    return Entry(entry.name, path, False, odd=os.path.exists(path) and not os.path.isfile(path))


def looking_at(files: Iterable[str], root: str) -> Look:
    """See `Look`; for files that are known by their paths below a root alone."""
    tree: dict[str, Any] = {}
    for file in files:
        *folders, name = [part for part in file.split("/") if part]
        inside = tree
        for folder in folders:
            inside = inside.setdefault(folder, {})
            if not isinstance(inside, dict):  # stores know a file and a "folder" of one name
                break
        else:
            inside.setdefault(name, file)

    def look_at(folder: str) -> list[Entry]:
        inside = tree
        for part in filter(None, folder.removeprefix(root).split("/")):
            inside = inside[part]
        paths = {name: f"{folder.rstrip('/')}/{name}" for name in sorted(inside)}
        return [
            Entry(name, path, isinstance(inside[name], dict), real=path)
            for name, path in paths.items()
        ]

    return look_at
