"""Frames of videos kept as JPEG files, a folder a video, that go with an H5 file of features."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reid_jax.data.names import FileFinder
from reid_jax.data.videos.picture_folder import pictures_of
from reid_jax.errors import UserError, missing

_PICKED = re.compile(r"frame_(\d+)\.jpg")


def picked_name(frame: int) -> str:
    """The file of a frame whose number it says: ``15 -> frame_000015.jpg``."""
    return f"frame_{frame:06d}.jpg"


@dataclass(frozen=True)
class FrameFolder:
    """Some frames of a video.

    Attributes:
      paths: the files, in the order of time.
      frames: (F,) int64, which frame of the video each file is.
    """

    paths: tuple[Path, ...]
    frames: np.ndarray

    def load(self, size: int, every: int = 1) -> np.ndarray:
        """Each `every`-th frame, uint8 (F / every, size, size, 3)."""
        from reid_jax.data.photos.images import read_image  # which needs Pillow

        return np.stack([read_image(str(path), size) for path in self.paths[::every]])


def read_frame_folders(features: Path, frames: Path) -> dict[str, FrameFolder]:
    """The frames of each video of the H5 file `features` that has some, by the video's key.

    A group names its folder below `frames` in `video_id` (else the folder has the group's name), in
    either Unicode form, and says in `sampled_frames` which frames of the video the files are, in
    the order of their names, `img2.jpg` before `img10.jpg`. A folder of the group's name with files
    of `picked_name` needs neither.

    Raises:
      UserError: no video has frames there, or a folder has another number of files than its group
        says.
    """
    try:
        import h5py
    except ImportError as error:
        raise missing("Reading H5", "h5py", "video") from error
    found, finder = {}, FileFinder(str(frames))
    with h5py.File(features, "r") as file:
        for key, group in file.items():
            if not hasattr(group, "keys"):
                continue
            picked = finder.find_folder(key)
            if picked and (named := _picked(Path(picked))):
                found[key] = FrameFolder(tuple(named.values()), np.array([*named], np.int64))
                continue
            if "sampled_frames" not in group:
                continue
            name = group["video_id"].asstr()[()] if "video_id" in group else key
            folder = finder.find_folder(name)
            paths = pictures_of(Path(folder)) if folder else []
            if not paths:
                continue
            indices = np.asarray(group["sampled_frames"][()], np.int64)
            plain = [path for path in paths if path.suffix == ".jpg"]
            if len(plain) == len(indices):  # a folder that has served so far, whatever lies there
                paths = plain
            if len(paths) != len(indices):
                raise UserError(
                    f"{folder} has {len(paths)} frames, but {features} says "
                    f"{len(indices)} of {key}; they must be the same."
                )
            found[key] = FrameFolder(tuple(paths), indices)
    if not found:
        raise UserError(
            f"{frames} has no frames of the videos in {features}; there must be a folder of "
            "pictures for each, named as the group's video_id."
        )
    return found


def _picked(folder: Path) -> dict[int, Path]:
    """Files by the frames that their names say, rising; nothing where a name says none."""
    matches = {path: _PICKED.fullmatch(path.name) for path in pictures_of(folder)}
    numbers = {int(match[1]): path for path, match in matches.items() if match}
    return dict(sorted(numbers.items())) if len(numbers) == len(matches) else {}
