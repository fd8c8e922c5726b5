"""Pages from templates, and what belongs to them; both are read once, from the package."""

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import DictLoader, Environment, StrictUndefined

from reid_jax.console import counted
from reid_jax.files import as_text

_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}
_TYPES[".svg"] = "image/svg+xml"


@dataclass(frozen=True)
class Static:
    """A file of the package as it is sent: its content, also compressed, and its type."""

    content: bytes
    compressed: bytes
    type: str


@cache
def static_files() -> dict[str, Static]:
    """Style sheets, scripts and drawings by name; no other name is ever looked up."""
    found = {}
    for file in files("reid_jax.app").joinpath("static").iterdir():
        ending = file.name[file.name.rfind(".") :]
        if ending in _TYPES:
            content = file.read_bytes()
            found[file.name] = Static(content, gzip.compress(content, mtime=0), _TYPES[ending])
    return found


@cache
def version() -> str:
    """A word that changes with any of the static files, so that browsers may keep them."""
    digest = hashlib.blake2b(digest_size=6)
    for _, file in sorted(static_files().items()):
        digest.update(file.content)
    return digest.hexdigest()


@cache
def _environment() -> Environment:
    folder = files("reid_jax.app").joinpath("templates")
    texts = {file.name: file.read_text("utf-8") for file in folder.iterdir()}
    environment = Environment(
        loader=DictLoader(texts),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["counted"] = counted
    environment.filters["text"] = as_text
    environment.filters["day"] = lambda date: "" if date is None else str(date)[:10]
    return environment


def page(template: str, facts: Mapping[str, Any]) -> str:
    """The page of a template; whatever is put in is text."""
    return _environment().get_template(template).render(facts)
