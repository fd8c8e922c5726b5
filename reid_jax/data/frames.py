"""What can be read frame by frame, and which of its frames to read.

Times come from the file and not from a frame rate, so a variable rate is nothing special. A frame's
pixels are converted when they are asked for, and only at the size asked for; nothing keeps a frame
that was handed out.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

Size = tuple[int, int]


@dataclass(frozen=True, eq=False)
class Frame:
    """One frame.

    Attributes:
      index: its place in the order of presentation, from 0.
      time: seconds after the first frame.
      draw: (width, height) -> uint8 (height, width, 3), upright; None for its own size.
    """

    index: int
    time: float
    draw: Callable[[Size | None], np.ndarray]


class Video(Protocol):
    """What can be read frame by frame.

    Attributes:
      path: the file or folder.
      times: float64 (N,), seconds of every frame after the first, increasing.
    """

    path: Path
    times: np.ndarray

    @property
    def problem(self) -> str:
        """What was found wrong so far, as half a sentence, or nothing."""

    def frames(self) -> Iterator[Frame]:
        """All frames that can be decoded, in order."""

    def frames_at(self, indices: Sequence[int] | np.ndarray) -> Iterator[Frame]:
        """The frames at `indices`, in increasing order, each once.

        For one that cannot be decoded comes the next that can, if any, under its own index.
        """


def indices_at_rate(times: np.ndarray, rate: float) -> np.ndarray:
    """int64 indices of the frames nearest to 0, 1 / rate, 2 / rate, ... seconds, each once.

    Args:
      times: float64 (N,), increasing from 0.
      rate: a second; above the video's own every frame is taken.
    """
    wanted = np.arange(int(np.floor(times[-1] * rate + 1e-6)) + 1) / rate
    after = np.minimum(np.searchsorted(times, wanted), len(times) - 1)
    before = np.maximum(after - 1, 0)
    nearest = np.where(wanted - times[before] < times[after] - wanted, before, after)
    return np.unique(nearest)


def uniform_indices(number: int, count: int) -> np.ndarray:
    """int64 indices of the middles of `count` equal parts of `number` frames, each once."""
    return np.unique((np.arange(count) * 2 + 1) * number // (2 * count))
