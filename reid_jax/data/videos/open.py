"""Opens and finds videos: files, and folders of pictures.

video = open_video(path)
for frame in video.frames_at(indices_at_rate(video.times, 2.0)):
    frame.draw((224, 224))
"""

import collections
import itertools
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from reid_jax.console import Bar
from reid_jax.data.leftovers import ending_of, leftover, made_here
from reid_jax.data.photos.dataset import counts_text
from reid_jax.data.videos.features import natural_order
from reid_jax.data.videos.file import VideoFile
from reid_jax.data.videos.frames import Video
from reid_jax.data.videos.keyframe_folders import read_mark
from reid_jax.data.videos.picture_folder import PictureFolder, is_frame
from reid_jax.errors import UserError

EXTENSIONS = (
    *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts"),
    *(".wmv", ".flv", ".3gp", ".ogv", ".ogg", ".vob", ".y4m"),
)
"""Of files that are taken for videos by their name; others are by their content."""

_PREVIEWS = (".lrv", ".lrf", ".glv")  # small copies of the films beside them, by action cameras
_NO_FILMS = (  # of what begins as mp4 does
    *(b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"avif", b"avis"),
    *(b"crx ", b"M4A ", b"M4B ", b"M4P "),
)
_STARTS = (
    *(b"\x1aE\xdf\xa3", b"FLV\x01", b"\0\0\x01\xba", b"\0\0\x01\xb3"),  # Matroska, Flash, MPEG
    *(b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", b"YUV4MPEG2 "),  # Windows Media, y4m
)


def open_video(path: str | os.PathLike[str], folder_rate: float = 2.0) -> Video:
    """A video file, or a folder of pictures that were taken `folder_rate` times a second.

    Raises:
      UserError: for what has no frames, with the reason.
    """
    if not isinstance(path, str | os.PathLike):
        raise UserError(f"A video is {type(path).__name__}; give a film or a folder of frames.")
    path = Path(path)
    if path.is_dir():
        return PictureFolder(path, folder_rate)
    return VideoFile(path)


def find_videos(paths: Sequence[Path]) -> tuple[list[Path], collections.Counter[str]]:
    """Files as they are; of folders all other videos in them, at any depth, each once.

    In a folder, a file is a film by its ending or by its content. A folder of pictures is a video
    too, unless a film lies in it or below it. What systems and this program leave (see `leftovers`)
    and its folders of keyframes are passed over, as is all that is no film.

    Returns:
      the videos, in the order of their names; and how much was passed over, by what it is: ".jpg",
      "of keyframes/".

    Raises:
      UserError: for a folder with no video.
    """
    found: list[Path] = []
    passed_over: collections.Counter[str] = collections.Counter()
    seen = {os.path.realpath(path) for path in paths}
    for path in paths:
        if not path.is_dir():
            found.append(path)
            continue
        inside, here = _search(path)
        if not inside:
            what = f"; passed over: {counts_text(here)}" if here else ""
            raise UserError(f"{path} holds no videos ({', '.join(EXTENSIONS[:4])}, ...){what}.")
        passed_over += here
        for video in inside:
            real = os.path.realpath(video)
            if video == path or real not in seen:  # a link is no second film
                found.append(video)
            seen.add(real)
    return found, passed_over


def _search(folder: Path) -> tuple[list[Path], collections.Counter[str]]:
    """The videos in a folder and below it, and what was passed over."""
    passed_over: collections.Counter[str] = collections.Counter()
    bar = Bar("Looking for videos", None)
    looked = itertools.count()
    try:
        found, _ = _walk(
            folder, passed_over, (os.path.realpath(folder),), lambda: bar.update(next(looked))
        )
    finally:
        bar.close()
    return found, passed_over


def _walk(
    folder: Path,
    passed_over: collections.Counter[str],
    ancestors: tuple[str, ...],
    look: Callable[[], None],
) -> tuple[list[Path], bool]:
    """The videos in a folder and below it, and whether a film is among them."""
    try:
        with os.scandir(folder) as listing:
            entries = sorted(listing, key=lambda entry: natural_order(entry.name))
    except OSError:
        passed_over["that cannot be read/"] += 1
        return [], False
    ours = made_here({entry.name for entry in entries})
    if ours or read_mark(folder) is not None:
        passed_over[ours or "of keyframes/"] += 1
        return [], False
    videos: list[Path] = []
    pictures: list[str] = []
    has_film = False
    for entry in entries:
        path = Path(entry.path)
        look()
        if left := leftover(entry.name, entry.is_dir()):
            passed_over[left] += 1
        elif entry.is_dir():
            real = os.path.realpath(path)
            if real not in ancestors:  # a link back up would never end
                inside, film = _walk(path, passed_over, (*ancestors, real), look)
                videos += inside
                has_film |= film
        elif is_film(path):
            videos.append(path)
            has_film = True
        elif is_frame(path):
            pictures.append(ending_of(entry.name))
        else:
            passed_over[ending_of(entry.name)] += 1
    if has_film:
        passed_over.update(pictures)
    elif pictures:
        videos.insert(0, folder)
    return videos, has_film


def is_film(path: Path) -> bool:
    """Whether a file is a film by its ending, or by its first bytes; it may still be damaged."""
    ending = path.suffix.lower()
    if ending in _PREVIEWS or not path.is_file():
        return False
    if ending in EXTENSIONS:
        return True
    try:
        with path.open("rb") as file:
            start = file.read(400)
    except OSError:
        return False
    if start[4:8] == b"ftyp":
        return start[8:12] not in _NO_FILMS
    if start[:4] == b"RIFF":
        return start[8:12] == b"AVI "
    packets = any(
        set(start[first : first + 2 * step : step]) == {0x47} and len(start) > first + step
        for first, step in ((0, 188), (4, 192))  # MPEG transport streams, and those of disks
    )
    return packets or start.startswith(_STARTS)
