"""Commands as people give them, but within the process of the test."""

import sys

import pytest

from reid_jax.commands.main import main


def call(*words: object) -> None:
    """Runs `reid-jax` with the words of a command line."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["reid-jax", *map(str, words)])
        main()
