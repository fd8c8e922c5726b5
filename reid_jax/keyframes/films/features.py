"""What a network sees in the frames of a video, and where its scenes are, in one pass over it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reid_jax.data.videos.frames import Frame, Video, indices_at_rate, uniform_indices
from reid_jax.data.videos.open import open_video
from reid_jax.data.videos.walk import Encoder, walk
from reid_jax.errors import UserError
from reid_jax.weights.scenes import SIZE, new_detector, scenes_from_cuts


@dataclass(frozen=True, eq=False)
class Described:
    """A video that was read.

    Attributes:
      video: it.
      features: float32 (P, D), of the frames at `picks`.
      picks: int64 (P,), rising frame indices.
      scenes: int64 (S, 2), first and last frame of each, together the whole video.
      scenes_by: what found them.
      dense: frames that were described for each that a rate asks for.
    """

    video: Video
    features: np.ndarray
    picks: np.ndarray
    scenes: np.ndarray
    scenes_by: str
    dense: int = 1

    @property
    def n_frames(self) -> int:
        """Of the whole video, not only at `picks`."""
        return len(self.video.times)


def describe(
    path: Path, encoder: Encoder, rate: float, count: int | None = None, least: int = 0
) -> Described:
    """Decodes a video once, from its first to its last frame, a few frames at a time.

    Described are `rate` frames a second, or, where `count` is given, so many of the whole video,
    evenly spread over its time. A folder of pictures is taken to have `rate` a second. Where that
    gives fewer than `least`, a multiple of the rate is described, up to all frames.

    Raises:
      UserError: for what is no video, or has no frame that can be decoded.
    """
    video = open_video(path, rate)
    dense = 1
    if count is None:
        wanted = indices_at_rate(video.times, rate)
        dense = -(-min(max(least, len(wanted)), len(video.times)) // len(wanted))
        if dense > 1:
            wanted = indices_at_rate(video.times, dense * rate)
    else:
        wanted = uniform_indices(video.times, count)
    detector = new_detector()
    seen: list[int] = []  # frames that the detector was given

    def watch(frame: Frame) -> None:
        detector.add(frame.draw(SIZE))
        seen.append(frame.index)

    picks, features = walk(video, wanted, encoder, watch)
    cuts = np.array(seen)[detector.cuts()]
    return Described(
        video,
        features,
        picks,
        scenes_from_cuts(cuts, len(video.times)),
        detector.name,
        dense,
    )


def each_video(
    paths: Iterable[Path],
    encoder: Encoder,
    rate: float,
    count: int | None = None,
    least: int = 0,
) -> Iterator[tuple[Path, Described | str]]:
    """`describe` of each; of a video that cannot be used, why."""
    for path in paths:
        try:
            yield path, describe(path, encoder, rate, count, least)
        except (UserError, OSError) as error:
            yield path, str(error)
