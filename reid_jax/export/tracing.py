"""A program, traced: with a symbolic number of rows where the engine lets."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import jax

from reid_jax.errors import UserError
from reid_jax.export.program import Program
from reid_jax.ops.convolution.lax import plain_lowering

MOST_FRAMES = 2048  # of one film; what is longer is attended to in blocks, which is another program


def shape_of(program: Program, batch: int) -> jax.ShapeDtypeStruct:
    """Shape and dtype of the rows; their number is symbolic unless `batch` says it."""
    count: Any = batch
    if not batch:
        bounds = [f"n >= {program.least}"]
        bounds += [] if program.apart else [f"n <= {MOST_FRAMES}"]
        (count,) = jax.export.symbolic_shape("n", constraints=bounds)
    return jax.ShapeDtypeStruct((count, *program.rows.shape[1:]), program.rows.dtype)


@contextmanager
def plainly() -> Iterator[None]:
    """While tracing: no call of a library, and no kernel of one platform."""
    before = os.environ.get("REID_JAX_ONEDNN")
    os.environ["REID_JAX_ONEDNN"] = "0"
    try:
        with plain_lowering():
            yield
    finally:
        if before is None:
            del os.environ["REID_JAX_ONEDNN"]
        else:
            os.environ["REID_JAX_ONEDNN"] = before


def traced(program: Program, rows: jax.ShapeDtypeStruct) -> tuple[Any, list[str]]:
    """The program as equations for rows of a shape, and the names of what it gives.

    Raises:
      UserError: it cannot be traced for any number of rows.
    """
    names: list[str] = []

    def function(given: jax.Array) -> list[jax.Array]:
        found = program.function(given)
        names[:] = found
        return list(found.values())

    with plainly():
        try:
            closed = jax.jit(function).trace(rows).jaxpr
        except jax.errors.InconclusiveDimensionOperation as error:
            raise UserError(
                "This network cannot be exported for any number of rows; say how many with "
                f"--batch: {str(error).splitlines()[0]}"
            ) from error
    return closed, names
