"""The videos that a command line names."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from reid_jax.console import Bar, say
from reid_jax.data.names import composed
from reid_jax.data.photos.dataset import counts_text
from reid_jax.data.videos.open import find_videos
from reid_jax.data.videos.picture_folder import pictures_of
from reid_jax.errors import UserError

_BLOCK = 1 << 22  # bytes


def named_videos(paths: Sequence[Path]) -> list[Path]:
    """The videos that `find_videos` finds; says how much of the folders was passed over."""
    found, passed_over = find_videos(paths)
    if passed_over:
        say(f"passed over: {counts_text(passed_over)}")
    return found


def name_of(path: Path) -> str:
    """What results of a video are named: as its file without the ending, or as its folder.

    Composed, as results whose names differ in their Unicode form alone are printed alike, and are
    one on disks of macOS.
    """
    path = Path(os.path.abspath(path))  # which says what "." is, and follows no link
    return composed(path.name if path.is_dir() else path.stem) or "video"


def pass_over(why: str, others: int) -> None:
    """Says why a video is skipped where there are others that will do.

    Raises:
      UserError: there are none.
    """
    if others < 1:
        raise UserError(why)
    print(f"skipped: {why}")


def distinct(paths: Sequence[Path], digests: dict[Path, str]) -> Iterator[Path]:
    """The videos one by one, those that have name and content of an earlier one left out, said.

    Args:
      digests: gets the digest of each where it lacks it, before it is handed out; none of what
        does not exist.

    Raises:
      UserError: the only one cannot be read.
    """
    seen: dict[tuple[str, str], Path] = {}
    for path in paths:
        earlier = path
        if path.exists():  # else whoever opens it says so
            try:
                digests[path] = digests.get(path) or video_digest(path)
            except OSError as error:
                pass_over(f"{path} cannot be read ({error.strerror}).", len(paths) - 1)
                continue
            earlier = seen.setdefault((name_of(path), digests[path]), path)
        if earlier == path:
            yield path
        else:
            say(f"passed over: {path} has the name and the content of {earlier}")


def video_digest(path: Path) -> str:
    """Names the content of a video file, or the names and contents of a folder's pictures.

    Raises:
      OSError: it cannot be read.
    """
    files = pictures_of(path) if path.is_dir() else [path]
    digest = hashlib.blake2b(digest_size=16)
    bar = Bar(f"Reading {path.name}", sum(file.stat().st_size for file in files))
    read = 0
    try:
        for file in files:
            if path.is_dir():
                digest.update(f"{file.name}\0".encode(errors="surrogateescape"))
            with file.open("rb") as stream:
                while block := stream.read(_BLOCK):
                    digest.update(block)
                    read += len(block)
                    bar.update(read)
    finally:
        bar.close()
    return digest.hexdigest()
