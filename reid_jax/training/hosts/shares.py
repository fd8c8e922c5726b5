"""Work in pieces that several processes share, each piece kept as soon as it is done.

Pieces are files in a folder beside the output, OUTPUT.shares. Each process does its part of those
that are missing, consecutive ones; then all of them are read, in their order. After the last work
of a command the first process alone goes on to the result, with which the folder goes. After the
death of a process, or an error, the folder stays, and the same command does what is missing in it,
by any number of processes.
"""

import contextlib
import json
import os
import shutil
import time
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from reid_jax.console import Bar, be_quiet, say
from reid_jax.data.photos.checks import Check, Checked, dividing
from reid_jax.errors import UserError
from reid_jax.files import check_destinations, write_arrays, write_text
from reid_jax.meanwhile import every
from reid_jax.training.hosts.agreement import agree_on_program, digest
from reid_jax.training.hosts.join import (
    agree,
    difference,
    gathered,
    is_first,
    leave,
    on_end,
    part,
    together,
)
from reid_jax.training.lock import only_trainer

Piece = Mapping[str, np.ndarray]
Work = Callable[[Sequence[int]], Iterable[Piece]]

BLOCK = 512  # photos of a share
BATCH = 64  # photos of a share where there are few
_MANY = 8192
_PERIOD = 0.5  # seconds between looks at what is done
_PATIENCE = 20.0  # seconds until what one machine wrote must be seen on another
_DAMAGE = (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, zlib.error)


class _DoneError(BaseException):
    """What remains is the first process's."""


@contextlib.contextmanager
def sharing(coordinator: str, output: Path) -> Iterator["Shares | None"]:
    """Makes this process one of several that share the work of a command.

    An error in one of them, or its death, ends all with a sentence that names it.

    Args:
      coordinator: "" for this process alone, else see `join.together`.
      output: what the command writes; its name is known to all, and its folder is seen by all.

    Yields:
      what divides the work; None for a process alone.
    """
    if not coordinator:
        yield None
        return
    with together(coordinator, output, one_mesh=False), contextlib.ExitStack() as held:
        if not is_first():
            be_quiet(True)
        agree_on_program()
        shares = Shares(Path(f"{os.path.abspath(output)}.shares"), held)
        before = dividing.set(shares.check_files)
        held.callback(lambda: dividing.reset(before))
        with contextlib.suppress(_DoneError):
            yield shares
        held.close()
        if shares.done and is_first():
            shutil.rmtree(shares.folder, ignore_errors=True)


