"""What the scripts share: arguments from types, errors as one sentence, kept compilations."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import tyro

from reid_jax.errors import UserError


def run(
    main: Callable[..., None], *, prog: str | None = None, args: list[str] | None = None
) -> None:
    """Calls `main` with the command line's arguments; a `UserError` is one line and code 2."""
    _quiet()
    try:
        tyro.cli(main, prog=prog, args=args, config=(tyro.conf.FlagConversionOff,))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)


def _quiet() -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def keep_compilations() -> None:
    """Turns on JAX's persistent compilation cache in the user's cache folder.

    JAX_COMPILATION_CACHE_DIR chooses another folder.
    """
    import jax

    if jax.config.values["jax_compilation_cache_dir"] is None:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        jax.config.update("jax_compilation_cache_dir", str(cache / "reid_jax" / "xla"))
