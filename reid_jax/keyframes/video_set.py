"""Many videos as arrays: end to end, for clips."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reid_jax.data.photos.samplers import UniformSampler


@dataclass(frozen=True)
class VideoSet:
    """Videos end to end: video v is rows [offset[v], offset[v] + length[v]).

    Attributes:
      frames: (N, ...), features or uint8 images.
      targets: (N,) float32.
      offset, length: (V,) int32.
    """

    frames: np.ndarray
    targets: np.ndarray
    offset: np.ndarray
    length: np.ndarray


def end_to_end(frames: Sequence[np.ndarray], targets: Sequence[np.ndarray]) -> VideoSet:
    """A set of videos, each (T, ...) with targets (T,)."""
    length = np.asarray([len(video) for video in frames], np.int32)
    offset = (np.cumsum(length) - length).astype(np.int32)
    flat = np.concatenate([np.asarray(target, np.float32) for target in targets])
    return VideoSet(np.concatenate(list(frames)), flat, offset, length)


class ClipSampler:
    """Which videos give the clips of a step: a pure function of (seed, step).

    The videos come in rounds, each of which every video gives equally many clips to: one, or with a
    batch larger than the set as many as fill it. Rounds do not end where batches do, so that a
    batch across two of them may hold a video twice.
    """

    def __init__(self, num_videos: int, batch_size: int, seed: int):
        rounds = -(-batch_size // num_videos)
        self.batch_size = batch_size
        self._num_videos = num_videos
        self._first = UniformSampler(rounds * num_videos, batch_size, seed)
        self._second = UniformSampler(rounds * num_videos, batch_size, seed + 2**31)

    def __call__(self, step: int) -> np.ndarray:
        """int32 (batch_size, 3): a clip's video, the video of a second clip to mix it with, and the
        clip's number, of which there is one in a run."""
        videos = [sampler(step) % self._num_videos for sampler in (self._first, self._second)]
        number = step * self.batch_size + np.arange(self.batch_size)
        return np.stack([*videos, number], axis=1).astype(np.int32)
