"""Where the real data for tests lies, and a skip with a clear reason where it does not."""

from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
SHARED = REPOSITORY.parent / "shared"


def shared(relative: str) -> Path:
    """The path of a file in the shared data folder; skips the calling test when it is not there."""
    path = SHARED / relative
    if not path.exists():
        pytest.skip(f"needs {relative} in a folder `shared` beside the repository")
    return path
