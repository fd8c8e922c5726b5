"""One trainer a run folder: two would overwrite each other's checkpoints."""

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from reid_jax.errors import UserError
from reid_jax.files import try_lock
from reid_jax.training.multihost import is_first


@contextlib.contextmanager
def only_trainer(workdir: Path) -> Iterator[None]:
    """Holds WORKDIR/lock, which the system releases with the process, however that ends.

    Raises:
      UserError: when another process holds it.
    """
    if not is_first():  # of several processes that train together
        yield
        return
    workdir.mkdir(parents=True, exist_ok=True)
    with (workdir / "lock").open("a+") as file:
        if not try_lock(file.fileno()):
            file.seek(0)
            holder = file.read().strip() or "another process"
            raise UserError(
                f"{workdir} is being trained into by {holder}; wait for its end, or give another "
                "--workdir."
            )
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}")
        file.flush()
        yield
