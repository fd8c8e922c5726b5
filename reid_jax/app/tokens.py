"""Tokens by which programs ask: kept as digests, each with what it may do."""

import hashlib
import json
import secrets
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from reid_jax.data.names import composed
from reid_jax.errors import UserError
from reid_jax.files import write_text

Scope = Literal["read", "decide"]
SCOPES: tuple[Scope, ...] = ("read", "decide")
"""To look, drop and identify; and to decide as well."""

_BEGINS = "rj_"


class Tokens:
    """The tokens in a file; a token itself is shown once and never written down."""

    def __init__(self, file: Path) -> None:
        self._file, self._alone = file, threading.Lock()

    def _read(self) -> dict[str, dict[str, Any]]:
        try:
            found = json.loads(self._file.read_text("utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise UserError(f"{self._file} cannot be read; make new tokens without it.") from error
        return dict(found)

    def make(self, name: str, scope: Scope) -> str:
        """A new token.

        Args:
          name: of what will use it; decisions carry it.

        Raises:
          UserError: there is one of this name.
        """
        with self._alone:
            known = self._read()
            if any(each["name"] == composed(name) for each in known.values()):
                raise UserError(f"There is a token {name} already; take it back first.")
            token = _BEGINS + secrets.token_urlsafe(32)
            known[_digest(token)] = {"name": composed(name), "scope": scope, "made": time.time()}
            self._write(known)
            return token

    def take_back(self, name: str) -> None:
        """A token is worth nothing from now on.

        Raises:
          UserError: there is none of this name.
        """
        with self._alone:
            known, wanted = self._read(), composed(name)
            rest = {digest: each for digest, each in known.items() if each["name"] != wanted}
            if len(rest) == len(known):
                raise UserError(f"There is no token {name}.")
            self._write(rest)

    def _write(self, known: Mapping[str, Any]) -> None:
        write_text(self._file, json.dumps(known, indent=1) + "\n")

    def known(self, token: str) -> dict[str, Any] | None:
        """What a token may do: its "name" and "scope"; None for one that is none."""
        return self._read().get(_digest(token))


def _digest(token: str) -> str:
    return hashlib.blake2b(token.encode("utf-8", "replace"), digest_size=32).hexdigest()
