"""Runs and galleries that are named by a URL, while a command works with their folders here."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from reid_jax.console import say
from reid_jax.errors import UserError
from reid_jax.meanwhile import every
from reid_jax.remote.lock import RemoteLock, held
from reid_jax.remote.mirror import Mirror
from reid_jax.remote.storage import is_url

_EVERY = 15.0  # seconds between two uploads of a run that trains
_mirrors: dict[Path, Mirror] = {}
_open: set[Path] = set()
_owned: set[Path] = set()


class KeptHereError(UserError):
    """What was made could not be uploaded, and is still here."""


def folder_of(place: str | os.PathLike[str]) -> Path:
    """The folder here of what a path or URL names; nothing is fetched yet, see `mirrored`."""
    if not (isinstance(place, str) and is_url(place)):
        return Path(place)
    mirror = Mirror(place)
    _mirrors[mirror.folder] = mirror
    return mirror.folder


def url_of(folder: Path) -> str | None:
    """The URL that a folder is the copy of."""
    mirror = _mirrors.get(folder)
    return None if mirror is None else mirror.url


def check_owned(folder: Path) -> None:
    """Refuses to change a copy of what is at a URL while others may change it there.

    Raises:
      UserError: it is such a copy, and no block around has it as its own, see `mirrored`.
    """
    if folder in _mirrors and folder not in _owned:
        raise UserError(
            f"{_mirrors[folder].url} is at a URL, where one command at a time decides: give that "
            "to reid-jax gallery, or a page a gallery in a folder."
        )


def check_seen_by_all(folder: Path) -> None:
    """Refuses what several processes write to, where each machine has a copy of its own.

    Raises:
      UserError: it is at a URL.
    """
    if url := url_of(folder):
        raise UserError(
            f"Several processes write into one folder that all of them see, which {url} is not; "
            "mount it, or name another folder."
        )


def by_url(text: str) -> str:
    """A sentence in which folders that are copies have their URLs."""
    for folder, mirror in _mirrors.items():
        text = text.replace(str(folder), mirror.url)
    return text


def brought(url: str) -> Path:
    """The folder here of what is at a URL now.

    Raises:
      UserError: it cannot be read.
    """
    folder = folder_of(url)
    if folder not in _open:
        _mirrors[folder].pull()
    return folder


@contextlib.contextmanager
def mirrored(
    *folders: Path, owned: Path | None = None, wait: bool = True, steadily: bool = False
) -> Iterator[None]:
    """Brings folders of `folder_of` up to date, and uploads what a block has changed in them.

    Others, and those that a block around has brought, are left as they are.

    Args:
      owned: the one of them that nobody else may write to meanwhile, see `remote.lock`.
      wait: until it is free; False refuses at once.
      steadily: uploads also before the block, what an earlier one could not, and while it lasts.

    Raises:
      UserError: one cannot be read, is another's, or (KeptHereError) could not be uploaded.
    """
    new = [folder for folder in dict.fromkeys(folders) if folder in _mirrors.keys() - _open]
    if not new:
        yield
        return
    with contextlib.ExitStack() as around:
        lock: RemoteLock | None = None
        if owned is not None and owned in new:
            lock = around.enter_context(held(_mirrors[owned].url, wait=wait))
            _owned.add(owned)
            around.callback(_owned.discard, owned)
        for folder in new:
            _mirrors[folder].pull()
        _open.update(new)
        around.callback(_open.difference_update, new)
        locks = {folder: lock if folder == owned else None for folder in new}
        try:
            with _steadily(locks) if steadily else contextlib.nullcontext():
                yield
        except BaseException:
            for problem in _upload(locks):
                print(problem)
            raise
        if problems := _upload(locks):
            raise KeptHereError(" ".join(problems))


def _upload(locks: dict[Path, RemoteLock | None]) -> list[str]:
    """Uploads all; returns a sentence for each that could not be."""
    problems = []
    for folder, lock in locks.items():
        mirror = _mirrors[folder]
        try:
            if mirror.push(lock):
                say(f"uploaded to {mirror.url}")
        except (UserError, OSError) as error:
            problems.append(
                f"{error} All of it is in {folder}; the next command that names {mirror.url} "
                "uploads it."
            )
    return problems


@contextlib.contextmanager
def _steadily(locks: dict[Path, RemoteLock | None]) -> Iterator[None]:
    """Uploads every few seconds, in a thread; what fails is said once, and tried again."""
    failed = False

    def push() -> None:
        nonlocal failed
        try:
            for folder, lock in locks.items():
                _mirrors[folder].push(lock)
            failed = False
        except (UserError, OSError) as error:
            if not failed:
                say(f"{error} Training goes on, and uploads are tried again.")
            failed = True

    push()
    with every(_EVERY, push):
        yield
