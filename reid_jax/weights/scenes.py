"""Where one scene of a video ends and the next begins.

A detector is fed every frame in order, small, and asked for the cuts at the end; it keeps numbers
and a window of small frames, so that the length of a video does not matter.
"""

from functools import cache, partial
from typing import Any, Protocol

import jax
import numpy as np

from reid_jax.console import say
from reid_jax.errors import UserError
from reid_jax.models.transnet import HEIGHT, WIDTH, TransNetV2
from reid_jax.ops.convolution.compilation import compiler_options
from reid_jax.weights.transnet import published_transnet

SIZE = WIDTH, HEIGHT
_STEP, _CONTEXT = 50, 25  # frames that a window decides, and that it sees on either side
_WINDOWS = 2  # at once
_BINS = 8  # of a histogram, for each colour
_REACH = 6  # frames on either side that a cut stands out from
_LEAST = 0.2  # share of the pixels that change their colour in a cut, at the least
_RATIO = 2.0  # and times the second largest change around


class SceneDetector(Protocol):
    """Attributes: name, as it is to be shown."""

    name: str

    def add(self, frame: np.ndarray) -> None:
        """The next frame, uint8 (27, 48, 3)."""

    def cuts(self) -> np.ndarray:
        """int64, rising: numbers of the frames, by order of adding, that begin a new scene."""


def new_detector() -> SceneDetector:
    """TransNet V2 where its published weights can be had, else colour histograms."""
    variables = _variables()
    return HistogramDetector() if variables is None else TransNetDetector(variables)


def scenes_from_cuts(cuts: np.ndarray, n_frames: int) -> np.ndarray:
    """int64 (S, 2): first and last frame of each scene; together they are the whole video."""
    starts = np.unique(np.append(cuts, 0)).astype(np.int64)
    starts = starts[(starts >= 0) & (starts < n_frames)]
    return np.stack([starts, np.append(starts[1:], n_frames) - 1], axis=1)


def divide(scenes: np.ndarray, longest: int, edges: np.ndarray) -> np.ndarray:
    """int64 (S, 2): scenes longer than `longest` ticks in as few parts of equal length as can be.

    A summary takes parts whole, so a scene of half the video could never be in one. A part is
    longer only where it is a single frame.

    Args:
      scenes: (S, 2) first and last frame of each.
      longest: in the ticks of `edges`.
      edges: (N + 1,) see `frame_edges`.
    """
    longest = max(longest, 1)
    parts = []
    for first, last in scenes.tolist():
        length = int(edges[last + 1] - edges[first])
        count = max(1, -(-length // longest))
        while True:
            cuts = edges[first] + np.arange(1, count) * length // count
            inner = np.searchsorted(edges, cuts, side="right") - 1
            starts = np.unique(np.clip(np.append(inner, first), first, last))
            ends = np.append(starts[1:], last + 1)
            too_long = (edges[ends] - edges[starts] > longest) & (ends - starts > 1)
            if not too_long.any() or count > length:
                break
            count += 1 + count // 8  # a frame that lasts long keeps its part from being even
        parts.append(np.stack([starts, ends - 1], axis=1))
    return np.concatenate(parts)


class HistogramDetector:
    """Cuts by colour histograms (Swain and Ballard, IJCV 1991) that stand out.

    The change between two frames is 1 minus the intersection of their histograms. A cut is a change
    that is at least twice the largest other one a few frames around, as Yeo and Liu ("Rapid scene
    analysis on compressed video", IEEE TCSVT 1995) decide, so that neither movement nor a flash,
    which makes two changes, is one. Gradual transitions are not found.
    """

    name = "colour histograms"

    def __init__(self) -> None:
        self._before: np.ndarray | None = None
        self._changes: list[float] = []

    def add(self, frame: np.ndarray) -> None:
        level = _colours(frame)
        histogram = np.bincount(level, minlength=_BINS**3) / len(level)
        if self._before is not None:
            self._changes.append(1.0 - float(np.minimum(histogram, self._before).sum()))
        self._before = histogram

    def cuts(self) -> np.ndarray:
        return peaks(np.array(self._changes)) + 1


def _colours(frame: np.ndarray) -> np.ndarray:
    """The bin of each pixel of uint8 (H, W, 3)."""
    level = (frame // (256 // _BINS)).reshape(-1, 3).astype(np.int64)
    return (level[:, 0] * _BINS + level[:, 1]) * _BINS + level[:, 2]


def peaks(changes: np.ndarray) -> np.ndarray:
    """int64: where a change is at least `_LEAST` and `_RATIO` times the largest other around."""
    if not len(changes):
        return np.zeros(0, np.int64)
    around = np.lib.stride_tricks.sliding_window_view(
        np.pad(changes, _REACH, constant_values=0.0), 2 * _REACH + 1
    )
    others = np.delete(around, _REACH, axis=1).max(axis=1)
    return np.flatnonzero((changes >= _LEAST) & (changes >= _RATIO * others) & (changes > others))


class TransNetDetector:
    """TransNet V2 on windows of 100 frames that overlap by half, as its authors apply it."""

    name = "TransNet V2"

    def __init__(self, variables: Any):
        self._apply = partial(_network(), variables)
        self._waiting: list[np.ndarray] = []  # frames that some window still needs
        self._probabilities: list[np.ndarray] = []
        self._number = 0

    def add(self, frame: np.ndarray) -> None:
        if not self._waiting:
            self._waiting = [frame] * _CONTEXT
        self._waiting.append(frame)
        self._number += 1
        if len(self._waiting) == _WINDOWS * _STEP + 2 * _CONTEXT:
            self._decide()

    def probabilities(self) -> np.ndarray:
        """float32 (N,): of every frame to be the last before a cut, or amid a transition."""
        while _STEP * len(self._probabilities) < self._number:
            missing = _WINDOWS * _STEP + 2 * _CONTEXT - len(self._waiting)
            self._waiting += [self._waiting[-1]] * missing
            self._decide()
        found = self._probabilities or [np.zeros(0, np.float32)]
        return np.concatenate(found)[: self._number]

    def cuts(self) -> np.ndarray:
        return middles(self.probabilities() > 0.5) + 1

    def _decide(self) -> None:
        windows = [
            np.stack(self._waiting[i * _STEP : i * _STEP + _STEP + 2 * _CONTEXT])
            for i in range(_WINDOWS)
        ]
        logits = np.asarray(self._apply(np.stack(windows)))[..., 0]
        decided = 1 / (1 + np.exp(-logits[:, _CONTEXT : _CONTEXT + _STEP]))
        self._probabilities += list(decided)
        self._waiting = self._waiting[_WINDOWS * _STEP :]


def middles(marked: np.ndarray) -> np.ndarray:
    """int64: the middle of each run of True; a run that reaches the end of (N,) is none."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], marked, [False]]).astype(np.int8)))
    firsts, ends = edges[::2], edges[1::2]
    inside = ends < len(marked)
    return (firsts[inside] + ends[inside] - 1) // 2


@cache
def _network() -> Any:
    return jax.jit(TransNetV2().apply, compiler_options=compiler_options())


@cache
def _variables() -> Any:
    """The published weights on the device; None, and a line that says why, without them."""
    try:
        return jax.device_put(published_transnet())
    except UserError as error:
        say(f"Scenes are told by colour histograms: {error}")
        return None
