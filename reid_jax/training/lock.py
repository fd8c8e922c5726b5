"""One trainer a run folder: two would overwrite each other's checkpoints."""

import contextlib
import os
import secrets
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from reid_jax.errors import UserError
from reid_jax.files import check_destinations, make_folder, naming
from reid_jax.locks import try_lock
from reid_jax.platforms import sync
from reid_jax.training.hosts.join import gathered, has_copies, is_first, undone_on_failure

_TOPIC = "the run folder"
_PATIENCE = 20.0  # seconds until what one machine wrote must be seen on another


@contextlib.contextmanager
def only_trainer(
    workdir: Path, *, used: str = "trained into", named: str = "--workdir"
) -> Iterator[None]:
    """Holds WORKDIR/lock, which is free again when the process ends, however that ends.

    Folders that are new are removed again when the block fails before it has written anything, also
    when it is another process that ends this one.

    Of several processes that train together the first one holds it. The others go on when it does,
    and when they see that it is the same folder, or where each has a copy of it.

    Args:
      used, named: what is done with the folder, and what names it; for errors.

    Raises:
      UserError: when another process holds it, the folder is not shared, or not to be written to.
    """
    if not is_first():
        mark = gathered(_TOPIC, None)[0]
        if not has_copies():
            _look_for(workdir, mark, named)
        yield
        return
    check_destinations(folder=workdir)
    new = [folder for folder in (workdir, *workdir.parents) if not folder.exists()]
    make_folder(workdir)
    with try_lock(workdir / "lock") as file:
        if file is None:
            holder: list[str] = []
            with contextlib.suppress(FileNotFoundError):  # it has just ended
                holder = (workdir / "lock").read_text("utf-8", errors="replace").splitlines()[:1]
            raise UserError(
                f"{workdir} is being {used} by {''.join(holder) or 'another process'}; wait "
                f"for its end, or give another {named}."
            )
        with undone_on_failure(lambda: _remove_new(new)):
            mark = f"process {os.getpid()} on {socket.gethostname()}\n{secrets.token_hex(8)}\n"
            with naming(workdir / "lock"):
                file.truncate(0)
                file.write(mark)
                sync(file)
            gathered(_TOPIC, mark)
            yield


def _remove_new(folders: list[Path]) -> None:
    """Removes folders, the innermost first, of which that one holds a lock of this process only."""
    with contextlib.suppress(OSError):  # one who came meanwhile; files that are open, on Windows
        for folder in folders:
            names = set(os.listdir(folder)) if folder is folders[0] else set()
            if names - {"lock", "lock.held"}:
                return
            for name in sorted(names):
                (folder / name).unlink()
            folder.rmdir()


def _look_for(workdir: Path, mark: str, named: str) -> None:
    end = time.monotonic() + _PATIENCE
    while True:
        with contextlib.suppress(OSError, UnicodeDecodeError):
            if (workdir / "lock").read_text("utf-8") == mark:
                return
        if time.monotonic() > end:
            raise UserError(
                f"{workdir.absolute()} is not the folder that the first process has, which is "
                f"{mark.splitlines()[0]}; {named} must be in one folder that all processes see."
            )
        time.sleep(0.2)
