"""Opens and finds videos: files, and folders of pictures.

video = open_video(path)
for frame in video.frames_at(indices_at_rate(video.times, 2.0)):
    frame.draw((224, 224))
"""

from collections.abc import Sequence
from pathlib import Path

from reid_jax.data.frames import Video
from reid_jax.data.picture_folder import PictureFolder, pictures_of
from reid_jax.data.video_features import natural_order
from reid_jax.data.video_file import VideoFile
from reid_jax.errors import UserError

EXTENSIONS = (
    *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts"),
    *(".wmv", ".flv", ".3gp", ".ogv", ".ogg", ".vob", ".y4m"),
)


def open_video(path: Path, folder_rate: float = 2.0) -> Video:
    """A video file, or a folder of pictures that were taken `folder_rate` times a second.

    Raises:
      UserError: for what has no frames, with the reason.
    """
    if path.is_dir():
        return PictureFolder(path, folder_rate)
    return VideoFile(path)


def find_videos(paths: Sequence[Path]) -> list[Path]:
    """Files as they are; folders of pictures; of other folders the videos and such folders in them.

    Raises:
      UserError: for a folder with neither.
    """
    found: list[Path] = []
    for path in paths:
        if not path.is_dir() or pictures_of(path):
            found.append(path)
            continue
        inside = [
            entry
            for entry in sorted(path.iterdir(), key=lambda entry: natural_order(entry.name))
            if (entry.is_dir() and pictures_of(entry)) or _is_video_name(entry)
        ]
        if not inside:
            raise UserError(f"{path} holds no videos ({', '.join(EXTENSIONS[:4])}, ...).")
        found += inside
    return found


def _is_video_name(path: Path) -> bool:
    return path.is_file() and path.suffix.lower() in EXTENSIONS and not path.name.startswith(".")
