"""The one exception that is meant for the person at the keyboard."""


class UserError(ValueError):
    """Something in the input, the data or the command line is wrong.

    The message is one sentence: what is wrong, where, and what would be right. The scripts print it
    without a traceback.
    """


def missing(what: str, package: str, extra: str) -> UserError:
    """What to raise where `what` needs a package that only the extra installs."""
    return UserError(f"{what} needs {package}: pip install 'reid-jax[{extra}]'.")
