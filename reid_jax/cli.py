"""What the scripts share: arguments from types, errors as one sentence, kept compilations."""

import contextlib
import io
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import tyro

from reid_jax.errors import UserError
from reid_jax.files import cache_folder, expanded

_PATHS = tyro.constructors.ConstructorRegistry()


@_PATHS.primitive_rule
def _path(kind: tyro.constructors.PrimitiveTypeInfo) -> Any:
    """Paths as people write them: no shell sees the ~ of --workdir=~/runs."""
    if kind.type is not Path:
        return None
    return tyro.constructors.PrimitiveConstructorSpec(
        nargs=1,
        metavar="PATH",
        instance_from_str=lambda words: expanded(words[0]),
        is_instance=lambda value: isinstance(value, Path),
        str_from_instance=lambda value: [str(value)],
    )


def run(
    main: Callable[..., None] | Mapping[str, Callable[..., None]],
    *,
    prog: str | None = None,
    description: str | None = None,
    args: list[str] | None = None,
    flags: bool = False,
) -> None:
    """Calls `main` with the command line's arguments, see `plain_errors`.

    Of several functions, the first argument names the one to call. With `flags`, what is False by
    default becomes True by its name alone; otherwise it is given a value.
    """
    config = (tyro.conf.FlagCreatePairsOff if flags else tyro.conf.FlagConversionOff,)
    with plain_errors():
        if callable(main):
            tyro.cli(
                main,
                prog=prog,
                description=description,
                args=args,
                config=config,
                registry=_PATHS,
            )
        else:
            tyro.extras.subcommand_cli_from_dict(
                dict(main),
                prog=prog,
                description=description,
                args=args,
                config=config,
                registry=_PATHS,
            )


@contextlib.contextmanager
def plain_errors() -> Iterator[None]:
    """What a person did or a disk refused is one line and exit code 2, not a traceback."""
    _quiet()
    try:
        yield
    except BrokenPipeError:  # `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except (UserError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)


def _quiet() -> None:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # file names need not be Unicode
            stream.reconfigure(errors="backslashreplace")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def use_huge_pages() -> None:
    """Starts this program again with an allocator that asks Linux for huge pages.

    A step on a CPU takes and returns hundreds of megabytes; by small pages it waits for the kernel
    to make them, 15-30% of its time. glibc reads the setting when a process begins, so this comes
    before anything slow. Nothing happens where GLIBC_TUNABLES is set already, or off Linux.
    """
    if sys.platform == "linux" and "GLIBC_TUNABLES" not in os.environ:
        os.environ["GLIBC_TUNABLES"] = "glibc.malloc.hugetlb=1"
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def keep_compilations() -> None:
    """Turns on JAX's persistent compilation cache in the user's cache folder.

    JAX_COMPILATION_CACHE_DIR chooses another folder.
    """
    import jax

    if jax.config.values["jax_compilation_cache_dir"] is None:
        jax.config.update("jax_compilation_cache_dir", str(cache_folder("xla")))
    # A start compiles some dozens of small programs, each below JAX's own threshold of a second.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
