"""Keyframes that a person chose among the frames that were scored, without scoring anew."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from reid_jax.data.videos.open import open_video
from reid_jax.errors import UserError
from reid_jax.keyframes.films.clip import frames_of, shots_with
from reid_jax.keyframes.films.features import Described
from reid_jax.keyframes.films.keyframe_files import Keyframes


def chosen_by_hand(path: Path, mark: dict[str, Any], frames: Sequence[int]) -> Keyframes:
    """The keyframes of a video as somebody chose them; its summary is the shots that hold them.

    Args:
      path: the video.
      mark: what was found in it, see :func:`reid_jax.data.videos.keyframe_folders.read_mark`.
      frames: indices of frames; those that were not scored are left out.

    Raises:
      UserError: the video can no longer be read, or is another one; or no frame is left.
    """
    video = open_video(path)
    if len(video.times) != mark["frames"]:
        raise UserError(f"{path} has {len(video.times):,} frames, not {mark['frames']:,}.")
    picks = np.array(mark["scored_frames"], np.int64)
    chosen = np.flatnonzero(np.isin(picks, np.array(frames, np.int64)))
    if not len(chosen):
        raise UserError("At least one frame that was scored has to be chosen.")
    scenes = np.array(mark["scenes"], np.int64)
    features = np.zeros((len(picks), 0), np.float32)
    described = Described(video, features, picks, scenes, mark["scenes_by"])
    shots = shots_with(picks[chosen], scenes, video.times)
    return Keyframes(
        described,
        np.array(mark["scores"], np.float32),
        chosen,
        "chosen by a person",
        frames_of(shots, len(video.times)),
    )
