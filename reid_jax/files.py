"""Files of which a reader sees the old one or the new one, never half of it; and their places."""

import atexit
import contextlib
import functools
import hashlib
import logging
import os
import posixpath
import secrets
import shutil
import stat
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

import numpy as np

from reid_jax.errors import UserError
from reid_jax.platforms import replace, sync

PROBE = ".probe-"
"""How an empty folder is named by which a place is tried; who is killed meanwhile leaves it."""

DIGEST_BYTES = 16
_PREFIX = 200  # bytes at most of a name that stands in that of its temporary file


def cache_folder(name: str) -> Path:
    """Where this package keeps what can be made again: XDG_CACHE_HOME or ~/.cache; not created.

    Where there is neither, or it cannot be written to, as in containers, a folder of this process.
    """
    return _cache() / "reid_jax" / name


@functools.cache
def _cache() -> Path:
    try:
        folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        if _can_be_written(folder):
            return folder
        why = f"{folder} cannot be written to"
    except RuntimeError:  # neither HOME nor an entry in the system's list of users
        why = "there is no home folder"
    print(f"{why}: nothing is kept for the next time (XDG_CACHE_HOME says where)", file=sys.stderr)
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # says it again, at length
    passing = tempfile.mkdtemp(prefix="reid_jax-")
    atexit.register(shutil.rmtree, passing, ignore_errors=True)
    return Path(passing)


def _can_be_written(folder: Path) -> bool:
    """Whether it, or the nearest folder above it that there is, takes new files."""
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)


def expanded(path: str) -> Path:
    """A path as a person writes it, with the home folder in the place of ``~``.

    Raises:
      UserError: there is no such home folder.
    """
    whole = os.path.expanduser(path)  # not Path's, for which ./~ is ~
    if whole == path and path.startswith("~") and not os.path.exists(path):
        raise UserError(f"{path} begins with a home folder that is not known; write all of it.")
    return Path(whole)


def check_form(what: object, found: object, known: int) -> None:
    """Refuses what a newer version of this program has written in a form that this one cannot read.

    A number goes up when programs that know the earlier form would read the new one wrongly.

    Args:
      what: the run, gallery or export, as a person knows it.
      found: the number that stands in it.
      known: the highest that this program reads.

    Raises:
      UserError: it is newer, or no number.
    """
    if isinstance(found, bool) or not isinstance(found, int) or found < 1:
        raise UserError(
            f"{what} is damaged: its form is a number from 1 to {known}, not {found!r}."
        )
    if found > known:
        raise UserError(
            f"{what} was written by a newer reid_jax (form {found}, this one reads up to {known}); "
            "update it: pip install --upgrade reid-jax."
        )


@contextlib.contextmanager
def atomic_write(path: Path) -> Iterator[IO[bytes]]:
    """Opens a temporary file beside `path` that takes its place when the block ends well.

    What is no file, as /dev/stdout or a pipe, is written to as it is.
    """
    if _takes_bytes(path):
        with naming(path), open(path, "wb") as stream:
            yield stream
        return
    make_folder(path.parent)
    beside = _hidden(path)
    try:
        with naming(path, beside):
            with open(beside, "xb") as file:  # with the mode that the umask leaves
                yield file
                sync(file)
            share(beside)
            replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def _hidden(path: Path) -> Path:
    """A name beside a path that nothing else has."""
    name = path.name if len(os.fsencode(path.name)) <= _PREFIX else "new"
    return path.with_name(f".{name}.{secrets.token_hex(4)}")


@contextlib.contextmanager
def naming(path: Path, instead_of: Path | None = None) -> Iterator[None]:
    """Errors of writing a file name it; the system does so when it is opened, and no more.

    Args:
      instead_of: another name that the file has while it is written.
    """
    try:
        yield
    except OSError as error:
        nameless = error.errno is not None and error.filename in (None, str(instead_of))
        if nameless:
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


