"""What commands share: errors as one sentence, a terminal that prints all, huge pages."""

import contextlib
import io
import logging
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from reid_jax.commands.catalogue import Command
from reid_jax.errors import OtherRunError, UserError, all_written
from reid_jax.platforms import reader_left
from reid_jax.remote.folders import KeptHereError, by_url


class UsageError(UserError):
    """Words that mean nothing, whatever they are given for: exit code 2."""


def run_command(command: Command, words: Sequence[str]) -> None:
    """Calls a command with what follows it on the command line.

    Raises:
      UserError: it is given a run of another kind than it needs, and what the command raises.
    """
    try:
        _run_command(command, words)
    except OtherRunError as error:
        from reid_jax.questions import in_words

        raise UserError(in_words(error)) from error


def _run_command(command: Command, words: Sequence[str]) -> None:
    from reid_jax.commands.arguments import call, flags_alone, with_flags

    function = command.function()
    if getattr(function, "reads_words", False):  # its arguments follow from its arguments
        function(list(words))
        return
    flagged = with_flags(flags_alone(function, words), command.first, function)
    call(function, flagged, f"reid-jax {command.words}", command.order)


def run(function: Callable[..., None]) -> None:
    """Calls a function with the command line's arguments, see `plain_errors`."""
    from reid_jax.commands.arguments import call

    with plain_errors():
        call(function, sys.argv[1:])


@contextlib.contextmanager
def plain_errors(verbose: bool = False) -> Iterator[None]:
    """What a person did or a disk refused is one line and exit code 1.

    `verbose` adds the traceback, and what libraries have to say.
    """
    _prepare_terminal(verbose)
    refused = False  # by a disk, which may be that of the output
    try:
        with all_written():
            yield
    except (UserError, OSError) as error:
        if reader_left(error):  # `| head` has seen enough
            _nothing_more()
            sys.exit(1)
        if verbose:
            traceback.print_exc()
        refused = isinstance(error, OSError)
        text = str(error) if isinstance(error, KeptHereError) else by_url(str(error))
        print(f"error: {text}", file=sys.stderr)
        sys.exit(2 if isinstance(error, UsageError) else 1)
    except KeyboardInterrupt as interrupt:
        print(str(interrupt) or "interrupted", file=sys.stderr)
        sys.exit(130)
    finally:
        _print_what_waits(told=refused)


def _print_what_waits(told: bool) -> None:
    """Else Python prints it after the last handler, and a traceback where nobody reads it."""
    if sys.stdout is None:  # `>&-`
        return
    try:
        sys.stdout.flush()
    except OSError as error:
        _nothing_more()
        if not told and not reader_left(error):
            print(f"error: the output cannot be written: {error}", file=sys.stderr)
        sys.exit(1)


def _nothing_more() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _prepare_terminal(verbose: bool) -> None:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # file names need not be Unicode, and who
            # watches a file of the output wants each line when it is printed
            stream.reconfigure(errors="backslashreplace", line_buffering=True)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "0" if verbose else "3")
    if verbose:
        logging.basicConfig(level=logging.INFO, stream=sys.stderr)


def use_huge_pages() -> None:
    """Starts this program again with an allocator that asks Linux for huge pages.

    A step on a CPU takes and returns hundreds of megabytes; by small pages it waits for the kernel
    to make them, 15-30% of its time. glibc reads the setting when a process begins, so this comes
    before anything slow. Nothing happens where GLIBC_TUNABLES is set already, or off Linux.
    """
    if sys.platform == "linux" and "GLIBC_TUNABLES" not in os.environ:
        os.environ["GLIBC_TUNABLES"] = "glibc.malloc.hugetlb=1"
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def writes(name: str) -> Callable[[Any], Any]:
    """Marks a command that changes what its argument of this name holds, one process at a time."""

    def mark(function: Any) -> Any:
        function.writes = name
        return function

    return mark


def reads_words(function: Any) -> Any:
    """Marks a command that is handed the words themselves."""
    function.reads_words = True
    return function
