"""A configuration as arguments of a command, by the marks of its fields."""

import ast
import dataclasses
import functools
import inspect
import textwrap
import typing
from itertools import pairwise
from typing import Annotated, Any

import tyro

from reid_jax.errors import UserError
from reid_jax.fields import HIDDEN, OFTEN, Auto, marks_of


class RefusedError(Exception):
    """A value that its configuration refuses, past tyro, which takes it for a word misunderstood.

    Its cause is the UserError.
    """


def as_arguments(info: tyro.constructors.StructTypeInfo) -> Any:
    """A configuration by the marks of its fields.

    Those that are set often stand beside it, before its sections, and have short names. Of several
    kinds, as of losses, the default's is offered. What is not offered stays as it is.
    """
    default = info.default
    if not dataclasses.is_dataclass(info.type) or not isinstance(default, info.type):
        return None
    sections = {each.name: getattr(default, each.name) for each in dataclasses.fields(default)}
    often = [
        field
        for name, section in sections.items()
        if dataclasses.is_dataclass(section)
        for field in _fields(section, f"{name}.", often=True)
    ]

    def make(**given: Any) -> Any:
        try:
            for each in often:
                section, _, name = each.name.partition(".")
                given[section] = dataclasses.replace(given[section], **{name: given.pop(each.name)})
            return dataclasses.replace(default, **given)
        except UserError as error:
            raise RefusedError from error

    make.__doc__ = inspect.getdoc(info.type)  # what stands over its section
    return tyro.constructors.StructConstructorSpec(
        instantiate=make, fields=(*often, *_fields(default, "", often=False))
    )


def _fields(config: Any, prefix: str, often: bool) -> list[tyro.constructors.StructFieldSpec]:
    """The fields of a dataclass that are set often, or the others, as arguments."""
    kind: Any = type(config)
    types, texts = typing.get_type_hints(kind), _texts(kind)
    found = []
    for name, marks in marks_of(kind).items():
        if (OFTEN in marks) != often or HIDDEN in marks:
            continue
        value = getattr(config, name)
        plain = isinstance(types[name], type)  # of a Literal, auto is one of its words
        autos = [mark.value for mark in marks if plain and isinstance(mark, Auto)]
        extras: list[Any] = [_or_auto(types[name], auto) for auto in autos]
        if often:
            extras.append(tyro.conf.arg(aliases=(f"--{name.replace('_', '-')}",)))
        offered: Any = type(value) if dataclasses.is_dataclass(value) else types[name]
        if extras:
            offered = Annotated[(offered, *extras)]
        found.append(
            tyro.constructors.StructFieldSpec(prefix + name, offered, value, texts.get(name))
        )
    return found


def _or_auto(kind: Any, auto: float | str) -> tyro.constructors.PrimitiveConstructorSpec[Any]:
    """How a value is read that may be `auto`, which `auto` stands for."""
    return tyro.constructors.PrimitiveConstructorSpec(
        nargs=1,
        metavar=f"{kind.__name__.upper()}|auto",
        instance_from_str=lambda words: auto if words[0] == "auto" else kind(words[0]),
        is_instance=lambda value: isinstance(value, kind),
        str_from_instance=lambda value: ["auto" if value == auto else str(value)],
    )


@functools.cache
def _texts(kind: type) -> dict[str, str]:
    """What stands in quotes under the fields of a dataclass and of those that it is made from."""
    texts: dict[str, str] = {}
    for each in reversed(kind.__mro__[:-1]):
        try:
            source = textwrap.dedent(inspect.getsource(each))
        except OSError:  # a class that a program made
            continue
        for field, text in pairwise(ast.parse(source).body[0].body):  # type: ignore[attr-defined]
            match field, text:
                case (
                    ast.AnnAssign(target=ast.Name(id=name)),
                    ast.Expr(value=ast.Constant(value=str(words))),
                ):
                    texts[name] = " ".join(words.split())
    return texts
