"""Commands as people give them, but within the process of the test."""

import runpy
import sys

import pytest

from tests.paths import REPOSITORY


def call(name: str, *arguments: object) -> None:
    """Runs a file of `scripts` with the arguments of a command line."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [name, *map(str, arguments)])
        runpy.run_path(str(REPOSITORY / "scripts" / name), run_name="__main__")
