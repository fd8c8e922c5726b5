"""A traced program without what is known before it runs, for engines that fold little."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal

CALLS = {
    "jit": "jaxpr",
    "pjit": "jaxpr",
    "closed_call": "call_jaxpr",
    "core_call": "call_jaxpr",
    "custom_jvp_call": "call_jaxpr",
    "custom_vjp_call": "call_jaxpr",
    "checkpoint": "jaxpr",
    "remat2": "jaxpr",
}
"""Primitives that hold a program, and under which name."""

_PREFERRED = "tpu"


def platform_branch(platforms: Any) -> int:
    """Of what is lowered by platform the plainest form: a TPU's, without calls and look-ups."""
    for index, names in enumerate(platforms):
        if names and _PREFERRED in names:
            return index
    return next((i for i, names in enumerate(platforms) if not names), len(platforms) - 1)


def folded(program: ClosedJaxpr) -> Callable[..., list[Any]]:
    """The same function of arrays; fixed keys, weights' norms and the like are computed now."""

    def function(*arrays: Any) -> list[Any]:
        return _walk(program.jaxpr, program.consts, arrays)

    return function


def _walk(program: Jaxpr, constants: Sequence[Any], arrays: Sequence[Any]) -> list[Any]:
    known: dict[Any, Any] = dict(zip(program.constvars, constants, strict=True))
    known |= dict(zip(program.invars, arrays, strict=True))

    def value_of(variable: Any) -> Any:
        return variable.val if isinstance(variable, Literal) else known[variable]

    for equation in program.eqns:
        given = [value_of(variable) for variable in equation.invars]
        known.update(zip(equation.outvars, _equation(equation, given), strict=True))
    return [value_of(variable) for variable in program.outvars]


def _equation(equation: Any, given: list[Any]) -> list[Any]:
    name, params = equation.primitive.name, equation.params
    if name in CALLS:
        return _inside(params[CALLS[name]], given)
    if name == "platform_index":
        return [platform_branch(params["platforms"])]
    if name == "cond" and not isinstance(given[0], jax.core.Tracer):
        return _inside(params["branches"][int(given[0])], given[1:])
    sizes = [size for variable in equation.outvars for size in variable.aval.shape]
    known = not any(isinstance(value, jax.core.Tracer) for value in given)
    if not known or not all(isinstance(size, int) for size in sizes):
        found = equation.primitive.bind(*given, **params)
    else:
        with jax.ensure_compile_time_eval():
            found = equation.primitive.bind(*map(_array, given), **params)
    return list(found) if equation.primitive.multiple_results else [found]


def _array(value: Any) -> Any:
    return value if isinstance(value, jax.Array) else jax.numpy.asarray(value)


def _inside(inner: Any, given: Sequence[Any]) -> list[Any]:
    if isinstance(inner, Jaxpr):
        return _walk(inner, [], given)
    return _walk(inner.jaxpr, inner.consts, given)
