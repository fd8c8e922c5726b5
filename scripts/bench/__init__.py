"""Benchmarks beside what one would use instead: one file a suite, found by its name."""

from collections.abc import Iterable
from importlib import import_module
from typing import Any

from reid_jax.errors import UserError

SUITES = (
    "epoch",
    "evaluation",
    "head",
    "input",
    "keyframes",
    "mining",
    "retrieval",
    "search",
    "startup",
    "step",
)


def run_suite(suite: str, *, peer: bool) -> Iterable[dict[str, Any]]:
    """Rows of ``scripts.bench/SUITE.py`` as they come; UserError if there is none."""
    if suite not in SUITES:
        raise UserError(f"There is no suite {suite!r}: use one of {', '.join(SUITES)}.")
    rows: Iterable[dict[str, Any]] = import_module(f"scripts.bench.{suite}").run(peer=peer)
    return rows
