"""The experiments that come with the package, found by their bare name."""

import ast
import difflib
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reid_jax.errors import UserError
from reid_jax.files import expanded

_PACKAGE = Path(__file__).resolve().parent


@dataclass(frozen=True)
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
    """The bare names, sorted."""
    return sorted(path.stem for path in folder().rglob("*.py") if path.stem != "__init__")


def describe(path: Path) -> Configuration:
    """What a file says of itself, without running it."""
    try:
        lines = (ast.get_docstring(ast.parse(path.read_text())) or "").splitlines()
    except SyntaxError as error:
        raise UserError(f"{path} is not Python: line {error.lineno}, {error.msg}.") from error

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
        if path.is_file():
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


def _unknown(name: str, stem: str) -> str:
    near = difflib.get_close_matches(stem, names(), 1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(names())}."
    return f"There is no configuration {name}; {hint}"


def get(name: str) -> Any:
    """The configuration of a bare name or of a file: what its `get_config()` returns.

    Raises:
      UserError: there is no such file, or it has no such function.
    """
    path = find(name)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None  # it is a .py file
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not hasattr(module, "get_config"):
        raise UserError(f"{path} has no function get_config() that returns a configuration.")
    return module.get_config()
