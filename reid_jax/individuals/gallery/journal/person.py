"""Who decides, where nobody says so."""

import getpass
import os

WHO = "REID_JAX_WHO"
"""The variable of the environment that names the person."""


def person() -> str:
    """The name in REID_JAX_WHO, else that of who is logged in, else "somebody"."""
    if os.environ.get(WHO, "").strip():
        return os.environ[WHO].strip()
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user without a name
        return "somebody"
