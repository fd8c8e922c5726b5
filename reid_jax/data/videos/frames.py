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

_TICK = 0.001  # seconds
_TICKS = 200_000


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


def uniform_indices(times: np.ndarray, count: int) -> np.ndarray:
    """int64 indices of the frames in the middle of `count` equal parts of the time, each once.

    Args:
      times: float64 (N,), increasing from 0.
    """
    edges = frame_edges(times)
    middles = (np.arange(count) * 2 + 1) * edges[-1] // (2 * count)
    return np.unique(np.searchsorted(edges, middles, side="right") - 1)


def usual_gap(times: np.ndarray) -> float:
    """Seconds from a frame to the next: the median, which the last frame is taken to last."""
    return float(np.median(np.diff(times))) if len(times) > 1 else 1.0


def is_steady(times: np.ndarray) -> bool:
    """Whether frames come at a constant rate: each less than half a frame from its time."""
    gap = times[-1] / max(len(times) - 1, 1)
    return bool(np.all(np.abs(times - gap * np.arange(len(times))) <= gap / 2))


def frame_edges(times: np.ndarray) -> np.ndarray:
    """int64 (N + 1,): when each frame begins, and the last one ends, in whole ticks from 0.

    What is taken of a video by ticks is taken by time. At a constant rate a tick is a frame, else a
    millisecond, or what gives a long video four ticks a frame.

    Args:
      times: float64 (N,), seconds, increasing from 0.
    """
    if is_steady(times):
        return np.arange(len(times) + 1)
    end = times[-1] + usual_gap(times)
    tick = max(_TICK, end / max(_TICKS, 4 * len(times)))
    return np.rint(np.append(times, end) / tick).astype(np.int64)