class Shares:
    """What several processes have of one work; see `sharing`.

    Attributes:
      folder: where it is kept.
      done: whether all of it is.
    """

    def __init__(self, folder: Path, held: contextlib.ExitStack):
        self.folder, self.done = folder, False
        self._held, self._is_held = held, False
        self._works = 0

    def collect(
        self,
        asked: dict[str, Any],
        pieces: int,
        work: Work,
        *,
        each: int = 1,
        total: int | None = None,
        description: str,
        unit: str,
        last: bool = True,
    ) -> list[Piece]:
        """All pieces in their order; with the last work the command ends for all but the first.

        Args:
          asked: what the pieces follow from, as JSON values, long ones as digests.
          pieces: how many there are.
          work: makes pieces, arrays by name, in the order of the numbers it is given, rising.
          each: what a progress bar counts a piece for, of `total`; `description` and `unit` are
            what it says.
          last: whether no other work of this command will be shared.

        Raises:
          UserError: the folder holds other work or is not to be used, or a piece is damaged.
        """
        if self.done:  # the others are gone
            return list(work(range(pieces)))
        agree("What is asked", asked)
        self._hold()
        self._works += 1
        agreed = gathered("what is missing", self._missing(asked, pieces) if is_first() else None)
        missing, (index, count) = agreed[0], part()
        own = missing[len(missing) * index // count : len(missing) * (index + 1) // count]
        on_end(lambda: self._kept(pieces))
        with self._watched(total or pieces, each, description, unit):
            for number, piece in zip(own, work(own) if own else (), strict=True):
                write_arrays(self._file(number), piece)
            gathered("the shares", None)
        found = [self._read(number) for number in range(pieces)] if is_first() or not last else []
        if last:
            self.end()
        return found

    def end(self) -> None:
        """Nothing more is shared: the command ends here for all but the first process."""
        others = not is_first()
        self.done = True
        leave()
        if others:
            raise _DoneError

    def check_files(self, check: Check, paths: Sequence[str]) -> Checked:
        """`check` of files, each by one process; see `checks.check_images`."""
        if self.done or not paths:
            return check(paths)
        each = share_size(len(paths))

        def work(own: Sequence[int]) -> Iterator[Piece]:
            for number in own:
                reasons, digests = check(paths[number * each :][:each])
                words = np.array([reason or "" for reason in reasons], np.str_)
                yield {"reasons": words, "digests": digests}

        asked = {
            "the number of files": len(paths),
            "their paths": digest(np.array(paths, np.str_)),
            "their sizes and times": digest(np.array([_stamp(path) for path in paths])),
        }
        found = self.collect(
            *(asked, -(-len(paths) // each), work),
            each=each,
            total=len(paths),
            description="Checking photos",
            unit="photos",
            last=False,
        )
        reasons = [str(word) or None for piece in found for word in piece["reasons"]]
        return reasons, np.concatenate([piece["digests"] for piece in found])

    def place(self, number: int) -> Path:
        """For files of a piece beside what it yields."""
        return self.folder / f"{self._works}-{number:06d}"

    def forget(self, number: int) -> None:
        """The piece is missing from now on."""
        self._file(number).unlink(missing_ok=True)

    def _hold(self) -> None:
        if self._is_held:
            return
        self._is_held = True
        if is_first():
            check_destinations(folder=self.folder)
        only = only_trainer(self.folder, used="written into", named="output")
        self._held.enter_context(only)

    def _missing(self, asked: Mapping[str, Any], pieces: int) -> list[int]:
        """Which pieces are not there, or damaged; notes what is asked."""
        file = self.folder / f"asked-{self._works}.json"
        wanted = json.loads(json.dumps(asked))
        if file.exists():
            try:
                there = json.loads(file.read_text("utf-8"))
            except (OSError, ValueError):
                there = {}
            if there != wanted:
                differing = difference(("this command", "what is there"), (wanted, there))
                raise UserError(
                    f"{self.folder} holds shares of other work ({differing}); remove it, or name "
                    "another output."
                )
        else:
            write_text(file, json.dumps(asked) + "\n")
        return [number for number in range(pieces) if not self._is_whole(number)]

    def _is_whole(self, number: int) -> bool:
        file = self._file(number)
        if not file.exists():
            return False
        try:
            _arrays(file)
        except _DAMAGE as error:
            say(f"{file} is damaged ({_reason(error)}) and is made again")
            file.unlink()
            return False
        return True

    def _read(self, number: int) -> Piece:
        file, end = self._file(number), time.monotonic() + _PATIENCE
        while not file.exists() and time.monotonic() < end:
            time.sleep(_PERIOD)
        try:
            return _arrays(file)
        except _DAMAGE as error:
            file.unlink(missing_ok=True)
            raise UserError(
                f"{file} is damaged ({_reason(error)}); the same command makes it again."
            ) from None

    def _file(self, number: int) -> Path:
        return self.place(number).with_suffix(".npz")

    def _there(self) -> int:
        with contextlib.suppress(OSError):
            names = os.listdir(self.folder)
            begins, ends = f"{self._works}-", ".npz"
            return sum(name.startswith(begins) and name.endswith(ends) for name in names)
        return 0

    def _kept(self, pieces: int) -> str:
        return (
            f"{self._there():,} of {pieces:,} shares are kept in {self.folder}, and the same "
            "command goes on from them"
        )

    @contextlib.contextmanager
    def _watched(self, total: int, each: int, description: str, unit: str) -> Iterator[None]:
        """Shows how far all processes are."""
        if not is_first():
            yield
            return

        def done() -> int:
            return min(self._there() * each, total)

        with (
            Bar(description, total, unit, done=done()) as bar,
            every(_PERIOD, lambda: bar.update(done())),
        ):
            yield


def share_size(number: int) -> int:
    """Of how many photos a share is where there are so many."""
    return BLOCK if number > _MANY else BATCH


def _stamp(path: str) -> tuple[int, int]:
    with contextlib.suppress(OSError):  # whoever opens it says so
        facts = os.stat(path)
        return facts.st_size, facts.st_mtime_ns
    return 0, 0


def _arrays(file: Path) -> Piece:
    with np.load(file, allow_pickle=False) as kept:
        return {name: kept[name] for name in kept.files}


def _reason(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
