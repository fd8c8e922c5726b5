"""Rules of fields: what is in a bound, in which words, and that the walker sees every field."""

import math
from dataclasses import dataclass, field
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reid_jax.errors import UserError
from reid_jax.fields import (
    FRACTION,
    NOT_NEGATIVE,
    PATH,
    POSITIVE,
    WEIGHTS,
    Auto,
    Bound,
    changed,
    check,
    left_open,
    with_values,
)

ENDS = st.none() | st.floats(-10, 10)


@given(ENDS, ENDS, ENDS, ENDS, st.floats(-20, 20) | st.just(math.nan) | st.just(math.inf))
def test_a_bound_is_its_definition(least, above, most, below, value):
    expected = not math.isnan(value)
    for end, holds in (
        (least, lambda end: value >= end),
        (above, lambda end: value > end),
        (most, lambda end: value <= end),
        (below, lambda end: value < end),
    ):
        expected = expected and (end is None or holds(end))
    assert Bound(least, above, most, below).holds(value) == expected


def test_a_bound_in_words():
    assert str(POSITIVE) == "above 0"
    assert str(NOT_NEGATIVE) == "0 or more"
    assert str(FRACTION) == "at least 0 and below 1"
    assert str(Bound(least=0, most=0.5)) == "from 0 to 0.5"
    assert str(Bound(above=0, most=60)) == "above 0 and at most 60"


@dataclass(frozen=True)
class Inner:
    rate: Annotated[float, POSITIVE] = 1.0
    file: Annotated[str, PATH] = "a"


@dataclass(frozen=True)
class Outer:
    one: Inner = field(default_factory=Inner)
    many: tuple[Inner, ...] = ()
    weights: Annotated[str, WEIGHTS] = "hub"
    free: float = -1.0
    either: Annotated[float | str, POSITIVE] = "auto"


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (Outer(one=Inner(0.0)), r"one\.rate is 0.0; it must be above 0"),
        (Outer(many=(Inner(), Inner(math.nan))), r"many\.rate is nan"),
        (Outer(either=-2.0), "either is -2.0"),
    ],
)
def test_every_field_is_looked_at_and_named(config, message):
    check(Outer())
    with pytest.raises(UserError, match=message):
        check(config)
    with pytest.raises(UserError, match=r"loss\.rate of Inner is -1; it must be above 0"):
        check(Inner(-1), "loss", whose=True)


def test_marked_fields_alone_are_changed():
    config = changed(Outer(), {PATH: lambda path: f"/{path}"})
    assert config == Outer(one=Inner(file="/a"))


@dataclass(frozen=True)
class Open:
    one: Annotated[float, POSITIVE, Auto(-1.0)] = -1.0
    inner: Inner = field(default_factory=Inner)
    network: Annotated[str, Auto("auto")] = "auto"


@dataclass(frozen=True)
class Holder:
    part: Open = field(default_factory=Open)
    many: tuple[Open, ...] = (Open(),)


def test_what_is_left_open_is_named_out_of_bounds_and_can_be_filled():
    check(Holder())
    assert left_open(Holder()) == {"part.one": -1.0, "part.network": "auto"}
    filled = with_values(Holder(), {"part.one": 3.0, "part.inner.rate": 2.0, "many": ()})
    assert filled == Holder(Open(3.0, Inner(2.0)), ())
    assert left_open(filled) == {"part.network": "auto"}
    with pytest.raises(UserError, match=r"part.one is -2.0; it must be above 0"):
        check(Holder(Open(-2.0)))
