"""Where the keyframes of a video go: a folder of its name that holds nothing else of anybody."""

import contextlib
import itertools
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

from reid_jax.data.names import composed
from reid_jax.data.videos.keyframe_folders import MARK, read_mark
from reid_jax.data.videos.named import name_of
from reid_jax.errors import UserError
from reid_jax.files import as_text, share
from reid_jax.locks import locked

SUMMARY, TIMELINE, SHEET = "summary.mp4", "timeline.png", "contact_sheet.jpg"
_KEYFRAME = re.compile(r"keyframe_\d{4,}_\d{2,}m\d\d\.\ds\.jpg")


def keyframe_name(number: int, seconds: float) -> str:
    """``1, 75.04 -> keyframe_0001_01m15.0s.jpg``."""
    tenths = round(seconds * 10)
    return f"keyframe_{number:04d}_{tenths // 600:02d}m{tenths % 600 / 10:04.1f}s.jpg"


@contextlib.contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """A hidden folder in `out` to write into; what was not published of it is removed.

    Raises:
      UserError: nothing can be written there.
    """
    folder = out / f".keyframes-{uuid.uuid4().hex[:12]}"
    try:
        folder.mkdir(parents=True)
        share(folder)
    except OSError as error:
        raise UserError(
            f"{out} cannot be written to ({error.strerror}); name another folder with --out."
        ) from None
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def publish(folder: Path, out: Path, video: Path, digest: str) -> Path:
    """Moves a complete folder, see `new_folder`, to the video's place in `out`.

    That is a folder of the video's name. Where keyframes of the same film are in it already, they
    are replaced and all else is left. Where anything else is in it, the folder is numbered. So two
    films of one name do not meet, whichever calls, also at the same time, they are from.

    Args:
      digest: of the content of `video`; it is in `folder`'s mark too.

    Returns:
      the place.
    """
    name = name_of(video)
    for number in itertools.count(1):
        place = _spelled(out, name if number == 1 else f"{name}_{number}")
        if not os.path.lexists(place):
            try:
                folder.rename(place)
            except OSError:
                if not os.path.lexists(place):
                    raise
            else:  # unless another call was faster
                return place
        if _is_for(place, video, digest):
            with locked(
                out / ".keyframes.lock", f"Another call writes keyframes to {out}, waiting"
            ):
                _replace(place, folder)
            return place
    raise AssertionError


def _spelled(out: Path, name: str) -> Path:
    """The place of a composed name, in the form that `out` has it in."""
    there = () if name.isascii() else os.listdir(out)
    return out / next((other for other in there if composed(other) == name), name)


def _is_for(place: Path, video: Path, digest: str) -> bool:
    """Whether a folder is empty, or has the keyframes of the film."""
    if not place.is_dir() or place.resolve() == video.resolve():
        return False
    mark = read_mark(place)
    if mark is None:
        return not any(place.iterdir())
    if "digest" in mark:
        return bool(mark["digest"] == digest)
    whole = as_text(video.resolve().as_posix())
    return mark.get("video") == whole  # written before there were digests


def _replace(place: Path, folder: Path) -> None:
    """Moves new keyframes over old ones. The mark is last, and then what is old is removed."""
    had_summary = (read_mark(place) or {}).get("summary") is not None
    new = sorted((file.name for file in folder.iterdir()), key=lambda name: name == MARK)
    for name in new:
        (folder / name).replace(place / name)
    old = [file for file in place.iterdir() if _KEYFRAME.fullmatch(file.name)]
    old += [place / TIMELINE, *([place / SUMMARY] if had_summary else [])]
    for file in old:
        if file.name not in new:
            file.unlink(missing_ok=True)
