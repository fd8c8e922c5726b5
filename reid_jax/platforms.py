"""What Linux, macOS and Windows do differently: a function each, with the way of all of them.

No other file asks which system it runs on, but for what trains on a cluster.
"""

import contextlib
import errno
import glob
import importlib
import os
import platform
import shutil
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, TypeVar

Result = TypeVar("Result")

COMPILERS = "REID_JAX_COMPILERS"  # in the environment of a process that compiles for others
_PATIENCE = 10.0  # seconds for others to close a file
_NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL}


def hide_compilers() -> None:
    """Keeps JAX from the compilers of accelerators that this machine does not have.

    The extra `plan` installs what JAX would take for a GPU's or a TPU's driver; it would fail to
    start it, and say so in pages. Called before jax is imported; what is there stays.
    """
    if COMPILERS in os.environ or "jax" in sys.modules:
        return
    if not _has_tpu():
        sys.modules.setdefault("libtpu", None)  # type: ignore[arg-type]
    if not _has_nvidia():
        nothing = types.ModuleType("jax_plugins.xla_cuda12")
        nothing.initialize = lambda: None  # type: ignore[attr-defined]
        sys.modules.setdefault(nothing.__name__, nothing)
        sys.modules.setdefault("jax_cuda12_plugin", None)  # type: ignore[arg-type]


def _has_tpu() -> bool:
    return bool(glob.glob("/dev/accel*") or glob.glob("/dev/vfio/[0-9]*"))


def _has_nvidia() -> bool:
    return any(map(os.path.exists, ("/proc/driver/nvidia/version", "/dev/nvidiactl", "/dev/dxg")))


def with_slashes(path: str) -> str:
    """A path of this system as it is stored: with `/`, which every system opens."""
    return path if os.sep == "/" else path.replace(os.sep, "/")


def relative(path: Path, start: Path) -> str:
    """The way from one folder to another, as it is stored; all of it to another drive."""
    try:
        return with_slashes(os.path.relpath(path, start))
    except ValueError:  # Windows' C: and D:
        return path.as_posix()


def patiently(action: Callable[[], Result]) -> Result:
    """Repeats what Windows refuses as long as another program has the file open, for ten seconds.

    Raises:
      OSError: as the action does; elsewhere at once.
    """
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            return action()
        except OSError as error:
            if not in_use(error) or time.monotonic() > end:
                raise
        time.sleep(0.02)


def in_use(error: OSError) -> bool:
    """Whether it may be Windows' way to say that another program has the file open."""
    return os.name == "nt" and isinstance(error, PermissionError)


def replace(source: Path, target: Path) -> None:
    """Puts a file in another one's place, of which readers see the old one or the new one."""
    patiently(lambda: os.replace(source, target))


def sync(file: IO[bytes] | IO[str]) -> None:
    """Brings what was written to a file onto the disk."""
    file.flush()
    os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """So that the names in a folder survive a power cut, too; Windows opens no folders."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def link_folder(link: Path, folder: Path) -> None:
    """Makes another name for a folder; on Windows a junction where links need an administrator."""
    try:
        link.symlink_to(folder, target_is_directory=True)
    except OSError:
        if os.name != "nt":
            raise
        importlib.import_module("_winapi").CreateJunction(str(folder), str(link))


def link_file(file: Path, link: Path) -> str:
    """Makes another name for a file: a hard link, else a symbolic one, else a copy; says which.

    Two disks have no hard links between them; FAT has no links, and Windows asks who makes one.
    A symbolic link says the way from it, so that both may be moved together.
    """
    real = file.resolve()  # a hard link of a link would be another way from another place
    with contextlib.suppress(OSError, NotImplementedError):
        os.link(real, link)
        return "hard"
    with contextlib.suppress(OSError, NotImplementedError, ValueError):  # of Windows' C: and D:
        link.symlink_to(os.path.relpath(real, link.parent.resolve()))
        return "symbolic"
    shutil.copyfile(real, link)
    return "copy"


def lock_file(descriptor: int) -> bool | None:
    """Whether an open file's lock could be taken; None where there are no such locks.

    It is free again when the process ends, however that ends. Windows has none of that kind.
    """
    try:
        import fcntl
    except ImportError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno in _NO_LOCKS:
            return None
        raise
    return True


def has_ended(process: int) -> bool:
    """Whether a process of this machine is surely gone. Windows' `kill` would end it."""
    if os.name == "nt":
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return False


def longest_path() -> tuple[int, int] | None:
    """Bytes that a path, and a name in it, may have; None where the system does not say."""
    if not hasattr(os, "pathconf"):
        return None
    return os.pathconf("/", "PC_PATH_MAX"), os.pathconf("/", "PC_NAME_MAX")


def memory_bytes(*, free: bool = False) -> int | None:
    """Memory of this machine, all or what is free; None where the system does not say."""
    try:
        pages = os.sysconf("SC_AVPHYS_PAGES" if free else "SC_PHYS_PAGES")
        return pages * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError):  # Windows has no sysconf, macOS does not say what is free
        return None


def limit_this_process(memory: int, file: int) -> None:
    """What this process may use at most, where the system knows such limits: Windows does not.

    Args:
      memory: bytes of address space.
      file: bytes of a file that it writes.
    """
    with contextlib.suppress(ImportError, ValueError, OSError):
        resource: Any = importlib.import_module("resource")
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        resource.setrlimit(resource.RLIMIT_FSIZE, (file, file))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def processors() -> int:
    """How many this process may use; where the system does not say, all that there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def instructions() -> str:
    """Of the CPU, what programs are compiled for; where the system does not say, its kind."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines():
            if line.startswith(("flags", "Features")):
                return line
    return platform.processor() or platform.machine()


def reader_left(error: Exception) -> bool:
    """Whether nobody reads what is printed any more, as after `| head`.

    Windows calls that an invalid argument, as it calls a name that no file can have.
    """
    if isinstance(error, BrokenPipeError):
        return True
    if os.name != "nt" or not isinstance(error, OSError):
        return False
    return error.errno == errno.EINVAL and error.filename is None
