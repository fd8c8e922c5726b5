"""What tests of galleries share."""

import pytest

from tests.seen_gallery import write_seen


@pytest.fixture(scope="session")
def seen_folder(tmp_path_factory):
    """A gallery over three years; who changes it copies it."""
    return write_seen(tmp_path_factory.mktemp("seen") / "gallery")
