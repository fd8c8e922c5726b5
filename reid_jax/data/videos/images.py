"""Videos seen at the frames that are kept as images, for networks that make their own features."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from reid_jax.data.videos.features import VideoFeatures
from reid_jax.data.videos.frame_folders import read_frame_folders
from reid_jax.errors import UserError


def load_frames(
    path: Path, folder: Path, videos: Sequence[VideoFeatures], size: int
) -> list[tuple[VideoFeatures, np.ndarray]]:
    """The images of videos, and the videos as they are at these frames.

    Args:
      path: the H5 file that the videos are from.
      folder: see `read_frame_folders`.
      size: side of the square that images are resized to.

    Returns:
      for each video the video with its images as `picks`, `gtscore` interpolated to them, and no
      features; and uint8 (T, size, size, 3).

    Raises:
      UserError: a video has no images, or some of frames that it does not have, or one cannot be
        read.
    """
    folders = read_frame_folders(path, folder)
    found = []
    for video in videos:
        if video.key not in folders:
            raise UserError(f"{folder} has no frames of {video.key} in {path}.")
        images = folders[video.key]
        if images.frames.min() < 0 or images.frames.max() >= video.n_frames:
            raise UserError(
                f"sampled_frames of {video.key} in {path} go from {images.frames.min()} to "
                f"{images.frames.max()}; they must be from 0 to below n_frames, {video.n_frames}."
            )
        truth = video.gtscore
        if truth is not None:
            truth = np.interp(images.frames, video.picks, truth).astype(np.float32)
        at_images = replace(
            video,
            features=np.zeros((len(images.frames), 0), np.float32),
            picks=images.frames,
            gtscore=truth,
        )
        found.append((at_images, images.load(size)))
    return found
