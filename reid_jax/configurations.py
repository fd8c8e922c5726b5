"""The experiments that come with the package, found by their bare name."""

import ast
import dataclasses
import difflib
import importlib.util
import sys
import traceback
from pathlib import Path
from typing import Any

from reid_jax.errors import UserError
from reid_jax.files import expanded

_PACKAGE = Path(__file__).resolve().parent


@dataclasses.dataclass(frozen=True)
class Configuration:
    """A file with a function `get_config()`.

    Attributes:
      name: its bare name.
      path: the file.
      text: the first line of its docstring.
      needs, score: what its docstring says under "Needs:" and "Score:".
    """

    name: str
    path: Path
    text: str
    needs: str
    score: str


def folder() -> Path:
    """Where the configurations are: in the package that was installed, or beside it."""
    installed = _PACKAGE / "configs"
    return installed if installed.is_dir() else _PACKAGE.parent / "configs"


def names() -> list[str]:
    """The bare names, sorted.

    Example:
      >>> "demo" in rj.configs.names()
      True
    """
    return sorted(path.stem for path in folder().rglob("*.py") if path.stem != "__init__")


def describe(path: Path) -> Configuration:
    """What a file says of itself, without running it."""
    try:
        lines = (ast.get_docstring(ast.parse(path.read_bytes())) or "").splitlines()
    except SyntaxError as error:
        raise UserError(_what_failed(path, error)) from error

    def after(word: str) -> str:
        return next((line[len(word) :].strip() for line in lines if line.startswith(word)), "")

    return Configuration(
        path.stem, path, lines[0] if lines else "", after("Needs:"), after("Score:")
    )


def find(name: str) -> Path:
    """The file of a bare name, or the file at a path.

    Raises:
      UserError: there is none; the nearest name is given.
    """
    path = expanded(name)
    if path.suffix == ".py" or path.parent != Path():
        if path.is_file() and path.suffix == ".py":
            return path
        if path.suffix != ".py" or path.stem not in names():
            raise UserError(_unknown(name, path.stem))
        raise UserError(
            f"There is no file {name}; the configuration that is installed is {path.stem}."
        )
    found = [each for each in folder().rglob("*.py") if each.stem == name]
    if not found:
        raise UserError(_unknown(name, name))
    return found[0]


_RENAMED = {"my_photos": "recipe"}


def _unknown(name: str, stem: str) -> str:
    if stem in _RENAMED:
        return f"The configuration {stem} is called {_RENAMED[stem]} now, and asks for --minutes."
    if name and expanded(name).is_file():
        return f"{name} is no configuration: the name of a Python file ends in .py."
    near = difflib.get_close_matches(stem.lower(), names(), 1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(names())}."
    return f"There is no configuration {name or 'without a name'}; {hint}"


def get(name: str) -> Any:
    """The configuration of a bare name or of a file: what its `get_config()` returns.

    Raises:
      UserError: there is no such file, it fails, or it gives no configuration.

    Example:
      >>> config = rj.configs.get("demo")
      >>> config.data.image_size
      64
    """
    path = find(name)
    spec = importlib.util.spec_from_file_location(f"reid_jax_configuration_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None  # it is a .py file
    module = importlib.util.module_from_spec(spec)
    sys.modules[module.__name__] = module  # where types that the file defines are looked up
    try:
        spec.loader.exec_module(module)
        if not hasattr(module, "get_config"):
            raise UserError(f"{path} has no function get_config() that returns a configuration.")
        found = module.get_config()
    except (UserError, OSError, MemoryError):
        raise
    except Exception as error:
        raise UserError(_what_failed(path, error)) from error
    if (
        not dataclasses.is_dataclass(found)
        or isinstance(found, type)
        or not hasattr(found, "train")
    ):
        raise UserError(
            f"get_config() of {path} returns {type(found).__name__}; it returns a configuration, "
            'such as reid_jax.configurations.get("demo").'
        )
    return found


def _what_failed(path: Path, error: Exception) -> str:
    """The mistake in a person's file, with the last of its lines that led there."""
    if isinstance(error, SyntaxError) and error.filename in (str(path), "<unknown>"):
        return f"{path} is not Python: line {error.lineno}, {error.msg}."
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == str(path)]
    where = f", line {lines[-1]}" if lines else ""
    sentence = f"{path} fails{where}: {type(error).__name__}: {error}."
    if isinstance(error, ImportError) and (error.name or "").startswith("reid_jax"):
        places = _imported(*folder().rglob("*.py"))
        now = sorted(
            f"from {places[name]} import {name}"
            for name, before in _imported(path).items()
            if places.get(name, before) != before
        )
        sentence += f" It is elsewhere now: {'; '.join(now)}." if now else ""
    return sentence


def _imported(*files: Path) -> dict[str, str]:
    """By name the module that files import it from."""
    nodes = (node for file in files for node in ast.walk(ast.parse(file.read_bytes())))
    froms = (node for node in nodes if isinstance(node, ast.ImportFrom))
    return {name.name: node.module or "" for node in froms for name in node.names}
