"""Folders that lie at a URL: a folder here that is brought up to date and uploaded.

The rest of the program sees that folder, which is in the user's cache. Whoever reads sees something
whole whenever a writer is killed, for what is new is uploaded first, then the file that makes it
valid (`_VALID`), and only then what it replaces is removed. A checkpoint without that file is as if
it were not there. Nothing of the mirror's own stays there, so that what was copied to a bucket by
other means is a run as well.

What was uploaded last is remembered beside the folder: of a file that has changed here and there
since, neither is overwritten.
"""

import contextlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from pathlib import Path
from typing import Any

from reid_jax.console import Bar
from reid_jax.errors import UserError
from reid_jax.files import cache_folder, digest_of, make_folder, write_text
from reid_jax.locks import locked
from reid_jax.platforms import replace
from reid_jax.remote.lock import RemoteLock
from reid_jax.remote.storage import Facts, fetch, list_url, put, refused, remove

_MARK = "_CHECKPOINT_METADATA"
_VALID = (_MARK, "journal.db", "config.json", "CURRENT")
"""By these a checkpoint, what is added to a gallery, a run and a gallery are known: written after,
removed before the rest."""

_STEP = re.compile(r"(checkpoints/[^/]+/\d+)/")
_PASSING = re.compile(r"(^|/)(\.|lock$|lock\.held$)|\.orbax-checkpoint-tmp")
_FINISHED = re.compile(r"checkpoints/[^/]+/\d+/|generation-\d+/")  # never written to again
_JOURNAL = re.compile(r"^(journal)-\d+(\.db)$")  # of a gallery that took another one's place
_UNSENT = {"size": -1, "time": 0}  # facts of no file
_ON_ITS_WAY = ".passing-"
_AT_ONCE = 8  # files on their way


