"""Files of which a reader sees the old one or the new one, never half of it; caches."""

import contextlib
import os
import secrets
import stat
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

import numpy as np

_PREFIX = 200  # bytes at most of a name that stands in that of its temporary file


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
    name = path.name if len(os.fsencode(path.name)) <= _PREFIX else "new"
    beside = path.with_name(f".{name}.{secrets.token_hex(4)}")
    try:
        with open(beside, "xb") as file:  # with the mode that the umask leaves
            yield file
            file.flush()
            os.fsync(file.fileno())
        share(beside)
        os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def share(path: Path) -> None:
    """Lets the group change a file or folder that was made in a folder which a group shares.

    Such a folder has the setgid bit and is writable by its group; a umask of 022 would make what
    one of them writes there unchangeable for the others.
    """
    shared = stat.S_ISGID | stat.S_IWGRP
    if os.stat(path.parent).st_mode & shared == shared:
        with contextlib.suppress(OSError):  # somebody else's, who has done so or has not
            os.chmod(path, os.stat(path).st_mode | stat.S_IRGRP | stat.S_IWGRP)


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
