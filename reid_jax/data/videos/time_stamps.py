"""The order and the times of a video's frames by the stamps of its packets, which may start again.

Parts that were joined byte by byte, recordings that went on after a break and clocks that were set
each begin anew or jump; their frames are put one after the other, as a player shows them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_BACK = 0.1  # seconds; by less, stamps are careless and do not start again
_FRAMES_BACK = 2.5  # nor by less than so many frames
_AHEAD = 10.0  # seconds, and so many times the usual gap, that a clock jumps
_GAPS = 100


@dataclass(frozen=True, eq=False)
class Stamps:
    """Frames in the order of presentation.

    Attributes:
      pts: int64 (N,), as the file has them; they rise within a part.
      times: float64 (N,), seconds after the first frame, rising.
      keyframes: int64, rising, indices of frames to begin decoding at.
      starts: int64 (S,), index of the first frame of each part; [0] of an ordinary file.
    """

    pts: np.ndarray
    times: np.ndarray
    keyframes: np.ndarray
    starts: np.ndarray

    def index(self, pts: int, after: int) -> int:
        """Which frame has a stamp: of several, the first one behind the frame `after`."""
        part = max(int(np.searchsorted(self.starts, after, side="right")) - 1, 0)
        ends = np.append(self.starts[1:], len(self.pts))
        for first, end in zip(self.starts[part:].tolist(), ends[part:].tolist(), strict=True):
            found = first + int(np.searchsorted(self.pts[first:end], pts))
            exact = found < end and int(self.pts[found]) == pts
            if len(self.starts) == 1 or (exact and found > after):
                return min(found, end - 1)
        return min(after + 1, len(self.pts) - 1)


def in_order(
    pts: Sequence[int],
    dts: Sequence[int | None],
    keys: Sequence[bool],
    tick: float,
    gap: float,
    *,
    clock_jumps: bool,
) -> Stamps:
    """Frames by the stamps of their packets, which come as they are stored.

    A part begins where a stamp of decoding is more than 0.1 seconds, and 2.5 frames, before the
    last one. Of packets without such stamps those of presentation of keyframes count.

    Args:
      pts: (N,), of presentation, in ticks.
      dts: (N,), of decoding, or None.
      keys: (N,), whether decoding can begin there.
      tick: seconds.
      gap: seconds from one frame to the next, where that cannot be seen.
      clock_jumps: whether more than ten seconds without a picture are a clock that was set, as in
        formats for transmission, and no pause.
    """
    shown, key = np.array(pts, np.int64), np.array(keys, bool)
    if None in dts:
        rows = np.flatnonzero(key)
        clock = shown[rows]
    else:
        rows, clock = np.arange(len(shown)), np.array(dts, np.int64)
    distinct = np.diff(np.unique(shown))
    between = float(np.median(distinct)) if len(distinct) else gap / tick
    begins = np.diff(clock) < -max(_BACK / tick, _FRAMES_BACK * between)
    parts = np.split(np.arange(len(shown)), rows[1:][begins])
    ordered = [np.unique(shown[part]) for part in parts]
    firsts = np.cumsum([0, *(len(one) for one in ordered)])[:-1]
    keyframes = [np.zeros(1, np.int64)]
    keyframes += [
        first + np.searchsorted(one, shown[part][key[part]])
        for first, part, one in zip(firsts, parts, ordered, strict=True)
    ]
    stamps = np.concatenate(ordered)
    gaps = np.diff(stamps)
    inside = np.delete(gaps, firsts[1:] - 1)
    usual = float(np.median(inside)) if len(inside) else gap / tick
    breaks = np.zeros(len(gaps), bool)
    breaks[firsts[1:] - 1] = True
    if clock_jumps:
        breaks |= gaps > max(_AHEAD / tick, _GAPS * usual)
    times = np.cumsum([0, *np.where(breaks, round(usual), gaps)]) * tick
    starts = np.append(0, np.flatnonzero(breaks) + 1)
    return Stamps(stamps, times, np.unique(np.concatenate(keyframes)), starts)
