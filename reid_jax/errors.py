"""The one exception that is meant for the person at the keyboard, and when it may wait."""

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar

_unwritten: ContextVar[list[str] | None] = ContextVar("_unwritten", default=None)


class UserError(ValueError):
    """Something in the input, the data or the command line is wrong.

    The message is one sentence: what is wrong, where, and what would be right. The scripts print it
    without a traceback.
    """


class OtherRunError(UserError):
    """A folder holds a run that answers another question than the one it is needed for.

    Args:
      workdir: the folder.
      found, needed: the names of the two kinds of configuration.
    """

    def __init__(self, workdir: object, found: str, needed: str):
        super().__init__(f"{workdir} is a run of another kind, of {found}, not {needed}.")
        self.workdir, self.found, self.needed = workdir, found, needed


def missing(what: str, package: str, extra: str) -> UserError:
    """What to raise where `what` needs a package that only the extra installs."""
    return UserError(f"{what} needs {package}: pip install 'reid-jax[{extra}]'.")


@contextlib.contextmanager
def said_unless_written(what: object) -> Iterator[None]:
    """A disk that refuses a report costs the report, not the numbers that are still to come.

    In `all_written` the error comes at the end, else it is printed.
    """
    try:
        yield
    except OSError as error:
        sentence = f"{what} cannot be written ({error})."
        if (waiting := _unwritten.get()) is None:
            print(sentence)
        else:
            waiting.append(sentence)


@contextlib.contextmanager
def all_written() -> Iterator[None]:
    """Ends in an error when something could not be written, after all else has been done.

    Raises:
      UserError: naming all of it, see `said_unless_written`.
    """
    unwritten: list[str] = []
    token = _unwritten.set(unwritten)
    try:
        yield
    except BaseException:
        print(*unwritten, sep="\n", end="\n" if unwritten else "")
        raise
    finally:
        _unwritten.reset(token)
    if unwritten:
        raise UserError(" ".join(unwritten))