class Mirror:
    """What lies at a URL, and the folder here that it is brought to.

    Attributes:
      url, folder: of both.
    """

    def __init__(self, url: str):
        self.url = url.rstrip("/")
        home = cache_folder("mirrors") / blake2b(self.url.encode(), digest_size=8).hexdigest()
        self.folder = home / self.url.rsplit("/", 1)[1]
        self._home, self._kept = home, home / "state.json"

    def pull(self) -> None:
        """Brings the folder up to date.

        Raises:
          UserError: it cannot be read, or a file has changed here and there.
        """
        for last in (False, False, True):
            with self._alone():
                try:
                    self._pull()
                except FileNotFoundError as error:  # replaced by another one meanwhile
                    if last:
                        raise refused(self.url, error) from error
                else:
                    return

    def _pull(self) -> None:
        there, state = self._there(), self._state()
        new = [name for name, facts in there.items() if self._differs(name, facts, state)]
        steps = sorted({step for name in new if (step := _step_of(name))})
        wanted = [name for name in there if name in new or _step_of(name) in steps]
        with self._passing() as passing:
            fetched = {name: passing / str(number) / name for number, name in enumerate(wanted)}
            fetched |= {name: passing / name for name in wanted if _step_of(name)}
            self._for_each(f"Fetching {self.url}", wanted, lambda n: self._fetch(n, fetched[n]))
            for step in steps:
                shutil.rmtree(self.folder / step, ignore_errors=True)
                make_folder((self.folder / step).parent)
                replace(passing / step, self.folder / step)
            for name in sorted(set(wanted) - {n for n in wanted if _step_of(n)}, key=_validity):
                make_folder((self.folder / name).parent)
                replace(fetched[name], self.folder / name)
        for name in wanted:
            state[name] = {**self._facts(name), "version": there[name].version}
        for name in set(state) - set(there):
            if self._is_as(name, state[name]):
                self._remove(name)
            del state[name]
        self._keep(state)

    def _remove(self, name: str) -> None:
        """Removes a file here, and folders that are empty then."""
        file = self.folder / name
        file.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # one that is not empty
            for folder in file.parents:
                if folder == self._home:
                    break
                folder.rmdir()

    def _differs(self, name: str, facts: Facts, state: dict[str, Any]) -> bool:
        """Whether a file is to be fetched."""
        file, known = self.folder / name, state.get(name)
        if not file.exists():
            return True
        if known and known["version"] == facts.version:
            return False
        if known and self._is_as(name, known):
            return True
        # It has changed on both sides, unless an upload from here ended before it was noted.
        with self._passing() as passing:
            self._fetch(name, passing / "file")
            content = _content(passing / "file")
        mine = _content(file)
        if content not in (mine, (known or {}).get("sent")):
            raise UserError(
                f"{self.url}/{name} was changed elsewhere while {file} was changed here and not "
                f"uploaded; remove {self._home} to go on with what is there."
            )
        state[name] = {**_UNSENT, **(known or {}), "version": facts.version}
        if content == mine:
            state[name] |= self._facts(name)
        return False

    def push(self, lock: RemoteLock | None = None) -> int:
        """Uploads what has changed here since, and removes there what was removed here.

        Returns:
          How many files.

        Raises:
          UserError: it cannot be written, or another one has taken the lock.
        """
        with self._alone():
            state, here = self._state(), self._here()
            changed = [name for name in here if not self._is_as(name, state.get(name))]
            gone = [name for name in state if name not in here]
            if not changed and not gone:
                return 0
            if lock is not None:
                lock.check()
            if not self.folder.exists():
                raise UserError(f"{self.folder} is gone; nothing was changed in {self.url}.")
            with self._passing() as passing:
                still, facts = {}, {}
                for number, name in enumerate(changed):
                    with contextlib.suppress(FileNotFoundError):  # removed meanwhile
                        facts[name] = self._facts(name)
                        still[name] = self._still(name, passing / str(number))
                        sent = {"sent": _content(still[name])}
                        state[name] = {"version": "", **state.get(name, {}), **_UNSENT, **sent}
                self._keep(state)
                content = [name for name in still if not _validity(name)[0]]
                self._for_each(None, content, lambda name: self._put(name, still[name]))
                for name in sorted(set(still) - set(content), key=_validity):
                    if (step := _step_of(name)) is None or self._is_whole(step, state):
                        self._put(name, still[name])
            there = list_url(self.url)
            for name in set(still) & set(there):
                state[name] |= {**facts[name], "version": there[name].version}
            self._keep(state)
            for name in sorted(gone, key=_validity, reverse=True):
                remove(self._at(name))
                del state[name]
            self._keep(state)
            return len(changed) + len(gone)

    def _still(self, name: str, copy: Path) -> Path:
        """A file that stays as it is while it is uploaded: a copy of what may grow."""
        file = self.folder / name
        return file if _FINISHED.match(name) else Path(shutil.copyfile(file, copy))

    def _put(self, name: str, file: Path) -> None:
        try:
            put(file, self._at(name))
        except UserError:
            if file.exists():
                raise

    def _is_whole(self, step: str, state: dict[str, Any]) -> bool:
        """Whether all files of a step have been uploaded, and none is being removed."""
        here = {name for name in self._here() if _step_of(name) == step}
        return here == {name for name in state if _step_of(name) == step}

    def _there(self) -> dict[str, Facts]:
        found = {n: facts for n, facts in list_url(self.url).items() if not _PASSING.search(n)}
        return {
            name: facts
            for name, facts in found.items()
            if (step := _step_of(name)) is None or f"{step}/{_MARK}" in found
        }

    def _here(self) -> list[str]:
        if self.folder.is_file():
            return [""]
        names = (
            path.relative_to(self.folder).as_posix()
            for path in self.folder.rglob("*")
            if path.is_file()
        )
        return [name for name in names if not _PASSING.search(name)]

    def _at(self, name: str) -> str:
        return f"{self.url}/{name}" if name else self.url

    def _facts(self, name: str) -> dict[str, Any]:
        facts = os.stat(self.folder / name)
        return {"size": facts.st_size, "time": facts.st_mtime_ns}

    def _is_as(self, name: str, known: dict[str, Any] | None) -> bool:
        """Whether a file is as it was when it was last fetched or uploaded."""
        try:
            facts = self._facts(name)
        except FileNotFoundError:
            return False
        return known is not None and all(known.get(key) == facts[key] for key in facts)

    def _fetch(self, name: str, file: Path) -> None:
        make_folder(file.parent)
        try:
            fetch(self._at(name), file)
        except PermissionError as error:
            raise refused(self._at(name), error) from error

    @contextlib.contextmanager
    def _passing(self) -> Iterator[Path]:
        """A folder for what is on its way, on the same disk."""
        with tempfile.TemporaryDirectory(prefix=_ON_ITS_WAY, dir=self._home) as folder:
            yield Path(folder)

    @staticmethod
    def _for_each(what: str | None, names: list[str], action: Callable[[str], None]) -> None:
        """Calls an action for each name, several at once; the first error is raised."""
        bar = Bar(what, len(names), "files")
        try:
            with ThreadPoolExecutor(_AT_ONCE) as pool:
                for number, _ in enumerate(pool.map(action, names), 1):
                    bar.update(number)
        finally:
            bar.close()

    def _state(self) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads(self._kept.read_text("utf-8"))["files"]
        except (FileNotFoundError, ValueError, KeyError):
            return {}
        return found

    def _keep(self, state: dict[str, Any]) -> None:
        write_text(self._kept, json.dumps({"url": self.url, "files": state}))

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """One process of this machine at a time."""
        make_folder(self._home)
        waiting = f"waiting for another process that fetches or uploads {self.url}"
        with locked(self._home / "lock", waiting):
            for left in self._home.glob(f"{_ON_ITS_WAY}*"):
                shutil.rmtree(left, ignore_errors=True)
            yield


def _content(file: Path) -> str:
    with open(file, "rb") as stream:
        return digest_of(stream).decode()


def _step_of(name: str) -> str | None:
    """The folder of the step of a checkpoint that a file is of."""
    match = _STEP.match(name)
    return match[1] if match else None


def _validity(name: str) -> tuple[int, str]:
    """By which files are ordered: those that make something valid come last, a run's very last."""
    last = _JOURNAL.sub(r"\1\2", name.rsplit("/", 1)[-1])
    return (1 + (last not in _VALID[:2]) if last in _VALID else 0, name)
