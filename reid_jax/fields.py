"""What the fields of a configuration may hold: said where each is declared, checked by one walker.

A field says it in its type, `steps: Annotated[int, POSITIVE] = 1000`.
"""

import dataclasses
import functools
import numbers
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from reid_jax.errors import UserError

Config = TypeVar("Config")


@dataclass(frozen=True)
class Bound:
    """A range of numbers; NaN is in none."""

    least: float | None = None
    above: float | None = None
    most: float | None = None
    below: float | None = None

    def holds(self, value: float) -> bool:
        """Whether the value lies in the range."""
        return bool(
            value == value
            and (self.least is None or value >= self.least)
            and (self.above is None or value > self.above)
            and (self.most is None or value <= self.most)
            and (self.below is None or value < self.below)
        )

    def check(self, name: str, value: Any) -> None:
        """Refuses a number outside; what is no number yet, as while JAX traces, passes.

        Raises:
          UserError: naming it, its value and the range.
        """
        if isinstance(value, numbers.Real) and not self.holds(float(value)):
            raise UserError(f"{name} is {value}; it must be {self}.")

    def __str__(self) -> str:
        if self.least is not None and self.most is not None:
            return f"from {self.least:g} to {self.most:g}"
        upper = f"at most {self.most:g}" if self.most is not None else ""
        upper = f"below {self.below:.3g}" if self.below is not None else upper
        if self.above is not None:
            return f"above {self.above:g}" + (f" and {upper}" if upper else "")
        return f"at least {self.least:g} and {upper}" if upper else f"{self.least:g} or more"


@dataclass(frozen=True)
class Mark:
    """What a field is: its text, for `changed`, or how a command offers it."""

    name: str


@dataclass(frozen=True)
class Auto:
    """A person may say `auto` for this field, which the value stands for, bounds or not."""

    value: float | str


POSITIVE = Bound(above=0)
NOT_NEGATIVE = Bound(least=0)
FRACTION = Bound(least=0, below=1)
PROBABILITY = Bound(least=0, most=1)
PATH = Mark("a path, or empty")
PATHS = Mark("paths, separated by commas, or empty")
WEIGHTS = Mark("where published weights come from")
PHOTOS = Mark("a source of photos")
TEACHERS = Mark("runs or published networks, separated by commas, or empty")
OFTEN = Mark("set often: help shows it first, and its last name is enough")
HIDDEN = Mark("not to be chosen by a person")


def check(config: Any, name: str = "", *, whose: bool = False) -> None:
    """Refuses the first field that is not of its type or bound, also of dataclasses inside.

    Args:
      config: a dataclass.
      name: what it is called in the whole configuration.
      whose: says the class too, where one of several stands under that name.

    Raises:
      UserError: naming the field, its value and the range.
    """
    hints = typing.get_type_hints(type(config))
    for field, full, marks in _fields(config, name):
        value = getattr(config, field)
        of = f" of {type(config).__name__}" if whose else ""
        if wanted := _unlike(value, hints[field]):
            raise UserError(f"{full}{of} is {value!r}; it must be {wanted}.")
        for mark in marks if not _stands_for_auto(value, marks) else ():
            if isinstance(mark, Bound):
                mark.check(f"{full}{of}", value)
        for member in value if isinstance(value, tuple | list) else (value,):
            if dataclasses.is_dataclass(member):
                check(member, full)


def _unlike(value: Any, hint: Any) -> str:
    """What a value of a type is, in words, where this one is none; empty where it is."""
    if hint is bool or typing.get_origin(hint) is Literal:
        choices = (False, True) if hint is bool else typing.get_args(hint)
        return "" if value in choices else " or ".join(map(str, choices))
    if hint is int:
        whole = isinstance(value, numbers.Real) and value == value // 1  # not of nan, nor of inf
        return "" if whole else "a whole number"
    if hint is float:
        return "" if isinstance(value, numbers.Real) else "a number"
    kinds = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    if not all(kind is str or dataclasses.is_dataclass(kind) for kind in kinds):
        return ""
    return "" if isinstance(value, kinds) else " or ".join(kind.__name__ for kind in kinds)


def changed(config: Config, changes: Mapping[Mark, Callable[[str], str]]) -> Config:
    """The configuration in which fields with a mark went through the mark's function."""
    new: dict[str, Any] = {}
    for field, _, marks in _fields(config, ""):
        value = getattr(config, field)
        for mark in marks:
            if mark in changes:
                new[field] = changes[mark](value)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            new[field] = changed(value, changes)
    return dataclasses.replace(config, **new)  # type: ignore[type-var]


def _stands_for_auto(value: Any, marks: tuple[Any, ...]) -> bool:
    plain = isinstance(value, str | numbers.Real)  # not what JAX traces
    return plain and any(isinstance(mark, Auto) and mark.value == value for mark in marks)


def left_open(config: Any, name: str = "") -> dict[str, Any]:
    """The fields that stand at `auto`, by their dotted names, and what stands for it there."""
    found = {}
    for field, full, marks in _fields(config, name):
        value = getattr(config, field)
        if _stands_for_auto(value, marks):
            found[full] = value
        elif dataclasses.is_dataclass(value) and not isinstance(value, type):
            found |= left_open(value, full)
    return found


def with_values(config: Config, values: Mapping[str, Any]) -> Config:
    """The configuration in which fields, by their dotted names, have other values."""
    new: dict[str, Any] = {name: value for name, value in values.items() if "." not in name}
    for section in {name.partition(".")[0] for name in values} - new.keys():
        inside = {
            name.removeprefix(f"{section}."): value
            for name, value in values.items()
            if name.startswith(f"{section}.")
        }
        new[section] = with_values(getattr(config, section), inside)
    return dataclasses.replace(config, **new)  # type: ignore[type-var]


def _fields(config: Any, name: str) -> Iterator[tuple[str, str, tuple[Any, ...]]]:
    kind: Any = type(config)
    for field, marks in marks_of(kind).items():
        yield field, f"{name}.{field}" if name else field, marks


@functools.cache
def marks_of(kind: Any) -> dict[str, tuple[Any, ...]]:
    """What the types of a dataclass's fields are annotated with, by the fields' names."""
    hints = typing.get_type_hints(kind, include_extras=True)
    names = [field.name for field in dataclasses.fields(kind)]
    return {name: getattr(hints[name], "__metadata__", ()) for name in names}
