"""Paths of photos as they are stored: below named folders, which may be moved as a whole.

`root://turtles/2019/1.jpg` lies below the folder that the journal knows as the root "turtles".
URLs, names of photos in memory, and what has no folder in common are stored as they are.
"""

import os
from collections.abc import Iterable, Mapping

from reid_jax.data.crops import whole_and_box
from reid_jax.files import common_folder
from reid_jax.individuals.gallery.journal.entries import ROOT, Change, Fact
from reid_jax.remote.storage import is_url

_ROOT = "root://"
_SUBJECT = "root/"


def roots_of(facts: Mapping[Fact, str]) -> dict[str, str]:
    """The folders of roots by their names."""
    return {
        subject.removeprefix(_SUBJECT): folder
        for (subject, attribute), folder in facts.items()
        if attribute == ROOT
    }


def resolved(path: str, roots: Mapping[str, str]) -> str:
    """Where a photo lies that is stored so."""
    if not path.startswith(_ROOT):
        return path
    name, _, below = path.removeprefix(_ROOT).partition("/")
    return _joined(roots[name], below) if name in roots else path


def rooted(path: str, roots: Mapping[str, str]) -> str:
    """How the path of a photo is stored: below the innermost root that it lies in."""
    around = [name for name, folder in roots.items() if is_below(path, folder)]
    if not around or not _is_local(path):
        return path
    name = max(around, key=lambda each: len(roots[each]))
    return f"{_ROOT}{name}/{path[len(roots[name].rstrip('/')) + 1 :]}"


def is_below(path: str, folder: str) -> bool:
    """Whether a path lies in a folder, at any depth."""
    return path.startswith(folder.rstrip("/") + "/")


def new_roots(paths: Iterable[str], roots: Mapping[str, str]) -> dict[str, str]:
    """A root for those paths that lie in none: the innermost folder that holds them all."""
    others = [path for path in paths if _is_local(path) and rooted(path, roots) == path]
    folder = common_folder([os.path.dirname(whole_and_box(path)[0]) for path in others] or [""])
    if folder.count("/") < 2 or not others:  # all of a disk
        return {}
    return {_free(os.path.basename(folder), roots): folder}


def changed_root(name: str, before: str | None, after: str) -> Change:
    """That a root lies elsewhere from now on, or is there."""
    return Change(f"{_SUBJECT}{name}", ROOT, before, after)


def _free(name: str, taken: Mapping[str, str]) -> str:
    found, number = name, 1
    while found in taken:
        number += 1
        found = f"{name}-{number}"
    return found


def _joined(folder: str, below: str) -> str:
    return f"{folder.rstrip('/')}/{below}"


def _is_local(path: str) -> bool:
    return os.path.isabs(path) and not is_url(path)