def check_destinations(*files: Path | None, folder: Path | None = None) -> None:
    """Makes sure that files can be written, before the work whose results they are to hold.

    Nothing is left behind: a command that is refused for another reason has made no folder.

    Args:
      files: each to be written, in the place of an older one; None is passed over.
      folder: to be written into.

    Raises:
      UserError: one cannot be, or two are the same.
    """
    taken: set[str] = set()
    for path in (file for file in files if file is not None):
        if (place := os.path.realpath(path)) in taken:
            raise UserError(f"Two things cannot be written to one file, {path}; name two files.")
        taken.add(place)
        if os.path.isdir(path):
            raise UserError(f"{path} is a folder; name a file.")
        if not _takes_bytes(path):
            _try(path, path.parent)
    if folder is not None:
        _try(folder, folder)


def _try(path: Path, folder: Path) -> None:
    around = (folder, *folder.parents)
    try:
        with contextlib.suppress(FileNotFoundError):
            os.lstat(path)  # refuses names that are too long
        there = next(one for one in around if os.path.lexists(one))
        probe = there / f"{PROBE}{secrets.token_hex(8)}"
        probe.mkdir()
        with contextlib.suppress(FileNotFoundError):  # taken for one that was left
            probe.rmdir()
    except OSError as error:
        files = [str(one) for one in around if os.path.lexists(one) and not os.path.isdir(one)]
        why = f"{files[0]} is a file, not a folder" if files else error.strerror
        raise UserError(f"{path} cannot be written to ({why}); name another place.") from None


def _takes_bytes(path: Path) -> bool:
    return os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path)


def make_folder(folder: Path) -> None:
    """Makes a folder and those around it where they are missing, see `share`."""
    missing = [one for one in (folder, *folder.parents) if not os.path.isdir(one)]
    for one in reversed(missing):
        one.mkdir(exist_ok=True)
        share(one)


def share(path: Path) -> None:
    """Lets the group change a file or folder that was made in a folder which a group shares.

    Such a folder has the setgid bit and is writable by its group; a umask of 022 would make what
    one of them writes there unchangeable for the others.
    """
    shared = stat.S_ISGID | stat.S_IWGRP
    if os.stat(path.parent).st_mode & shared == shared:
        with contextlib.suppress(OSError):  # somebody else's, who has done so or has not
            os.chmod(path, os.stat(path).st_mode | stat.S_IRGRP | stat.S_IWGRP)


def check_new(out: Path) -> None:
    """Refuses a folder that holds something.

    Raises:
      UserError: it does, or it cannot be written.
    """
    if out.is_dir() and any(out.iterdir()):
        raise UserError(f"{out} holds something already; name a folder that is new or empty.")
    check_destinations(folder=out)


@contextlib.contextmanager
def whole_folder(out: Path) -> Iterator[Path]:
    """A folder that takes the place of `out` when the block ends well, and else is gone."""
    whole = out.absolute()
    make_folder(whole.parent)
    folder = _hidden(whole)
    folder.mkdir()
    try:
        yield folder
        share(folder)
        if whole.is_dir():
            whole.rmdir()
        replace(folder, whole)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def digest_of(file: IO[bytes]) -> bytes:
    """32 hexadecimal digits that name the bytes of an open file, from its beginning."""
    file.seek(0)
    digest = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=DIGEST_BYTES))  # type: ignore[arg-type]
    return digest.hexdigest().encode()


def as_text(name: object) -> str:
    """A file name as Unicode that every file format takes: stray bytes become ``\\udc..``."""
    return str(name).encode("utf-8", "backslashreplace").decode("utf-8")


def common_folder(folders: Sequence[str]) -> str:
    """The innermost folder that holds all of these; empty where there is none, as on two drives."""
    try:
        common = posixpath.commonpath(folders)
    except ValueError:
        return ""
    if "://" in folders[0]:  # of which it takes a slash
        common = common.replace(":/", "://", 1) if ":/" in common else ""
    return common


def below(folder: str, path: str) -> str:
    """The path as it is seen from a folder around it; elsewhere as it is."""
    return path.removeprefix(folder.rstrip("/") + "/") if folder else path


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
