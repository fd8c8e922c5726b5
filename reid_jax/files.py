"""Files of which a reader sees the old one or the new one, never half of it; locks, caches."""

import contextlib
import os
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

import numpy as np


def cache_folder(name: str) -> Path:
    """Where this package keeps what can be made again: XDG_CACHE_HOME or ~/.cache; not created.

    Raises:
      RuntimeError: when there is neither.
    """
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "reid_jax" / name


@contextlib.contextmanager
def atomic_write(path: Path) -> Iterator[IO[bytes]]:
    """Opens a temporary file beside `path` that takes its place when the block ends well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def try_lock(descriptor: int) -> bool:
    """Takes an open file for this process, which lets go of it when it closes it or ends, however.

    Returns:
      False while another one has it. On Windows, which has no such locks, always True.
    """
    try:
        import fcntl
    except ImportError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def as_text(name: object) -> str:
    """A file name as Unicode that every file format takes: stray bytes become ``\\udc..``."""
    return str(name).encode("utf-8", "backslashreplace").decode("utf-8")


def write_text(path: Path, text: str) -> None:
    """Writes UTF-8 text atomically, with what is no Unicode in it as :func:`as_text` writes it."""
    with atomic_write(path) as file:
        file.write(as_text(text).encode())


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes arrays by name as .npz, atomically.

    Any name will do; `np.savez` takes names as keywords, and `file` for where to write.
    """
    with atomic_write(path) as file, zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asarray(array), allow_pickle=False)
