"""Films that several processes share: features and keyframes are the bytes that one makes."""

from pathlib import Path

import pytest

from tests.keyframes.films.test_command import (  # noqa: F401 fixtures
    BACKBONE,
    by_histograms,
    features,
    folder,
    run,
    videos,
    weights,
)
from tests.stories.test_multihost import finish
from tests.stories.test_shares import start


def contents(place: Path) -> dict[str, bytes]:
    files = [path for path in place.rglob("*") if path.is_file() and path.name[0] != "."]
    return {path.relative_to(place).as_posix(): path.read_bytes() for path in files}


BEGIN = "from reid_jax.weights import scenes; scenes._variables = lambda: None"


def said(count: int, *words: object) -> list[str]:
    return finish(start(count, *words, begin=BEGIN, stderr=None), *[0] * count)


@pytest.mark.exhaustive
def test_features_and_keyframes_by_two_processes(run, videos, folder, weights, tmp_path):  # noqa: F811
    broken = folder / "broken.mp4"
    words = ("extract", videos, broken, "--backbone", BACKBONE, "--weights", weights, "--out")
    (one,) = said(1, *words, tmp_path / "one.h5")
    two, quiet = said(2, *words, tmp_path / "two.h5")
    assert two.replace("two.h5", "one.h5") == one
    assert quiet == ""
    assert (tmp_path / "one.h5").read_bytes() == (tmp_path / "two.h5").read_bytes()
    again, _ = said(2, *words, tmp_path / "two.h5")
    assert "5 of 6 videos were there already" in again

    again = tmp_path / "v1.mp4"  # another film of a name that is there
    again.write_bytes((videos / "v1.mp4").read_bytes() + b"\0")
    words = ("keyframes", videos, broken, again, "--run", run, "--out")
    (one,) = said(1, *words, tmp_path / "one")
    two, _ = said(2, *words, tmp_path / "two")
    assert two.replace(f"{tmp_path}/two", f"{tmp_path}/one") == one
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert (tmp_path / "two" / "v1_2").is_dir()
    assert not list(tmp_path.glob("*.shares"))
